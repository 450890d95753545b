//! What `-v` shows: each request with what became of it, and neither what it holds nor what lets it in.

use super::support::{Cluster, Story};

#[test]
fn requests_are_shown_without_what_lets_them_in() {
    let story = Story::new("verbose", Cluster::Embedded);
    let served = story.serve();
    let kubeconfig = story.output("cluster kubeconfig -e testing");
    let server = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server:")).unwrap();
    // The path of the embedded cluster's address lets in whoever has it.
    let token = server.trim().trim_matches('"').rsplit('/').find(|part| !part.is_empty()).unwrap();
    assert!(token.len() >= 16, "{server}");
    story.write("kubeconfig", &kubeconfig);
    let check = |words: &str, shows: &[&str], hides: &[&str]| {
        let (code, out, err) = story.run_elsewhere(&format!("{words} --cluster kubeconfig:kubeconfig"));
        assert_eq!(code, 0, "{err}");
        for shown in shows {
            assert!(err.contains(shown), "{words} shows {shown}: {err}");
        }
        for hidden in hides.iter().chain(&[token, "Bearer", "127.0.0.1"]) {
            assert!(!err.contains(hidden) && !out.contains(hidden), "{words} shows {hidden}: {err}{out}");
        }
    };
    check("plan verbose -e testing", &[], &["GET /", "watch: "]);
    check("plan verbose -e testing -v", &["GET /api/v1/namespaces/kube-system: 200 after "], &["watch: "]);
    let applied = "PATCH /api/v1/namespaces/verbose?fieldManager=strata-verbose&fieldValidation=Strict";
    let news = "watch: Deployment verbose/ai-memory-mcp is at revision ";
    check("up verbose -e testing --yes -vv", &[applied, ", a stream", news], &[]);
    check("destroy verbose -e testing --yes -v", &["DELETE /"], &["watch: "]);
    drop(served);
}
