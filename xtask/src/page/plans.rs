//! The pages that are tried out: an ordinary change of the reference stack, the same with names that would rather be markup,
//! and a new stack of thousands of objects. The program makes each, on embedded clusters of the chore's own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::external::process::strata;

/// The stack of the ordinary change, and the environment.
const REFERENCE: [&str; 3] = ["sophia", "-e", "production"];
/// Services of the large stack: four objects are made of each.
const SERVICES: usize = 510;
/// What stands in the place of names. Each would set `window.owned` if it were run.
const HOSTILE: [(&str, &str); 4] = [
    ("slack", "<script>window.owned=1</script>"),
    ("gong", "</script><script>window.owned=2</script>"),
    ("linear", "'><img src=x onerror=window.owned=3>"),
    ("hubspot", "</style></title><svg onload=window.owned=4>"),
];
/// What stands in a saved plan before its digest, and after.
const BEFORE_DIGEST: &str = ",\n  \"digest\": \"sha256:";
const AFTER_DIGEST: &str = "\"\n}\n";

/// A page, and what its plan says.
pub(super) struct Page {
    /// Where it is.
    pub(super) file: PathBuf,
    /// How many objects the plan has, how many of them stay as they are, and how many are updated.
    pub(super) objects: u64,
    pub(super) unchanged: u64,
    pub(super) updated: u64,
}

/// All pages.
pub(super) struct Pages {
    /// A new tag and one more pod for what is critical.
    pub(super) change: Page,
    /// The same with hostile names.
    pub(super) hostile: Page,
    /// A stack that is created.
    pub(super) large: Page,
}

/// Makes the pages.
///
/// # Errors
/// When the program fails, or a plan is not what it should be.
pub(super) fn pages(work: &Path) -> anyhow::Result<Pages> {
    let place = |name: &str| work.join(name);
    let change = change(&place("change"))?;
    let hostile = place("hostile.plan");
    fs::write(&hostile, renamed(&fs::read_to_string(&change)?)?)?;
    let large = large(&place("large"))?;
    let pages = Pages { change: page(&change)?, hostile: page(&hostile)?, large: page(&large)? };
    if pages.large.objects < 2_000 {
        bail!("the large plan has {} objects only", pages.large.objects);
    }
    Ok(pages)
}

/// The program, with its files in a directory.
fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let root = root.to_str().context("the directory of pages has no name in UTF-8")?;
    strata(&[&["--root", root], arguments].concat(), &format!("strata {}", arguments.join(" ")))
}

/// The page of a saved plan.
fn page(plan: &Path) -> anyhow::Result<Page> {
    let name = plan.to_str().context("the plan has no name in UTF-8")?;
    let file = plan.with_extension("html");
    fs::write(&file, strata(&["show", name, "-o", "html"], "strata show -o html")?)?;
    let saved: Value = serde_json::from_str(&fs::read_to_string(plan)?)?;
    let phases = saved["plan"]["phases"].as_array().context("the plan has no phases")?;
    let actions: Vec<&Value> =
        phases.iter().filter_map(|phase| phase["steps"].as_array()).flatten().map(|step| &step["action"]).collect();
    let count = |what: &str| u64::try_from(actions.iter().filter(|action| **action == what).count());
    Ok(Page { file, objects: u64::try_from(actions.len())?, unchanged: count("unchanged")?, updated: count("update")? })
}

/// The reference stack as it is deployed, and then a plan of what a new tag changes.
fn change(root: &Path) -> anyhow::Result<PathBuf> {
    empty(root)?;
    for part in ["stacks", "environments"] {
        fs::create_dir_all(root.join(part))?;
        for entry in fs::read_dir(part).with_context(|| format!("reading {part}/"))? {
            let from = entry?.path();
            fs::copy(&from, root.join(part).join(from.file_name().unwrap_or_default()))?;
        }
    }
    run(root, &[&["up"], &REFERENCE[..], &["--yes"]].concat())?;
    let environment = root.join("environments/production.yaml");
    let text = fs::read_to_string(&environment)?;
    let changed = text.replace("tag: 1.0.0", "tag: 1.1.0").replace("critical_min: 2", "critical_min: 3");
    if changed == text {
        bail!("the production environment has no tag 1.0.0 and no critical_min 2 to change");
    }
    fs::write(&environment, changed)?;
    saved(root, &REFERENCE)
}

/// A stack of many services that nothing is there of yet.
fn large(root: &Path) -> anyhow::Result<PathBuf> {
    empty(root)?;
    let mut stack =
        "stack: large\nnamespace: large\nhealth_port: same\ntiers:\n  all: {ports: '10000-10999'}\nservices:\n"
            .to_owned();
    for at in 0..SERVICES {
        // A tenth of them is waited for by the others.
        let waits_for = if at < SERVICES / 10 {
            String::new()
        } else {
            format!(", depends_on: [service_{:03}]", at % (SERVICES / 10))
        };
        writeln!(stack, "  service_{at:03}: {{tier: all, port: {}, critical: true{waits_for}}}", 10_000 + at)?;
    }
    let environment = "environment: testing\nclusters:\n  local:\n    embedded:\n      nodes:\n        - {name: node, count: 40, cpu: \
                       64, memory: 512Gi}\ndefault_cluster: local\nimage: {registry: registry.example/large, tag: 1.0.0}\n";
    fs::create_dir_all(root.join("stacks"))?;
    fs::create_dir_all(root.join("environments"))?;
    fs::write(root.join("stacks/large.yaml"), stack)?;
    fs::write(root.join("environments/testing.yaml"), environment)?;
    saved(root, &["large", "-e", "testing"])
}

fn empty(root: &Path) -> anyhow::Result<()> {
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("emptying {}", root.display()))?;
    }
    Ok(fs::create_dir_all(root)?)
}

/// The plan of a stack, in a file.
fn saved(root: &Path, stack: &[&str]) -> anyhow::Result<PathBuf> {
    let file = root.with_extension("plan");
    let name = file.to_str().context("the plan has no name in UTF-8")?;
    run(root, &[&["plan"], stack, &["--save", name]].concat())?;
    Ok(file)
}

/// A saved plan with hostile names, sealed anew. Only values are renamed: keys have an order.
fn renamed(saved: &str) -> anyhow::Result<String> {
    let (body, _) = saved.rsplit_once(BEFORE_DIGEST).context("the saved plan has no digest")?;
    let renamed =
        |value: &str| HOSTILE.iter().fold(value.to_owned(), |value, (name, hostile)| value.replace(name, hostile));
    let line = |line: &str| match line.split_once("\": \"") {
        Some((key, value)) => format!("{key}\": \"{}", renamed(value)),
        None if line.trim_start().starts_with('"') && !line.contains("\":") => renamed(line),
        None => line.to_owned(),
    };
    let body = body.split('\n').map(line).collect::<Vec<_>>().join("\n");
    if !HOSTILE.iter().all(|(_, hostile)| body.contains(hostile)) {
        bail!("the plan has no names in whose place hostile ones could stand");
    }
    let digest = Sha256::digest(&body).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    Ok(format!("{body}{BEFORE_DIGEST}{digest}{AFTER_DIGEST}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[test]
    fn values_are_renamed_keys_are_not_and_the_digest_fits() {
        let body = "{\n  \"slack\": \"slack-mcp\",\n  \"all\": [\n    \"gong\",\n    \"linear\",\n    \"hubspot\"\n  ],\n  \"one\": 1";
        let found = renamed(&format!("{body}{BEFORE_DIGEST}0{AFTER_DIGEST}")).unwrap();
        let (body, digest) = found.rsplit_once(BEFORE_DIGEST).unwrap();
        let expect = "{\n  \"slack\": \"<script>window.owned=1</script>-mcp\",\n  \"all\": [\n    \
                      \"</script><script>window.owned=2</script>\",\n    \"'><img src=x onerror=window.owned=3>\",\n    \
                      \"</style></title><svg onload=window.owned=4>\"\n  ],\n  \"one\": 1";
        assert_eq!(body, expect);
        let sum: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, format!("{sum}{AFTER_DIGEST}"));
        assert!(renamed("{}").is_err());
        assert!(renamed(&format!("{{{BEFORE_DIGEST}0{AFTER_DIGEST}")).is_err(), "there is nothing to rename");
    }
}
