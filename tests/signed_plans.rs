//! Plans that have to be signed: what OpenSSH signs is carried out, what is signed here OpenSSH verifies, and a plan that
//! nobody has signed, or that is not what was signed, changes nothing.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]
#![allow(clippy::disallowed_methods, reason = "the judge of signatures is another program")]

use std::fs;
use std::process::{Command, Stdio};

mod story;

use story::{Story, golden, seen};

const STACK: &str = "stack: shop
namespace: shop
health_port: \"+100\"
tiers:
  all: {ports: 9000-9009}
services:
  cart: {tier: all, port: 9000}
";

/// Runs ssh-keygen in the story's directory, with a file as its standard input; whether it ended well.
fn ssh_keygen(story: &Story, words: &[&str], input: Option<&str>) -> bool {
    let input = input.map_or_else(Stdio::null, |file| fs::File::open(story.path().join(file)).unwrap().into());
    let output = Command::new("ssh-keygen").args(words).current_dir(story.path()).stdin(input).output().unwrap();
    output.status.success()
}

/// A key, and the line of its public half.
fn key(story: &Story, name: &str) -> String {
    assert!(ssh_keygen(story, &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name], None));
    fs::read_to_string(story.path().join(format!("{name}.pub"))).unwrap().trim_end().to_owned()
}

/// A stack, and environments that accept what these keys sign.
fn accepting(keys: &[&str]) -> Story {
    let story = Story::new();
    story.file("stacks/shop.yaml", STACK);
    let lines: Vec<String> = keys.iter().map(|name| format!("    - {}\n", key(&story, name))).collect();
    for environment in ["live", "next"] {
        story.file(
            &format!("environments/{environment}.yaml"),
            format!(
                "environment: {environment}\nplans:\n  signed_by:\n{}clusters: {{local: {{embedded: {{ready_after: \
                 0s}}}}}}\ndefault_cluster: local\nimage: {{registry: registry.example/shop, tag: 1.0.0}}\n",
                lines.concat()
            ),
        );
    }
    story
}

fn run(story: &Story, line: &str) -> (i32, String, String) {
    story.run(&line.split(' ').collect::<Vec<_>>())
}

#[track_caller]
fn done(story: &Story, line: &str) {
    let (code, out, err) = run(story, line);
    assert_eq!(code, 0, "{line}\n{out}{err}");
}

/// That a plan is refused, for this reason, and nothing is changed.
#[track_caller]
fn refused(story: &Story, line: &str, reason: &str) {
    let (code, out, err) = run(story, line);
    assert_eq!((code, out.as_str()), (1, ""), "{line}\n{err}");
    assert!(err.contains(reason), "{line}\n{err}");
    assert_eq!(run(story, "plan shop -e live --detailed-exitcode --quiet").0, 2);
}

#[test]
fn what_is_signed_is_carried_out_and_nothing_else() {
    let story = accepting(&["first", "second"]);
    let mut told = String::new();
    let mut tell = |line: &str| told += &format!("{}\n", seen(line, run(&story, line)));
    tell("up shop -e live --yes --quiet");
    tell("destroy shop -e live --yes");
    done(&story, "plan shop -e live --save plan --quiet");
    tell("up shop -e live --yes --plan plan");
    tell("sign plan --key first.pub");
    tell("sign stacks/shop.yaml --key first");
    tell("sign plan --key second");
    let mut story_told = told;
    let (code, _, err) = run(&story, "up shop -e live --yes --plan plan");
    assert_eq!(code, 0, "{err}");
    let fingerprint = err.lines().next().unwrap().to_owned();
    assert!(fingerprint.starts_with("plan is signed by SHA256:"), "{err}");
    story_told += "It was carried out.\n";
    golden("signed_plans.txt", story_told);
    // The private half stands in nothing that was written, but for its own file.
    let private = fs::read_to_string(story.path().join("second")).unwrap();
    let secret = private.lines().nth(2).unwrap();
    for file in story.files().into_iter().filter(|file| file != "second") {
        let bytes = fs::read(story.path().join(&file)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{file}");
    }
}

#[test]
fn a_plan_back_is_signed_as_any_other() {
    let story = accepting(&["ours"]);
    let forth = || {
        done(&story, "plan shop -e live --save plan --quiet");
        done(&story, "sign plan --key ours --quiet");
        done(&story, "up shop -e live --yes --plan plan --quiet");
    };
    forth();
    story.edit("stacks/shop.yaml", "port: 9000}", "port: 9001}");
    forth();
    // What is gone back to is what the files say again, so that a plan tells whether it was done.
    story.edit("stacks/shop.yaml", "port: 9001}", "port: 9000}");
    refused(&story, "rollback shop -e live 1 --yes", "carries out signed plans alone");
    done(&story, "rollback shop -e live 1 --save back --quiet");
    let line = "rollback shop -e live 1 --yes --quiet --plan back";
    refused(&story, line, "back.sig is not there");
    done(&story, "sign back --key ours --quiet");
    done(&story, line);
    done(&story, "plan shop -e live --detailed-exitcode --quiet");
}

#[test]
fn no_other_signature_will_do() {
    let story = accepting(&["ours"]);
    let line = "up shop -e live --yes --plan plan";
    key(&story, "foreign");
    done(&story, "plan shop -e live --save plan --quiet");
    refused(&story, line, "plan.sig is not there");
    done(&story, "sign plan --key foreign --quiet");
    refused(&story, line, "it was made with a key that is not accepted");
    done(&story, "sign plan --key ours --quiet");
    let signature = fs::read(story.path().join("plan.sig")).unwrap();
    for length in [0, 1, 40, signature.len() / 2, signature.len() - 2] {
        story.file("plan.sig", &signature[..length]);
        refused(&story, line, "it is no signature as `ssh-keygen -Y sign` writes it, or not all of one");
    }
    // Another plan of the same instance, which is as sound as the first.
    story.edit("stacks/shop.yaml", "port: 9000", "port: 9001");
    done(&story, "plan shop -e live --save other --quiet");
    story.file("other.sig", &signature);
    refused(
        &story,
        "up shop -e live --yes --plan other",
        "it is not of this file: the file is another, or was altered",
    );
    // A plan for another environment is signed well, and is no plan for this one.
    done(&story, "plan shop -e next --save next --quiet");
    done(&story, "sign next --key ours --quiet");
    refused(&story, "up shop -e live --yes --plan next", "the saved plan is of shop-next, and not of shop-live");
    story.file("next.sig", &signature);
    refused(&story, "up shop -e next --yes --plan next", "it is not of this file");
    // What was signed and has become old is refused as any such plan is.
    story.file("plan.sig", &signature);
    assert_eq!(run(&story, line).0, 3);
}

#[test]
fn openssh_signs_and_verifies() {
    let story = accepting(&["ours"]);
    let public = fs::read_to_string(story.path().join("ours.pub")).unwrap();
    story.file("allowed", format!("ci@example.invalid namespaces=\"strata.plan\" {public}"));
    let verify = ["-Y", "verify", "-f", "allowed", "-I", "ci@example.invalid", "-n", "strata.plan", "-s", "plan.sig"];
    done(&story, "plan shop -e live --save plan --quiet");
    done(&story, "sign plan --key ours --quiet");
    assert!(ssh_keygen(&story, &verify, Some("plan")));
    story.file("altered", fs::read_to_string(story.path().join("plan")).unwrap() + " ");
    assert!(!ssh_keygen(&story, &verify, Some("altered")));
    let ours = fs::read(story.path().join("plan.sig")).unwrap();

    fs::remove_file(story.path().join("plan.sig")).unwrap();
    assert!(ssh_keygen(&story, &["-q", "-Y", "sign", "-n", "git", "-f", "ours", "plan"], None));
    refused(&story, "up shop -e live --yes --plan plan", "it was made for something else than plans");
    fs::remove_file(story.path().join("plan.sig")).unwrap();
    assert!(ssh_keygen(&story, &["-q", "-Y", "sign", "-n", "strata.plan", "-f", "ours", "plan"], None));
    // The signatures of this algorithm are the same whoever makes them.
    assert_eq!(fs::read(story.path().join("plan.sig")).unwrap(), ours);
    done(&story, "up shop -e live --yes --plan plan --quiet");
}
