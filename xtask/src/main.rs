//! The project's own chores: `cargo xtask CHORE`.

use clap::{Parser, Subcommand};

mod schema;

#[derive(Parser)]
#[command(name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    Schema(schema::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Schema(args) => schema::run(&args),
    }
}
