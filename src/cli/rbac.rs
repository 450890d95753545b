//! `strata rbac`: the least roles for whoever plans an instance, and for whoever deploys it.

use std::str::FromStr;

use anyhow::anyhow;
use clap::ValueEnum;
use strata_components::desired::Desired;

use super::session::{block_on, connected};
use super::stacks::{Composed, StacksArgs};
use super::{CommandError, CommandResult, Context, Ui};
use crate::cluster::Cluster;
use crate::cluster::connect::Connection;
use crate::cluster::roles::{Purpose, Roles, RolesError, Subject, Wanted};
use crate::exit;
use crate::load::suggest::instead;
use crate::plan::policy::named;
use crate::report::json_document;
use crate::report::manifests::documents;

/// Print the least roles for who plans a stack, or for who deploys it, as manifests
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Roles of `plan` can get and list what a plan reads, and nothing of Secrets. Roles of `up` are for up, \
    destroy, rollback, history and unlock. With --all one account can do what every stack needs. Without --live no cluster \
    is needed."
)]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// What the roles are for
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// User that gets them; can be given several times
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// Group that gets them; can be given several times
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// Account that gets them; can be given several times. Where nobody is named, it is one that is printed too, in the
    /// control namespace
    #[arg(long, value_name = "NAMESPACE/NAME")]
    service_account: Vec<Account>,
    /// Also what is deleted only when asked by name, as KIND/NAME; for `up`
    #[arg(long, value_name = "KIND/NAME")]
    delete: Vec<String>,
    /// Also what `check --live` reads: nodes, all pods, and policies of a mesh
    #[arg(long)]
    check_live: bool,
    /// Print the namespaces too, marked as the instance's, for a cluster that does not have them yet
    #[arg(long)]
    with_namespaces: bool,
    /// Ask the cluster which kinds it serves, and count in what has left the stack and may still be there
    #[arg(long)]
    live: bool,
    /// How to print them
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: RolesFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Get and list what a plan reads
    Plan,
    /// Carry out what a plan can hold, too
    Up,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RolesFormat {
    /// A stream of documents
    Yaml,
    /// One List
    Json,
}

#[derive(Debug, Clone)]
struct Account(String, String);

impl FromStr for Account {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self(namespace.to_owned(), name.to_owned()))
            }
            _ => Err("name it as NAMESPACE/NAME"),
        }
    }
}

/// Loads, composes, works the roles out, prints.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let Composed { stacks, name, choice } = context.composed(&args.stacks, ui)?;
    let Some((loaded, first)) = stacks.first() else { return Ok(exit::OK) };
    let mut instance = first.instance.clone();
    if args.stacks.is_all() {
        // Of every stack, whatever these are called.
        instance.stack = "all".to_owned();
    }
    let environment = &loaded.environment;
    let desired: Vec<&Desired> = stacks.iter().map(|(_, desired)| desired).collect();
    let objects: Vec<String> =
        desired.iter().flat_map(|one| &one.resources).map(|resource| named(&resource.id)).collect();
    if let Some(unknown) = args.delete.iter().find(|name| !objects.contains(name)) {
        let names: Vec<String> = desired.iter().map(|one| one.instance.name()).collect();
        let error = anyhow!("nothing of {} is called {unknown}", names.join(", "));
        let help = instead(unknown, "objects here", objects.iter().map(String::as_str));
        return Err(CommandError::new(exit::ERROR, error).hint(help));
    }
    let mesh = environment.mesh.as_ref().map(|mesh| mesh.control_plane.namespace.as_str());
    let wanted = Wanted {
        purpose: match args.role {
            Role::Plan => Purpose::Plan,
            Role::Up => Purpose::Up,
        },
        instance: &instance,
        desired: &desired,
        delete: &args.delete,
        survey: args.check_live.then_some(mesh),
    };
    let roles = if args.live {
        connected(context, environment, (name, choice), async |cluster| cluster.roles(&wanted).await.map_err(refused))?
    } else {
        block_on(async {
            let connection = Connection::imagined().await?;
            let cluster = Cluster::imagined(connection.client.clone(), environment.control_namespace.as_str());
            let roles = cluster.roles(&wanted).await.map_err(refused);
            connection.close().await;
            roles
        })?
    };
    ui.data(&print(&roles, args)?)?;
    Ok(exit::OK)
}

fn print(roles: &Roles, args: &Args) -> Result<String, CommandError> {
    let accounts = args.service_account.iter().cloned();
    let subjects: Vec<Subject> = args
        .user
        .iter()
        .cloned()
        .map(Subject::User)
        .chain(args.group.iter().cloned().map(Subject::Group))
        .chain(accounts.map(|Account(namespace, name)| Subject::ServiceAccount { namespace, name }))
        .collect();
    let mut objects = if args.with_namespaces { roles.namespaces.clone() } else { Vec::new() };
    objects.extend(roles.objects(&subjects));
    Ok(match args.output {
        RolesFormat::Yaml => documents(&objects)?,
        RolesFormat::Json => json_document(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects})),
    })
}

fn refused(error: RolesError) -> CommandError {
    let hint = match &error {
        RolesError::Unserved { .. } => Some("ask a cluster that serves it, with --live"),
        RolesError::Provider(_) => None,
    };
    let error = CommandError::from(error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
