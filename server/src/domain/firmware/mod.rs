//! Firmware policy: rules that say which version a component must have and what happens when it has another. Types and
//! pure decisions; nothing here knows how an update gets to a node.

mod assess;
mod attempt;
mod components;
mod glob;
mod next;
mod rule;
mod state;
#[cfg(test)]
mod tests;

pub use assess::{Assessed, Decision, Verdict, assess, decide};
pub use attempt::{Attempt, EXIT_MAX, OUTPUT_MAX, Outcome, Program, Report, TRIES, Tried, clean_output, outcome};
pub use components::{COMPONENTS_MAX, Component, components};
pub use glob::Glob;
pub use next::{Next, next};
pub use rule::{Kind, Mode, OnFailure, Rule, Target, check};
pub use state::{Action, Standing, State, notices, standing, subject};
