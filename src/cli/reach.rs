//! `strata reach`: who can talk to whom, and why a connection is open or closed.

use core::net::IpAddr;

use strata_components::desired::Desired;

use super::format::Format;
use super::stacks::StacksArgs;
use super::{CommandError, CommandResult, Context, StackArgs, Ui};
use crate::check::isolation::{self, Cast, Matrix};
use crate::check::reach::{End, Reach, explain};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::load::Loaded;
use crate::load::suggest::nearest;
use crate::report::reach::{Answer, Way, json, terminal};
use crate::report::{json_document, matrix};

/// Show who can talk to whom, or explain why one server can talk to another, or cannot; no cluster is needed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "FROM and TO are services, `other-stack/service`, `dns`, `ingress-controller` or an IP address. \
                        Without them, everything that is open is listed, with --all of every stack by itself."
)]
pub struct Args {
    #[command(flatten)]
    stacks: StacksArgs,
    /// Who connects
    #[arg(value_name = "FROM", requires = "to")]
    from: Option<String>,
    /// Who is connected to
    #[arg(value_name = "TO")]
    to: Option<String>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Loads, composes, explains.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let Some(stack) = args.stacks.one() else { return all(args, context, ui) };
    let loaded = context.load(&stack, ui)?;
    let desired = composed(&loaded, &stack, context, ui)?;
    let (network, cast) = isolation::network(&desired, &loaded, &[]);
    let reach = Reach::of(&network);
    let (stack, environment) = (loaded.stack.stack.to_string(), loaded.environment.environment.to_string());
    let text = match (&args.from, &args.to) {
        (Some(from), Some(to)) => {
            let answer = Answer::new(stack, environment, from, to, ways(&reach, &cast, from, to)?);
            match args.output {
                Format::Terminal => terminal(&answer),
                Format::Json => json(&answer),
            }
        }
        _ => {
            let document = matrix::Document::new(stack, environment, Matrix::of(&reach, &cast));
            match args.output {
                Format::Terminal => matrix::terminal(&document),
                Format::Json => matrix::json(&document),
            }
        }
    };
    ui.data(&text)?;
    Ok(exit::OK)
}

/// Everything that is open, of each stack of the environment.
fn all(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let mut documents = Vec::new();
    for loaded in context.load_all(&args.stacks, ui)? {
        let stack = args.stacks.of(loaded.stack.stack.as_str());
        let desired = composed(&loaded, &stack, context, ui)?;
        let (network, cast) = isolation::network(&desired, &loaded, &[]);
        let matrix = Matrix::of(&Reach::of(&network), &cast);
        documents.push(matrix::Document::new(stack.stack, stack.env, matrix));
    }
    ui.data(&match args.output {
        Format::Terminal => documents.iter().map(matrix::terminal).collect::<Vec<_>>().join("\n"),
        Format::Json => json_document(&documents),
    })?;
    Ok(exit::OK)
}

/// What a stack comes to, whatever proofs find in it: this is how one looks into what they find.
fn composed(loaded: &Loaded, stack: &StackArgs, context: &Context<'_>, ui: &mut Ui) -> Result<Desired, CommandError> {
    let (cluster, _) = Choice::of(stack.cluster.as_deref(), &loaded.environment)?;
    let proven = context.prove(loaded, stack, &cluster)?;
    proven.desired.ok_or_else(|| {
        ui.warn(crate::report::findings::terminal(&proven.findings, &loaded.sources(), ui.width()).trim_end());
        CommandError::printed(exit::CHECK, proven.findings)
    })
}

/// What is known of a connection between two names.
fn ways(reach: &Reach<'_>, cast: &Cast, from: &str, to: &str) -> Result<Vec<Way>, CommandError> {
    let (sources, targets) = (ends(from, cast)?, ends(to, cast)?);
    let mut ways = Vec::new();
    for one in &sources {
        for other in &targets {
            let Some(explanation) = explain(reach, *one, *other) else { continue };
            let services = match other {
                End::Pods(at) => cast.service(to).map(|(namespace, name)| reach.through(namespace, name, *at)),
                End::Address(_) => None,
            };
            ways.push(Way { explanation, services: services.unwrap_or_default() });
        }
    }
    Ok(ways)
}

/// What a name or an address stands for.
fn ends(name: &str, cast: &Cast) -> Result<Vec<End>, CommandError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![End::Address(address)]);
    }
    if let Some(pods) = cast.find(name) {
        if pods.is_empty() {
            let error = anyhow::anyhow!("looking for `{name}`: it lies outside of the cluster and has no pods");
            return Err(CommandError::new(exit::ERROR, error).hint("name one of its IP addresses"));
        }
        return Ok(pods.into_iter().map(End::Pods).collect());
    }
    let error = CommandError::new(exit::ERROR, anyhow::anyhow!("looking for `{name}`: no service is called so"));
    Err(match nearest(name, cast.names()) {
        Some(meant) => error.hint(format!("perhaps `{meant}` is meant")),
        None => error.hint("name a service of the stack, `dns`, `ingress-controller` or an IP address"),
    })
}
