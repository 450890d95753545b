//! `cargo xtask external`: the rendered stack and the workflows, judged by other people's tools.
//!
//! What they say is counted, because some of them only warn where they know nothing, and end with 0. A tool that cannot
//! be had on this machine is named as skipped; one that finds fault ends the chore.

#![allow(clippy::disallowed_methods, reason = "this chore is there to run other programs")]

mod alerts;
mod balancing;
mod checkov;
mod compose;
mod gitops;
mod manifests;
mod network;
pub(crate) mod process;
mod rendered;
mod tools;
mod workflows;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;

use self::rendered::{Object, Subject, subjects};
use self::tools::Tool;

/// The stack that waivers are written for: one that it does not need is to go.
const REFERENCE: &str = "sophia";

/// Have the workflows, and the rendered stack in every environment that admits it, judged by other people's tools
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The stack
    #[arg(long, default_value = REFERENCE)]
    stack: String,
    /// The directory that holds stacks/ and environments/
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: String,
    /// Where tools and rendered files are kept
    #[arg(long, value_name = "DIR", default_value = "target/external")]
    work: PathBuf,
}

/// The judges of this machine.
struct Judges {
    manifests: Tool<PathBuf>,
    network: Tool<PathBuf>,
    checkov: Tool<PathBuf>,
    compose: Tool<PathBuf>,
    promtool: Tool<(PathBuf, String)>,
    haproxy: Tool<balancing::Haproxy>,
    consul: Tool<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let tools = args.work.join("tools");
    fs::create_dir_all(&tools).context("making the directory of tools")?;
    workflows::judge(&tools)?;
    let judges = Judges {
        manifests: tools::MANIFESTS.programs(&tools)?,
        network: tools::NETWORK.programs(&tools)?,
        checkov: tools::CHECKOV.programs(&tools)?,
        compose: tools::COMPOSE.programs(&tools)?,
        promtool: tools::promtool(&tools)?,
        haproxy: tools::haproxy(&tools)?,
        consul: tools::consul(),
    };
    if let Ok((promtool, version)) = &judges.promtool {
        crate::report(&format!("promtool {version}"))?;
        crate::report(&alerts::check_figures(promtool)?)?;
    }
    match &judges.haproxy {
        Ok(haproxy) => {
            crate::report(&format!("haproxy {}", haproxy.version))?;
            crate::report(&haproxy.provoked(&args.work)?)?;
        }
        Err(why) => crate::report(&format!("haproxy: skipped, {why}"))?,
    }
    crate::report(tools::ACTIONLINT.pinned)?;
    for packages in [&tools::MANIFESTS, &tools::NETWORK, &tools::CHECKOV, &tools::COMPOSE, &tools::WORKFLOWS] {
        crate::report(&packages.pinned.join("\n"))?;
    }
    let mut used = BTreeSet::new();
    for subject in subjects(&args.root, &args.stack)? {
        let out = args.work.join("rendered").join(&args.stack).join(&subject.environment);
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let manifests = out.join("manifests");
        fs::create_dir_all(&manifests)?;
        let objects = subject.render(&manifests)?;
        judges.hear(&Case { subject, out, objects }, &mut used)?;
    }
    if judges.checkov.is_ok() && args.stack == REFERENCE {
        for waiver in checkov::waivers(&used)? {
            crate::report(&format!("waived: {waiver}"))?;
        }
    }
    Ok(())
}

/// What is judged.
struct Case<'a> {
    subject: Subject<'a>,
    /// A directory for the judges' own files.
    out: PathBuf,
    objects: Vec<Object>,
}

impl Judges {
    /// Has every judge look at a stack in an environment.
    fn hear(&self, case: &Case<'_>, used: &mut BTreeSet<&str>) -> anyhow::Result<()> {
        let Case { subject, out, objects } = case;
        let manifests = "kubernetes-validate, yamllint and published schemas";
        heard(subject, manifests, &self.manifests, |programs| {
            Ok(vec![
                manifests::kubernetes_validate(programs, objects)?,
                manifests::yamllint(programs, out, objects)?,
                manifests::published_schemas(programs, out, objects)?,
            ])
        })?;
        heard(subject, "published schemas of Argo CD and Flux", &self.manifests, |programs| {
            gitops::judge(programs, subject, out, objects)
        })?;
        heard(subject, "network-config-analyzer", &self.network, |programs| {
            Ok(vec![network::compare(programs, subject, out, objects)?])
        })?;
        heard(subject, "checkov", &self.checkov, |programs| Ok(vec![checkov::scan(programs, out, objects, used)?]))?;
        heard(subject, "promtool", &self.promtool, |(promtool, _)| {
            Ok(vec![alerts::check_rules(promtool, out, objects)?])
        })?;
        heard(subject, "haproxy", &self.haproxy, |haproxy| Ok(vec![haproxy.check(out, objects)?]))?;
        heard(subject, "consul", &self.consul, |consul| Ok(vec![balancing::consul(consul, out, objects)?]))?;
        heard(subject, "docker-compose", &self.compose, |programs| {
            Ok(vec![compose::config(programs, subject, out, objects)?])
        })
    }
}

/// Says what a judge found and how long it took, or why it was not heard.
fn heard<T>(
    subject: &Subject<'_>,
    name: &str,
    tool: &Tool<T>,
    judge: impl FnOnce(&T) -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<()> {
    let environment = &subject.environment;
    let tool = match tool {
        Ok(tool) => tool,
        Err(why) => return crate::report(&format!("{environment}: {name}: skipped, {why}")),
    };
    let start = Instant::now();
    for what in judge(tool).with_context(|| format!("{} in {environment}", subject.stack))? {
        crate::report(&format!("{environment}: {what}"))?;
    }
    crate::report(&format!("{environment}: {name} took {:.1} s", start.elapsed().as_secs_f64()))
}
