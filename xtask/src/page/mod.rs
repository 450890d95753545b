//! `cargo xtask page`: the page of a plan, tried out in a browser.
//!
//! What the tests of the program can read off the page they do; here is what only a browser can tell: that filters, search,
//! keys and links do what they say, that nothing in a name is ever run, that the policy holds, that the page fits a phone,
//! can be read in dark and light, and is quick with thousands of objects.

#![allow(clippy::disallowed_methods, reason = "this chore is there to run other programs")]

mod behaviour;
mod chromium;
mod devtools;
mod looks;
mod plans;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use self::devtools::Browser;

/// Try out the page of a plan in headless Chromium, which is installed where it is missing and can be
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where plans, pages and the browser's profile are kept
    #[arg(long, value_name = "DIR", default_value = "target/page")]
    work: PathBuf,
    /// A directory for pictures of the pages, to look at
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let program = chromium::program()?;
    fs::create_dir_all(&args.work).context("making the directory of pages")?;
    let work = fs::canonicalize(&args.work)?;
    let pages = plans::pages(&work)?;
    let mut browser = Browser::start(&program, &work.join("profile"))?;
    crate::report(&browser.version()?)?;
    behaviour::check(&mut browser, &pages)?;
    looks::check(&mut browser, &pages)?;
    behaviour::quickness(&mut browser, &pages)?;
    if let Some(pictures) = &args.pictures {
        looks::pictures(&mut browser, &pages, pictures)?;
    }
    Ok(())
}
