//! The hunt: experiments on a scenario, each with what it predicts, and fixes held side by side.
//!
//! A hunt is a TOML text over a scenario. An experiment changes some of the scenario's values, runs
//! it, and compares what was seen at each place with what it predicts, in the words of [`TERMS`].
//! An experiment that changes nothing is a closer look at the same run. Whoever an experiment rules
//! out is ruled out only if its prediction held.

mod change;
mod costs;
mod document;
mod glimpse;
mod seen;
mod term;

use core::fmt;

use halfopen_core::scenario::{DocumentError, Scenario};
use halfopen_core::time::Duration;

use crate::reproduce::{self, Reproduction, watched};

pub use change::Change;
pub use costs::Costs;
pub use glimpse::{Farewell, Glimpse};
pub use seen::{Burst, Lost, Seen};
pub use term::{Amount, Prediction, TERMS, Term};

const SHIPPED: &[(&str, &str)] = &[(
    "incident",
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../hunts/incident.toml")),
)];

/// A search for who breaks connections on a path.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The name that the command uses, which is its file's.
    pub name: String,
    /// What is searched for, in a few words.
    pub title: String,
    /// What is known before, in a few sentences.
    pub about: String,
    /// The scenario that is changed, as it is.
    pub scenario: Scenario,
    /// Who may have done it.
    pub suspects: Vec<Suspect>,
    /// In the order in which they are made; at least one.
    pub experiments: Vec<Experiment>,
    /// What may help.
    pub fixes: Vec<Fix>,
    /// How long the runs last whose costs are compared, if not as long as the scenario.
    pub costs_over: Option<Duration>,
}

/// Somebody who may have done it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// What experiments call it.
    pub name: String,
    /// Why it is one.
    pub why: String,
}

/// An experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its number or name among the others.
    pub step: String,
    /// What is done, in a few words.
    pub title: String,
    /// What it is to test.
    pub hypothesis: String,
    /// What would be seen if the hypothesis were true; empty leaves that open.
    pub if_so: Vec<Prediction>,
    /// What is run, and what will be seen.
    pub variant: Variant,
    /// Whom it rules out if the prediction holds.
    pub rules_out: Vec<RuledOut>,
    /// What is to be learnt from it, in a sentence; may be empty.
    pub lesson: String,
}

/// Somebody who was ruled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuledOut {
    /// The suspect's name.
    pub suspect: String,
    /// What shows it.
    pub because: String,
}

/// Something that may help.
#[derive(Clone, Debug)]
pub struct Fix {
    /// In a few words.
    pub title: String,
    /// Whether those who suffered thought of it.
    pub named: bool,
    /// What it costs or does not do, in a sentence; may be empty.
    pub note: String,
    /// What is run, and what will be seen.
    pub variant: Variant,
}

/// A scenario with changes, and what will be seen.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What is run.
    pub scenario: Scenario,
    /// What is not as in the hunt's scenario.
    pub changes: Vec<Change>,
    /// What will be seen.
    pub predictions: Vec<Prediction>,
}

/// What came of a hunt.
#[derive(Debug)]
pub struct Outcome {
    /// Of each experiment.
    pub experiments: Vec<Trial>,
    /// Of the scenario as it is, to compare the fixes with.
    pub before: Trial,
    /// Of each fix.
    pub fixes: Vec<Trial>,
    /// The fastest answer of all runs: what a request takes when nothing is in its way.
    pub floor: Duration,
}

/// What came of running a variant.
#[derive(Debug)]
pub struct Trial {
    /// What was seen at each place.
    pub seen: Seen,
    /// What it cost; of a fix and what it is compared with, over [`Hunt::costs_over`].
    pub costs: Costs,
    /// Each prediction against what was seen.
    pub checks: Vec<Check>,
    /// Likewise, of what would have been seen if the hypothesis were true.
    pub if_so: Vec<Check>,
}

/// A prediction against what was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What was predicted.
    pub prediction: Prediction,
    /// What was seen instead, or the same.
    pub seen: Amount,
}

/// Why a hunt came to no end.
#[derive(Debug)]
pub struct Error {
    /// The experiment or the fix.
    pub of: String,
    /// Why it cannot be run.
    pub error: reproduce::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.of, self.error)
    }
}

impl core::error::Error for Error {}

impl Hunt {
    /// Reads a hunt; `name` is its file's without the ending. `scenario` is the name and text of
    /// the scenario that is changed in place of the one that the hunt names.
    pub fn parse(
        name: &str,
        text: &str,
        scenario: Option<(&str, &str)>,
    ) -> Result<Self, DocumentError> {
        document::read(name, text, scenario)
    }

    /// Returns the names of the hunts that ship, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|&(name, _)| name)
    }

    /// Returns the text of the hunt `name` if it ships: a start for one's own.
    #[must_use]
    pub fn text(name: &str) -> Option<&'static str> {
        SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|&(_, text)| text)
    }

    /// Makes all experiments and tries all fixes. The same hunt and seed have the same outcome.
    pub fn run(&self, seed: u64) -> Result<Outcome, Error> {
        let of = |of: &str, variant: &Variant, if_so: &[Prediction]| {
            let run = watched(&variant.scenario, seed);
            let run = run.map_err(|error| Error { of: of.to_owned(), error })?;
            Ok(Trial::new(variant, if_so, &run))
        };
        let experiment = |it: &Experiment| of(&it.title, &it.variant, &it.if_so);
        let experiments: Vec<Trial> =
            self.experiments.iter().map(experiment).collect::<Result<_, _>>()?;
        let unchanged = Variant {
            scenario: self.scenario.clone(),
            changes: Vec::new(),
            predictions: Vec::new(),
        };
        let costed = |name: &str, variant: &Variant| {
            let trial = of(name, variant, &[])?;
            let Some(length) = self.costs_over else { return Ok(trial) };
            let scenario = Scenario { length, ..variant.scenario.clone() };
            let run = reproduce::reproduce(&scenario, seed);
            let run = run.map_err(|error| Error { of: name.to_owned(), error })?;
            Ok(Trial { costs: Costs::new(&run), ..trial })
        };
        let before = costed("the scenario as it is", &unchanged)?;
        let fixes = self.fixes.iter().map(|fix| costed(&fix.title, &fix.variant));
        let fixes: Vec<Trial> = fixes.collect::<Result<_, _>>()?;
        let all = experiments.iter().chain([&before]).chain(&fixes);
        let floor = all.filter_map(|trial| trial.costs.fastest()).min().unwrap_or_default();
        Ok(Outcome { experiments, before, fixes, floor })
    }
}

impl Trial {
    fn new(variant: &Variant, if_so: &[Prediction], run: &Reproduction) -> Self {
        let seen = Seen::new(&variant.scenario, run);
        let check = |prediction: &Prediction| Check {
            prediction: prediction.clone(),
            seen: seen.amount(prediction.term),
        };
        Self {
            checks: variant.predictions.iter().map(check).collect(),
            if_so: if_so.iter().map(check).collect(),
            costs: Costs::new(run),
            seen,
        }
    }

    /// Tells whether all that was predicted was seen.
    #[must_use]
    pub fn held(&self) -> bool {
        self.checks.iter().all(Check::held)
    }

    /// Tells whether the hypothesis may be true after all that was seen; `None` if that was not the
    /// question.
    #[must_use]
    pub fn hypothesis_stands(&self) -> Option<bool> {
        (!self.if_so.is_empty()).then(|| self.if_so.iter().all(Check::held))
    }
}

impl Check {
    /// Tells whether what was predicted was seen.
    #[must_use]
    pub fn held(&self) -> bool {
        self.prediction.amount == self.seen
    }
}

impl Outcome {
    /// Tells whether every prediction held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.experiments.iter().chain(&self.fixes).all(Trial::held)
    }

    /// Returns the suspects of a hunt that no experiment whose prediction held rules out.
    #[must_use]
    pub fn remaining<'a>(&self, hunt: &'a Hunt) -> Vec<&'a Suspect> {
        let ruled_out = |suspect: &Suspect| {
            let experiments = hunt.experiments.iter().zip(&self.experiments);
            let mut held = experiments.filter(|(_, trial)| trial.held());
            held.any(|(experiment, _)| {
                experiment.rules_out.iter().any(|it| it.suspect == suspect.name)
            })
        };
        hunt.suspects.iter().filter(|suspect| !ruled_out(suspect)).collect()
    }
}

#[cfg(test)]
mod tests;
