//! A hunt for programs.

use std::collections::BTreeMap;

use halfopen_core::time::Duration;
use halfopen_lab::hunt::{Amount, Change, Check, Hunt, Outcome, TERMS, Trial, Variant};
use serde::{Serialize, Serializer};

use super::places;
use crate::report::Seconds;

#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    hunt: &'a str,
    title: &'a str,
    scenario: &'a str,
    seed: u64,
    experiments: Vec<JsonExperiment<'a>>,
    suspects_left: Vec<&'a str>,
    fastest_answer_ms: f64,
    before: JsonTrial<'a>,
    fixes: Vec<JsonFix<'a>>,
    predictions_held: bool,
}

#[derive(Serialize)]
struct JsonExperiment<'a> {
    step: &'a str,
    title: &'a str,
    hypothesis: &'a str,
    hypothesis_stands: Option<bool>,
    if_so: Vec<JsonCheck<'a>>,
    #[serde(flatten)]
    trial: JsonTrial<'a>,
    rules_out: Vec<JsonRuledOut<'a>>,
    lesson: &'a str,
}

#[derive(Serialize)]
struct JsonRuledOut<'a> {
    suspect: &'a str,
    because: &'a str,
}

#[derive(Serialize)]
struct JsonFix<'a> {
    title: &'a str,
    named: bool,
    note: &'a str,
    #[serde(flatten)]
    trial: JsonTrial<'a>,
}

#[derive(Serialize)]
struct JsonTrial<'a> {
    changed: Vec<JsonChange<'a>>,
    predictions: Vec<JsonCheck<'a>>,
    held: bool,
    seen: BTreeMap<&'a str, JsonAmount>,
    places: Vec<JsonPlace>,
    costs: JsonCosts,
}

#[derive(Serialize)]
struct JsonChange<'a> {
    place: &'a str,
    key: Option<&'a str>,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    term: &'a str,
    predicted: JsonAmount,
    seen: JsonAmount,
    held: bool,
}

#[derive(Serialize)]
struct JsonPlace {
    place: String,
    seen: String,
}

#[derive(Serialize)]
struct JsonCosts {
    requests: u64,
    failures: u64,
    connections: u64,
    duplicates: u64,
    extra_mean_ms: Option<f64>,
    extra_p99_ms: Option<f64>,
    extra_max_ms: Option<f64>,
}

/// A number, a list of numbers, seconds, a word, or `null` for none.
struct JsonAmount(Amount);

/// Tells a hunt.
pub(super) fn json(hunt: &Hunt, outcome: &Outcome, seed: u64) -> String {
    let floor = outcome.floor;
    let experiments = hunt.experiments.iter().zip(&outcome.experiments);
    let fixes = hunt.fixes.iter().zip(&outcome.fixes);
    let unchanged =
        Variant { scenario: hunt.scenario.clone(), changes: Vec::new(), predictions: Vec::new() };
    let json = Json {
        format: 1,
        hunt: &hunt.name,
        title: &hunt.title,
        scenario: &hunt.scenario.name,
        seed,
        experiments: experiments
            .map(|(it, trial)| JsonExperiment {
                step: &it.step,
                title: &it.title,
                hypothesis: &it.hypothesis,
                hypothesis_stands: trial.hypothesis_stands(),
                if_so: trial.if_so.iter().map(JsonCheck::of).collect(),
                trial: JsonTrial::of(&it.variant, trial, floor),
                rules_out: it
                    .rules_out
                    .iter()
                    .map(|it| JsonRuledOut { suspect: &it.suspect, because: &it.because })
                    .collect(),
                lesson: &it.lesson,
            })
            .collect(),
        suspects_left: outcome.remaining(hunt).iter().map(|it| it.name.as_str()).collect(),
        fastest_answer_ms: ms(floor),
        before: JsonTrial::of(&unchanged, &outcome.before, floor),
        fixes: fixes
            .map(|(fix, trial)| JsonFix {
                title: &fix.title,
                named: fix.named,
                note: &fix.note,
                trial: JsonTrial::of(&fix.variant, trial, floor),
            })
            .collect(),
        predictions_held: outcome.held(),
    };
    let text = serde_json::to_string_pretty(&json).expect("its keys are words");
    text + "\n"
}

impl<'a> JsonTrial<'a> {
    fn of(variant: &'a Variant, trial: &'a Trial, floor: Duration) -> Self {
        let places = places::tell(&variant.scenario, &trial.seen).into_iter();
        let costs = &trial.costs;
        Self {
            changed: variant.changes.iter().map(JsonChange::of).collect(),
            predictions: trial.checks.iter().map(JsonCheck::of).collect(),
            held: trial.held(),
            seen: TERMS.iter().map(|it| (it.key, JsonAmount(trial.seen.amount(it)))).collect(),
            places: places.map(|it| JsonPlace { place: it.name, seen: it.seen }).collect(),
            costs: JsonCosts {
                requests: costs.requests,
                failures: costs.failures,
                connections: costs.connections,
                duplicates: costs.duplicates,
                extra_mean_ms: costs.extra_mean(floor).map(ms),
                extra_p99_ms: costs.extra_p99(floor).map(ms),
                extra_max_ms: costs.extra_max(floor).map(ms),
            },
        }
    }
}

impl<'a> JsonChange<'a> {
    fn of(change: &'a Change) -> Self {
        Self {
            place: &change.place,
            key: change.key.as_deref(),
            before: change.before.as_deref(),
            after: change.after.as_deref(),
        }
    }
}

impl<'a> JsonCheck<'a> {
    fn of(check: &'a Check) -> Self {
        Self {
            term: check.prediction.term.key,
            predicted: JsonAmount(check.prediction.amount.clone()),
            seen: JsonAmount(check.seen.clone()),
            held: check.held(),
        }
    }
}

impl Serialize for JsonAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Amount::None => serializer.serialize_none(),
            Amount::Count(count) => serializer.serialize_u64(*count),
            Amount::Each(counts) => counts.serialize(serializer),
            Amount::Time(time) => Seconds(*time).serialize(serializer),
            Amount::Word(word) => serializer.serialize_str(word),
        }
    }
}

/// Returns milliseconds, rounded to the microsecond.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
