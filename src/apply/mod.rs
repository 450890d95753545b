//! Apply: carries a plan out, phase by phase, and says what happened. It decides nothing.
//!
//! A failed step stops what depends on it and lets the rest finish. Nothing is deleted after a failure. The end
//! tells three lists: what was done, what failed and why, what was not tried.

mod executor;
mod interrupt;
mod lanes;
mod outcome;

pub use executor::{Settings, Turn, apply, carry_out, take_turn};
pub use outcome::{Event, Failure, NotTried, Outcome, StepDone};

#[cfg(test)]
mod tests;
