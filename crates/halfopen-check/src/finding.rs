//! What a rule has found, and where.

use core::fmt;

use serde::{Serialize, Serializer};

use crate::path::{Basis, Stated};
use crate::place::Place;
use crate::rule::Rule;

/// Something that will cost requests, or a setting that does not do what it seems to.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which rule says so.
    #[serde(serialize_with = "id")]
    pub rule: &'static Rule,
    /// How much it matters.
    pub level: Level,
    /// The path that it is on, if it has a name.
    pub path: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where that is written or, of a default, where the part is declared that has it.
    pub place: Place,
    /// What else one has to see.
    pub related: Vec<Related>,
    /// What to write instead.
    pub fix: String,
}

/// Another place that a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where it is.
    pub place: Place,
    /// What it says.
    pub message: String,
    /// What a default rests on: the page, when it was read, and how sure it is.
    pub source: Option<String>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It costs nothing by itself: something does not do what it seems to.
    Note,
    /// It costs a request now and then.
    Warning,
    /// It costs every request after a long enough pause.
    Error,
}

impl Finding {
    /// Returns a finding about the place of `stated`, which is the first of what it rests on.
    pub(crate) fn new<T>(
        rule: &'static Rule,
        stated: &Stated<T>,
        message: String,
        fix: String,
    ) -> Self {
        let place = stated.place.clone();
        let level = rule.level;
        let mut finding =
            Self { rule, level, path: String::new(), message, place, related: Vec::new(), fix };
        if let Basis::Default(_) = stated.basis {
            finding = finding.with(stated, "it is the default".to_owned());
        }
        finding
    }

    /// Adds what else one has to see.
    pub(crate) fn with<T>(mut self, stated: &Stated<T>, message: String) -> Self {
        let source = match &stated.basis {
            Basis::Written(_) => None,
            Basis::Default(fact) => {
                Some(format!("{}, {}, read {}", fact.source.url, fact.confidence, fact.source.read))
            }
        };
        self.related.push(Related { place: stated.place.clone(), message, source });
        self
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Writes a finding's rule as its id.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference to the field")]
fn id<S: Serializer>(rule: &&'static Rule, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(rule.id)
}
