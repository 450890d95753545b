//! Documents that are carried out as they are read: every command is run, every change is made to the files, and what
//! the document shows of an answer is compared, whole, with the answer. `SNAPSHOTS=overwrite` writes new answers.

#![allow(clippy::unwrap_used, reason = "a document that cannot be carried out has failed")]
#![allow(clippy::disallowed_methods, reason = "a document starts the program, and other programs that readers have")]

mod story;
mod walkthrough;

use std::io::{Write, stderr};

use walkthrough::{carry_out, has_kubectl};

#[test]
fn the_tutorial() {
    carry_out("docs/tutorial.md", &[]);
}

#[test]
fn a_new_service() {
    carry_out("docs/how-to/new-service.md", &[]);
}

#[test]
fn a_new_environment() {
    carry_out("docs/how-to/new-environment.md", &[]);
}

#[test]
fn several_stacks() {
    carry_out("docs/how-to/several-stacks.md", &[]);
}

#[test]
fn recovery_from_a_failed_apply() {
    carry_out("docs/how-to/recover.md", &[]);
}

#[test]
fn what_kubectl_or_helm_made_is_taken_over() {
    if !has_kubectl() {
        let _ =
            writeln!(stderr(), "walkthroughs: kubectl is not on this machine, so nothing that it made is taken over");
        return;
    }
    carry_out("docs/how-to/take-over.md", &[]);
}

#[test]
fn a_store_is_copied_and_restored() {
    if !has_kubectl() {
        let _ = writeln!(stderr(), "walkthroughs: kubectl is not on this machine, so nothing is restored");
        return;
    }
    carry_out("docs/how-to/back-up-and-restore.md", &[]);
}

#[test]
fn review_in_ci() {
    carry_out("docs/how-to/review-in-ci.md", &[]);
}
