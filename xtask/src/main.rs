//! The project's own chores: `cargo xtask CHORE`.

use anyhow::Context as _;
use clap::{Parser, Subcommand};

mod external;
mod openapi;
mod package;
mod page;
mod picture;
mod protobuf;
mod schema;

#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    External(external::Args),
    Openapi(openapi::Args),
    Package(package::Args),
    Page(page::Args),
    Picture(picture::Args),
    Protobuf(protobuf::Args),
    Schema(schema::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::External(args) => external::run(&args),
        Chore::Openapi(args) => openapi::run(&args),
        Chore::Package(args) => package::run(&args),
        Chore::Page(args) => page::run(&args),
        Chore::Picture(args) => picture::run(&args),
        Chore::Protobuf(args) => protobuf::run(&args),
        Chore::Schema(args) => schema::run(&args),
    }
}

/// Says what was done, on standard error.
fn report(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{line}").context("writing to standard error")
}
