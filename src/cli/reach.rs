//! `strata reach`: why a connection is open or closed.

use core::net::IpAddr;

use super::format::Format;
use super::{CommandError, CommandResult, Context, StackArgs, Ui};
use crate::check::isolation::{self, Cast};
use crate::check::prove;
use crate::check::reach::{End, Reach, explain};
use crate::cluster::connect::Choice;
use crate::exit;
use crate::load::suggest::nearest;
use crate::report::reach::{Answer, Way, json, terminal};

/// Explain why one server can talk to another, or cannot; no cluster is needed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "FROM and TO are services, `other-stack/service`, `dns`, `ingress-controller` or an IP address.\n\
                        Example: strata reach sophia -e production hubspot mcp_orchestrator"
)]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Who connects
    #[arg(value_name = "FROM")]
    from: String,
    /// Who is connected to
    #[arg(value_name = "TO")]
    to: String,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "terminal")]
    output: Format,
}

/// Loads, composes, explains.
pub(super) fn run(args: &Args, context: &Context<'_>, ui: &mut Ui) -> CommandResult {
    let loaded = context.load(&args.stack, ui)?;
    let (cluster, _) = Choice::of(args.stack.cluster.as_deref(), &loaded.environment)?;
    // What proofs find does not matter here: this is how one looks into it.
    let proven = prove(&loaded, &cluster, args.stack.instance.as_deref());
    let Some(desired) = proven.desired else {
        ui.warn(crate::report::findings::terminal(&proven.findings, &loaded.sources(), ui.width()).trim_end());
        return Err(CommandError::printed(exit::CHECK));
    };
    let (network, cast) = isolation::network(&desired, &loaded, &[]);
    let reach = Reach::of(&network);
    let (from, to) = (ends(&args.from, &cast)?, ends(&args.to, &cast)?);
    let mut ways = Vec::new();
    for one in &from {
        for other in &to {
            let Some(explanation) = explain(&reach, *one, *other) else { continue };
            let services = match other {
                End::Pods(at) => cast.service(&args.to).map(|(namespace, name)| reach.through(namespace, name, *at)),
                End::Address(_) => None,
            };
            ways.push(Way { explanation, services: services.unwrap_or_default() });
        }
    }
    let environment = loaded.environment.environment.to_string();
    let answer = Answer::new(loaded.stack.stack.to_string(), environment, &args.from, &args.to, ways);
    ui.data(&match args.output {
        Format::Terminal => terminal(&answer),
        Format::Json => json(&answer),
    })?;
    Ok(exit::OK)
}

/// What a name or an address stands for.
fn ends(name: &str, cast: &Cast) -> Result<Vec<End>, CommandError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![End::Address(address)]);
    }
    if let Some(pods) = cast.find(name) {
        return Ok(pods.into_iter().map(End::Pods).collect());
    }
    let error = CommandError::new(exit::ERROR, anyhow::anyhow!("looking for `{name}`: no service is called so"));
    Err(match nearest(name, cast.names()) {
        Some(meant) => error.hint(format!("perhaps `{meant}` is meant")),
        None => error.hint("name a service of the stack, `dns`, `ingress-controller` or an IP address"),
    })
}
