//! Exit codes: what a script may rely on. `docs/exit-codes.md` says the same in prose.

/// Done, or nothing to change.
pub const OK: u8 = 0;
/// Something went wrong: bad input, a cluster that does not answer, a step that failed.
pub const ERROR: u8 = 1;
/// `plan --detailed-exitcode` found changes, or `diff --detailed-exitcode` differences.
pub const CHANGES: u8 = 2;
/// What a plan rests on has moved since somebody agreed to it, and nothing was changed: a saved plan, or one that was
/// confirmed before another run was over.
pub const STALE: u8 = 3;
/// `check`, or the check that `plan`, `up` and `rollback` begin with, found errors.
pub const CHECK: u8 = 4;
/// Another run holds the instance's lock.
pub const LOCKED: u8 = 5;
/// Interrupted.
pub const INTERRUPTED: u8 = 130;

/// Every code with what it means, as `docs/exit-codes.md` has them.
pub const ALL: [(u8, &str); 7] = [
    (OK, "done, or nothing to change"),
    (ERROR, "something went wrong: bad input, a cluster that does not answer, a step that failed"),
    (
        CHANGES,
        "there are changes, or differences; only from `strata plan` and `strata diff` with `--detailed-exitcode`",
    ),
    (
        STALE,
        "what a plan rests on has moved since somebody agreed to it, and nothing was changed: a saved plan, or one that \
         was confirmed before another run was over",
    ),
    (CHECK, "`strata check`, or the check that `plan`, `up` and `rollback` begin with, found errors"),
    (LOCKED, "another run holds the instance's lock"),
    (INTERRUPTED, "interrupted"),
];
