//! The `strata` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    strata::cli::program(None)
}
