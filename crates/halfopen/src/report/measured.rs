//! What `measure` says, as one value that is printed as text, as JSON or as a page.

mod page;
mod text;
mod words;

use halfopen_capture::Closings;
use halfopen_core::cause::{Cause, Culprit, Mechanism};
use halfopen_core::time::{Duration, Instant};
use halfopen_diagnosis::advice::{self, Recognised, Situation};
use halfopen_diagnosis::matching::{self, Observed};
use halfopen_measure::answer::{self, Class, Fate, Finding, Outcome};
use serde::Serialize;

use super::remedy;
use super::value::{At, Seconds};

pub(crate) use page::page;
pub(crate) use text::text;

/// The version of the answer's form. Fields may be added within one.
const FORMAT: u32 = 1;

/// What `measure` says.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    format: u32,
    target: String,
    address: String,
    asked: String,
    began: At,
    outcome: &'static str,
    limit: Bracket,
    mechanism: Option<Mechanism>,
    culprit: Culprit,
    class: Class,
    because: Option<String>,
    limits: Vec<remedy::Limit>,
    advice: Option<remedy::Advice>,
    unknown: Vec<String>,
    remarks: Vec<String>,
    packets: Packets,
    effort: Effort,
    samples: Vec<Sample>,
}

/// Between which pauses the limit lies.
#[derive(Clone, Copy, Debug, Serialize)]
struct Bracket {
    survived_s: Option<Seconds>,
    died_s: Option<Seconds>,
}

/// What the packets said.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Packets {
    /// Whether they were watched.
    pub(crate) watched: bool,
    /// What they show of whose doing it was, or why nobody watched; a sentence.
    pub(crate) says: Option<String>,
    pub(crate) evidence: Vec<Fact>,
}

impl Packets {
    /// Of packets that nobody watched.
    pub(crate) const NOTHING: Self = Self { watched: false, says: None, evidence: Vec::new() };
}

/// Something that a packet shows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    pub(crate) at: At,
    pub(crate) fact: String,
}

/// What it took.
#[derive(Clone, Copy, Debug, Serialize)]
struct Effort {
    connections: u32,
    asked: u32,
    took_s: Seconds,
}

/// A pause and what became of it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    pause_s: Seconds,
    after_s: Seconds,
    fate: Fate,
    probed: bool,
}

/// What was asked of whom.
#[derive(Clone, Debug)]
pub(crate) struct Inquiry {
    pub(crate) target: String,
    pub(crate) address: String,
    /// Such as "HEAD /".
    pub(crate) asked: String,
    pub(crate) began: Instant,
    /// What the user should know besides, in sentences.
    pub(crate) remarks: Vec<String>,
}

impl Measured {
    /// Puts together what was found, and what follows for a client.
    pub(crate) fn new(
        inquiry: Inquiry,
        finding: Finding,
        packets: Packets,
        client: Option<&Recognised>,
    ) -> Self {
        let Inquiry { target, address, asked, began, mut remarks } = inquiry;
        let (outcome, survived, died, mechanism) = match &finding.outcome {
            Outcome::Limit(limit) => {
                ("limit", Some(limit.survived), Some(limit.died), Some(limit.mechanism))
            }
            Outcome::AtLeast { survived } => ("at-least", Some(*survived), None, None),
            Outcome::Inconclusive { survived, .. } => ("inconclusive", *survived, None, None),
        };
        let because = match &finding.outcome {
            Outcome::Inconclusive { because, .. } => Some(because.to_string()),
            Outcome::Limit(_) | Outcome::AtLeast { .. } => None,
        };
        let culprit = culprit(&finding);
        let limits = limits(&finding, culprit);
        let cause = if culprit == Culprit::Peer { Cause::CloseRace } else { Cause::IdleExpiry };
        let situation = Situation { cause, limits: &limits, client, repeats: false };
        let advice = died.and_then(|_| advice::advise(&situation));
        let unknown = finding.unknown.iter().map(ToString::to_string);
        remarks.splice(0..0, finding.remarks.iter().map(ToString::to_string));
        Self {
            format: FORMAT,
            target,
            address,
            asked,
            began: At(began),
            outcome,
            limit: Bracket { survived_s: survived.map(Seconds), died_s: died.map(Seconds) },
            mechanism,
            culprit,
            class: finding.class,
            because,
            unknown: unknown.collect(),
            limits: limits.into_iter().map(remedy::Limit::from).collect(),
            advice: advice.map(remedy::Advice::from),
            remarks,
            packets,
            effort: Effort {
                connections: finding.effort.opened,
                asked: finding.effort.asked,
                took_s: Seconds(finding.effort.took),
            },
            samples: finding.samples.into_iter().map(Sample::from).collect(),
        }
    }

    /// Tells whether pauses are survived as far as was asked.
    pub(crate) fn is_clear(&self) -> bool {
        self.outcome == "at-least" && self.unknown.is_empty()
    }
}

/// Prints an answer for programs.
pub(crate) fn json(measured: &Measured) -> String {
    let text = serde_json::to_string_pretty(measured).expect("an answer has no map and no odd key");
    text + "\n"
}

/// Returns whose doing it was.
const fn culprit(finding: &Finding) -> Culprit {
    match &finding.outcome {
        Outcome::Limit(limit) => limit.closer,
        Outcome::AtLeast { .. } | Outcome::Inconclusive { .. } => Culprit::Unknown,
    }
}

/// Returns the products that fit.
fn limits(finding: &Finding, culprit: Culprit) -> Vec<matching::Limit> {
    let Outcome::Limit(limit) = &finding.outcome else { return Vec::new() };
    let deaths = [(Some(limit.mechanism), limit.died)];
    let count = limit.deaths as usize;
    let closings = Closings { count, shortest: limit.died, longest: limit.died };
    let closes = limit.mechanism == Mechanism::FinAtExpiry && culprit != Culprit::Hop;
    let mut limits = matching::limits(&Observed {
        deaths: if culprit == Culprit::Peer { &[] } else { &deaths },
        culprit,
        survived: Some(limit.survived),
        closings: (closes || culprit == Culprit::Peer).then_some(closings),
    });
    for limit in limits.iter_mut().filter(|it| it.shows != matching::Shows::FarEndCloses) {
        limit.fits.retain(|fit| match finding.class {
            Class::Packets => fit.heeds_keepalive,
            Class::Data => !fit.heeds_keepalive,
            Class::Unknown => true,
        });
    }
    limits
}

impl From<answer::Sample> for Sample {
    fn from(sample: answer::Sample) -> Self {
        let answer::Sample { pause, after, fate, probed } = sample;
        Self { pause_s: Seconds(pause), after_s: Seconds(after), fate, probed }
    }
}

/// Returns the pauses of which this became.
fn pauses(measured: &Measured, wanted: impl Fn(&Sample) -> bool) -> Vec<Duration> {
    let samples = measured.samples.iter().filter(|it| wanted(it));
    samples.map(|sample| sample.pause_s.0).collect()
}
