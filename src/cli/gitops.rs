//! What `strata render` is told of a repository and of the controller that applies what is in it.

use std::path::{Component, Path};

use anyhow::anyhow;
use strata_components::desired::Desired;

use super::{CommandError, Ui};
use crate::exit;
use crate::report::gitops::{GitOpsError, Placement, Rendered, argocd, flux};
use crate::report::manifests::ManifestFile;

/// Where the rendered files are kept, and who applies them.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "For argocd and flux")]
pub(super) struct GitOpsArgs {
    /// URL of the repository that --out-dir is committed to; for Flux also oci://…
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// Where --out-dir stands in the repository [default: --out-dir as it is given]
    #[arg(long, value_name = "DIR")]
    repo_path: Option<String>,
    /// Branch, tag or commit that is followed [default: main; of oci://…: latest]
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
    /// Cluster as the controller knows it: for Argo CD its URL or name, for Flux the Secret with its kubeconfig
    /// [default: the one that the controller runs on]
    #[arg(long, value_name = "CLUSTER")]
    destination: Option<String>,
    /// Namespace of the controller's own objects [default: argocd, flux-system]
    #[arg(long, value_name = "NAMESPACE")]
    controller_namespace: Option<String>,
    /// Argo CD: project of the Application [default: default]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Argo CD: sync whenever the repository or the cluster changes, and not only when somebody asks for it
    #[arg(long)]
    auto_sync: bool,
    /// Flux: a source that is there already, instead of one for --repo
    #[arg(long, value_name = "KIND/NAME", conflicts_with_all = ["repo", "revision"])]
    source: Option<String>,
}

/// Whose files are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    /// Argo CD.
    ArgoCd,
    /// Flux.
    Flux,
}

impl GitOpsArgs {
    /// An error where a format has no use for what was given.
    pub(super) fn unused(&self) -> Result<(), CommandError> {
        if *self == Self::default() {
            return Ok(());
        }
        let error = anyhow!("a repository and a controller were named, and this format is for neither");
        Err(CommandError::new(exit::ERROR, error).hint("render with --format argocd or --format flux"))
    }

    /// An error where something is said that is of one stack's files alone.
    pub(super) fn for_all(&self) -> Result<(), CommandError> {
        match self.repo_path {
            Some(_) => Err(refused(
                "--repo-path says where the files of one stack stand",
                "leave it out: with --all each stack stands below --out-dir",
            )),
            None => Ok(()),
        }
    }

    /// The files for a controller; what is left to do is said.
    pub(super) fn render(
        &self,
        controller: Controller,
        desired: &Desired,
        out_dir: Option<&Path>,
        ui: &mut Ui,
    ) -> Result<Vec<ManifestFile>, CommandError> {
        let out_dir = out_dir.ok_or_else(|| {
            refused("what a controller applies is several files", "name a directory for them with --out-dir")
        })?;
        let directory = match &self.repo_path {
            Some(path) => inside(Path::new(path)),
            None => inside(out_dir),
        };
        let directory = directory.ok_or_else(|| {
            let said = "where the files stand in the repository does not follow from --out-dir";
            refused(said, "say it with --repo-path, as a path from the repository's root")
        })?;
        let default = if self.repo.as_deref().is_some_and(|url| url.starts_with("oci://")) { "latest" } else { "main" };
        let namespace = match controller {
            Controller::ArgoCd => "argocd",
            Controller::Flux => "flux-system",
        };
        let placement = Placement {
            repository: self.repo.clone(),
            directory,
            revision: self.revision.clone().unwrap_or_else(|| default.to_owned()),
            namespace: self.controller_namespace.clone().unwrap_or_else(|| namespace.to_owned()),
            destination: self.destination.clone(),
        };
        let rendered = match controller {
            Controller::ArgoCd => self.argocd(desired, &placement),
            Controller::Flux => self.flux(desired, &placement),
        }?;
        for left in &rendered.left_to_do {
            ui.warn(&crate::report::clean::clean(&format!("left to do: {left}")));
        }
        Ok(rendered.files)
    }

    fn argocd(&self, desired: &Desired, placement: &Placement) -> Result<Rendered, CommandError> {
        if self.source.is_some() {
            return Err(refused("--source is for Flux", "name the repository with --repo"));
        }
        match &self.repo {
            Some(url) if !url.starts_with("oci://") => {}
            _ => return Err(refused("an Application follows a Git repository", "name its URL with --repo")),
        }
        let project = self.project.clone().unwrap_or_else(|| "default".to_owned());
        let settings = argocd::Settings { project, automated: self.auto_sync };
        argocd::render(desired, placement, &settings).map_err(failed)
    }

    fn flux(&self, desired: &Desired, placement: &Placement) -> Result<Rendered, CommandError> {
        if self.project.is_some() || self.auto_sync {
            return Err(refused("--project and --auto-sync are for Argo CD", "leave them out: Flux always follows"));
        }
        let source = match (&self.source, &self.repo) {
            (None, None) => {
                return Err(refused(
                    "a Kustomization follows a source",
                    "name the repository with --repo, or with --source what is there already, as GitRepository/NAME",
                ));
            }
            (None, Some(_)) => None,
            (Some(source), _) => match source.split_once('/') {
                Some((kind @ ("GitRepository" | "OCIRepository" | "Bucket" | "ExternalArtifact"), name))
                    if !name.is_empty() =>
                {
                    Some((kind.to_owned(), name.to_owned()))
                }
                _ => {
                    let kinds = "a source is a GitRepository, an OCIRepository, a Bucket or an ExternalArtifact";
                    return Err(refused(kinds, "name it as KIND/NAME, such as GitRepository/flux-system"));
                }
            },
        };
        flux::render(desired, placement, &flux::Settings { source }).map_err(failed)
    }
}

/// A relative path that stays below where it begins, with `/` between its parts.
fn inside(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}

fn refused(what: &str, hint: &str) -> CommandError {
    CommandError::new(exit::ERROR, anyhow!("{what}")).hint(hint)
}

fn failed(error: GitOpsError) -> CommandError {
    let secret = matches!(error, GitOpsError::Secret { .. });
    let error = CommandError::new(exit::ERROR, error);
    match secret {
        true => error.hint("put it into a Secret, and refer to that; what Secrets hold is never rendered"),
        false => error,
    }
}
