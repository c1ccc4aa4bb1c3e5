//! What to change, in the user's own client.
//!
//! The limit to set is never more than four fifths of the smallest timer that is known or that
//! fits. Settings, snippets and what does not help come from the client's file, each with its
//! source; a client that is not known gets the advice without them.

mod cap;
mod paths;
mod recognise;
mod steps;
mod warnings;

use halfopen_core::cause::Cause;
use halfopen_core::fact::Source;

use crate::matching::Limit;

pub use cap::{Cap, below};
pub use recognise::Recognised;

/// What is known of a path whose user wants advice.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Why connections fail.
    pub cause: Cause,
    /// The limits that show, with the products that fit.
    pub limits: &'a [Limit],
    /// The client, if it is known.
    pub client: Option<&'a Recognised>,
    /// Requests were lost and the client sent them again by itself.
    pub repeats: bool,
}

/// What to change.
#[derive(Clone, Debug)]
pub struct Advice {
    /// The client that it is for.
    pub client: Option<Recognised>,
    /// How long a connection may be idle, or a probe may be away.
    pub cap: Option<Cap>,
    /// What helps, the best first.
    pub steps: Vec<Step>,
    /// What does not help here, or harms.
    pub warnings: Vec<Warning>,
}

/// Something that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do, in a sentence without a full stop.
    pub what: String,
    /// How the client calls it.
    pub setting: Option<String>,
    /// How it is written in the client's language.
    pub snippet: Option<String>,
    /// What else one should know.
    pub note: Option<String>,
    /// Where that was read.
    pub source: Option<Source>,
}

/// Something that does not help here, or harms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What not to do.
    pub what: String,
    /// Why.
    pub why: String,
    /// Where that was read.
    pub source: Option<Source>,
}

/// Returns what to change; `None` if there is nothing that a client could.
#[must_use]
pub fn advise(situation: &Situation<'_>) -> Option<Advice> {
    let cap = cap::cap(situation);
    let steps = steps::steps(situation, cap.as_ref());
    (!steps.is_empty()).then(|| Advice {
        client: situation.client.cloned(),
        warnings: warnings::warnings(situation),
        cap,
        steps,
    })
}

impl Step {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), setting: None, snippet: None, note: None, source: None }
    }
}

#[cfg(test)]
mod tests;
