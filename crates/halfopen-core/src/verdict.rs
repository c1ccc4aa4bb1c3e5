//! What became of a flow, and how we know.

use crate::cause::{Culprit, Finding, Harm, Mechanism};
use crate::flow::FlowKey;
use crate::time::{Duration, Instant};

/// What became of a flow, and how we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The flow.
    pub flow: FlowKey,
    /// What became of it.
    pub finding: Finding,
    /// How it shows, if a box forgot it.
    pub mechanism: Option<Mechanism>,
    /// The pause that came before its end, if that has to do with it.
    pub idle: Option<Duration>,
    /// What it did to requests.
    pub harm: Harm,
    /// Whose doing it was.
    pub culprit: Culprit,
    /// What shows it; empty only for a healthy flow.
    pub evidence: Vec<Evidence>,
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// When.
    pub at: Instant,
    /// In which frame of the capture, counted from one as Wireshark does.
    pub frame: u64,
    /// What, in words that need nothing else to be understood.
    pub fact: String,
}
