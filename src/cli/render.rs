//! `strata render`: what a stack comes to in an environment, as files for other tools.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use strata_components::desired::Desired;

use super::gitops::{Controller, GitOpsArgs};
use super::stacks::StacksArgs;
use super::{CommandError, CommandResult, Context, Ui, findings};
use crate::check::registry::Registry;
use crate::cluster::connect::Choice;
use crate::exit;
use crate::load::Loaded;
use crate::render;
use crate::report::compose_file::compose_file;
use crate::report::json_document;
use crate::report::manifests::{self, ManifestFile};
use crate::secrets::{Known, Secrets};

/// Write the manifests of a stack, or other files made of it; no cluster is needed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --out-dir it goes to standard output; manifests then are one stream of YAML documents."
)]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// What to write
    #[arg(long, value_enum, default_value_t = RenderFormat::Manifests)]
    format: RenderFormat,
    /// Write what is secret too, where otherwise `(secret)` stands; keep what comes of it to yourself
    #[arg(long)]
    show_secrets: bool,
    /// Write files into this directory, and delete what an earlier render left there
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    #[command(flatten)]
    gitops: GitOpsArgs,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RenderFormat {
    /// Kubernetes manifests, one file an object
    Manifests,
    /// The same with a kustomization.yaml that lists them
    Kustomize,
    /// An Argo CD Application, with the manifests in waves that follow from the phases
    Argocd,
    /// A Flux Kustomization for each service, which waits for the phase before
    Flux,
    /// A Compose file for one machine with Docker
    Compose,
    /// The port registry, unified_mcp_port_registry.json
    Registry,
}

impl RenderFormat {
    /// Who applies what is rendered, where that is a controller.
    fn controller(self) -> Option<Controller> {
        match self {
            Self::Argocd => Some(Controller::ArgoCd),
            Self::Flux => Some(Controller::Flux),
            Self::Manifests | Self::Kustomize | Self::Compose | Self::Registry => None,
        }
    }
}

/// Loads, checks, composes, writes.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let controller = args.format.controller();
    if controller.is_none() {
        args.gitops.unused()?;
    } else if args.show_secrets {
        let error = anyhow!("what a controller applies stands in a repository, where nothing secret may be");
        return Err(CommandError::new(exit::ERROR, error).hint("leave out --show-secrets"));
    }
    let Some(stack) = args.stacks.one() else { return all(args, context, ui) };
    let loaded = context.load(&stack, ui)?;
    let (cluster, _) = Choice::of(stack.cluster.as_deref(), &loaded.environment)?;
    let desired = findings::checked(context, &loaded, &stack, &cluster, ui)?;
    write(args, (&loaded, desired), args.out_dir.as_deref(), ui)
}

/// The same for every stack of the environment, each in a directory of its own below the one that is named.
fn all(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    if args.out_dir.is_none() && args.format != RenderFormat::Manifests {
        let error = anyhow!("what is made of every stack is several files");
        return Err(CommandError::new(exit::ERROR, error).hint("name a directory for them with --out-dir"));
    }
    args.gitops.for_all()?;
    let all = context.load_all(&args.stacks, ui)?;
    let Some(first) = all.first() else { return Ok(exit::OK) };
    let (cluster, _) = Choice::of(args.stacks.cluster.as_deref(), &first.environment)?;
    let desired = context.checked_all(&all, &args.stacks, &cluster, ui)?;
    for (loaded, desired) in all.iter().zip(desired) {
        let directory = args.out_dir.as_ref().map(|directory| directory.join(loaded.stack.stack.as_str()));
        write(args, (loaded, desired), directory.as_deref(), ui)?;
    }
    Ok(exit::OK)
}

/// Writes what one stack comes to.
fn write(
    args: &Args,
    (loaded, mut desired): (&Loaded, Desired),
    directory: Option<&Path>,
    ui: &mut Ui,
) -> CommandResult {
    let controller = args.format.controller();
    // What is asked for is not looked for in what is written.
    let known = if args.show_secrets { Known::default() } else { ui.known().clone() };
    let secrets = Secrets::withhold_from(&mut desired, known);
    if args.show_secrets {
        secrets.reveal_all(&mut desired)?;
    } else if !secrets.is_empty() && controller.is_none() {
        ui.status("what is secret is withheld: (secret) stands in its place; --show-secrets writes it");
    }
    let one = |name: &str, text: String| vec![ManifestFile { name: name.to_owned(), text }];
    let files = match (args.format, directory) {
        (RenderFormat::Manifests, None) => {
            ui.data(&manifests::stream(&desired)?)?;
            return Ok(exit::OK);
        }
        (RenderFormat::Kustomize, None) => {
            let error = anyhow!("a kustomization is several files");
            return Err(CommandError::new(exit::ERROR, error).hint("name a directory for them with --out-dir"));
        }
        (RenderFormat::Manifests, Some(_)) => manifests::files(&desired)?,
        (RenderFormat::Kustomize, Some(_)) => manifests::kustomization(&desired)?,
        (RenderFormat::Argocd, dir) => args.gitops.render(Controller::ArgoCd, &desired, dir, ui)?,
        (RenderFormat::Flux, dir) => args.gitops.render(Controller::Flux, &desired, dir, ui)?,
        (RenderFormat::Compose, _) => {
            holds_all(&desired)?;
            one("compose.yaml", compose_file(&desired)?)
        }
        (RenderFormat::Registry, _) => {
            one("unified_mcp_port_registry.json", json_document(&Registry::of(&loaded.stack, &loaded.environment)))
        }
    };
    match directory {
        None => files.iter().try_for_each(|file| ui.data(&file.text))?,
        Some(dir) => {
            let render::Written { written, unchanged, deleted } = render::write(dir, &files)?;
            ui.status(&format!("{}: {written} written, {unchanged} unchanged, {deleted} deleted", dir.display()));
        }
    }
    Ok(exit::OK)
}

/// An error where Compose would do without something that the stack has, on which others rely.
fn holds_all(desired: &Desired) -> Result<(), CommandError> {
    let told = desired.resources.iter().find_map(|resource| {
        let service = resource.service.as_deref()?;
        if resource.manifest["spec"]["type"] == "ExternalName" {
            Some(format!("a Compose file has no name for what lies outside, and {service} does"))
        } else if resource.id.kind.kind == "CronJob" {
            Some(format!("Compose runs nothing by the clock, and {service} has copies made so"))
        } else {
            None
        }
    });
    let Some(told) = told else { return Ok(()) };
    Err(CommandError::new(exit::ERROR, anyhow!(told)).hint("render it with --format manifests or --format kustomize"))
}
