//! `cargo xtask external`: every rendered stack and the workflows, judged by other people's tools.
//!
//! What they say is counted, because some of them only warn where they know nothing, and end with 0. A tool that cannot
//! be had on this machine is named as skipped; one that finds fault ends the chore.

#![allow(clippy::disallowed_methods, reason = "this chore is there to run other programs")]

mod alerts;
mod backups;
mod balancing;
mod checkov;
mod compose;
mod gitops;
mod manifests;
mod network;
pub(crate) mod process;
mod rendered;
mod scripts;
mod tools;
mod workflows;

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail};

use self::checkov::Used;
use self::rendered::{Object, Subject, subjects};
use self::tools::Tool;

/// This checkout, whose stacks waivers are written for: one that none of them needs is to go.
const HERE: &str = ".";

/// Have the workflows, and every rendered stack in every environment that it is for, judged by other people's tools
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The only stack to look at
    #[arg(long)]
    stack: Option<String>,
    /// The directory that holds stacks/ and environments/
    #[arg(long, value_name = "DIR", default_value = HERE)]
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
    scripts: Tool<PathBuf>,
    stores: backups::Stores,
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
        scripts: tools::WORKFLOWS.programs(&tools)?,
        stores: backups::Stores {
            postgresql: tools::postgresql(),
            redis: tools::redis(),
            busybox: tools::busybox(&tools)?,
        },
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
    let used = judges.hear_all(subjects(&args.root, args.stack.as_deref())?, &args.work.join("rendered"))?;
    if judges.checkov.is_ok() && args.stack.is_none() && args.root == HERE {
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
    /// Has every judge look at everything, as many at once as the machine has processors. `work` is a directory for what
    /// is rendered. Returns the waivers that were needed.
    fn hear_all(&self, subjects: Vec<Subject<'_>>, work: &Path) -> anyhow::Result<Used> {
        let (left, heard) = (Mutex::new(subjects.into_iter()), Mutex::new(Vec::new()));
        let one_by_one = || {
            while let Some(subject) = left.lock().unwrap_or_else(PoisonError::into_inner).next() {
                let found = self.hear_rendered(subject, work);
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(found);
            }
        };
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
                scope.spawn(one_by_one);
            }
        });
        let (mut used, mut faults) = (Used::new(), Vec::new());
        for found in heard.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match found {
                Ok(needed) => used.extend(needed),
                Err(fault) => faults.push(format!("{fault:#}")),
            }
        }
        if !faults.is_empty() {
            bail!("{}", faults.join("\n"));
        }
        Ok(used)
    }

    /// Renders a stack in an environment, and has every judge look at it.
    fn hear_rendered(&self, subject: Subject<'_>, work: &Path) -> anyhow::Result<Used> {
        let out = work.join(&subject.stack).join(&subject.environment);
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let manifests = out.join("manifests");
        fs::create_dir_all(&manifests)?;
        let objects = subject.render(&manifests)?;
        let mut used = Used::new();
        self.hear(&Case { subject, out, objects }, &mut used)?;
        Ok(used)
    }

    /// Has every judge look at a stack in an environment.
    fn hear(&self, case: &Case<'_>, used: &mut Used) -> anyhow::Result<()> {
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
        heard(subject, "shellcheck", &self.scripts, |programs| Ok(vec![scripts::judge(programs, objects)?]))?;
        heard(subject, "backups", &Ok(&self.stores), |stores| backups::judge(stores, objects))?;
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
    let Subject { stack, environment, .. } = subject;
    let place = format!("{stack} in {environment}");
    let tool = match tool {
        Ok(tool) => tool,
        Err(why) => return crate::report(&format!("{place}: {name}: skipped, {why}")),
    };
    let start = Instant::now();
    for what in judge(tool).with_context(|| place.clone())? {
        crate::report(&format!("{place}: {what}"))?;
    }
    crate::report(&format!("{place}: {name} took {:.1} s", start.elapsed().as_secs_f64()))
}
