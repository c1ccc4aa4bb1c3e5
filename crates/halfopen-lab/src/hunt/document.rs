//! How a hunt is written.

use core::ops::Range;

use halfopen_core::scenario::{DocumentError, Scenario};
use halfopen_core::time::Duration;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::change::apply;
use super::term::{Prediction, TERMS, Term};
use super::{Experiment, Fix, Hunt, RuledOut, Suspect, Variant};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    title: String,
    about: String,
    scenario: Spanned<String>,
    #[serde(default, rename = "suspect")]
    suspects: Vec<SuspectText>,
    #[serde(rename = "experiment")]
    experiments: Spanned<Vec<ExperimentText>>,
    #[serde(default, rename = "fix")]
    fixes: Vec<FixText>,
    costs_over: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SuspectText {
    name: Spanned<String>,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ExperimentText {
    step: String,
    title: String,
    hypothesis: String,
    #[serde(default)]
    if_so: Predictions,
    change: Option<Spanned<Table>>,
    predicts: Predictions,
    #[serde(default)]
    rules_out: Vec<RuledOutText>,
    #[serde(default)]
    lesson: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RuledOutText {
    suspect: Spanned<String>,
    because: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FixText {
    title: String,
    #[serde(default)]
    named: bool,
    #[serde(default)]
    note: String,
    change: Option<Spanned<Table>>,
    predicts: Predictions,
}

type Predictions = std::collections::BTreeMap<Spanned<String>, Spanned<Value>>;

/// Makes what a hunt's text says into a hunt.
struct Reader<'a> {
    text: &'a str,
    /// The name of the scenario that is changed.
    name: &'a str,
    /// It, as it is.
    scenario: Scenario,
    table: Table,
}

pub(super) fn read(
    name: &str,
    text: &str,
    scenario: Option<(&str, &str)>,
) -> Result<Hunt, DocumentError> {
    let document: Document = toml::from_str(text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        DocumentError::new(text, error.span().unwrap_or(0..0), message)
    })?;
    let named = document.scenario.get_ref().as_str();
    let (scenario_name, scenario) = match scenario {
        Some(given) => given,
        None => (
            named,
            Scenario::text(named).ok_or_else(|| {
                let all: Vec<&str> = Scenario::names().collect();
                let message = format!("there is no scenario `{named}`, only {}", all.join(", "));
                DocumentError::new(text, document.scenario.span(), message)
            })?,
        ),
    };
    Reader::new(text, scenario_name, scenario, document.scenario.span())?.hunt(name, &document)
}

impl<'a> Reader<'a> {
    fn new(
        text: &'a str,
        name: &'a str,
        scenario: &str,
        span: Range<usize>,
    ) -> Result<Self, DocumentError> {
        let bad = |why: String| {
            DocumentError::new(text, span.clone(), format!("the scenario `{name}`: {why}"))
        };
        let table = scenario.parse::<Table>().map_err(|error| bad(error.message().to_owned()))?;
        let scenario = Scenario::parse(name, scenario).map_err(|error| bad(error.to_string()))?;
        Ok(Self { text, name, scenario, table })
    }

    fn hunt(self, name: &str, document: &Document) -> Result<Hunt, DocumentError> {
        if document.experiments.get_ref().is_empty() {
            return Err(self.error(document.experiments.span(), "there must be an experiment"));
        }
        let mut suspects: Vec<Suspect> = Vec::new();
        for SuspectText { name, why } in &document.suspects {
            if suspects.iter().any(|suspect| suspect.name == *name.get_ref()) {
                return Err(self.error(name.span(), "two suspects have this name"));
            }
            suspects.push(Suspect { name: name.get_ref().clone(), why: why.clone() });
        }
        let experiments = document.experiments.get_ref().iter();
        let experiments = experiments.map(|it| self.experiment(it, &suspects));
        Ok(Hunt {
            name: name.to_owned(),
            title: document.title.clone(),
            about: document.about.clone(),
            experiments: experiments.collect::<Result<_, _>>()?,
            fixes: document.fixes.iter().map(|it| self.fix(it)).collect::<Result<_, _>>()?,
            costs_over: document.costs_over.as_ref().map(|it| self.length(it)).transpose()?,
            suspects,
            scenario: self.scenario,
        })
    }

    fn length(&self, text: &Spanned<String>) -> Result<Duration, DocumentError> {
        let length = humantime::parse_duration(text.get_ref());
        length.map_err(|_| {
            let wanted = "this must be a duration with its unit, such as \"1day\"";
            self.error(text.span(), wanted)
        })
    }

    fn experiment(
        &self,
        it: &ExperimentText,
        suspects: &[Suspect],
    ) -> Result<Experiment, DocumentError> {
        let rules_out = it.rules_out.iter().map(|RuledOutText { suspect, because }| {
            let name = suspect.get_ref();
            if !suspects.iter().any(|suspect| suspect.name == *name) {
                return Err(self.error(suspect.span(), "there is no such suspect"));
            }
            Ok(RuledOut { suspect: name.clone(), because: because.clone() })
        });
        Ok(Experiment {
            step: it.step.clone(),
            title: it.title.clone(),
            hypothesis: it.hypothesis.clone(),
            if_so: self.predictions(&it.if_so)?,
            variant: self.variant(it.change.as_ref(), &it.predicts)?,
            rules_out: rules_out.collect::<Result<_, _>>()?,
            lesson: it.lesson.clone(),
        })
    }

    fn fix(&self, it: &FixText) -> Result<Fix, DocumentError> {
        Ok(Fix {
            title: it.title.clone(),
            named: it.named,
            note: it.note.clone(),
            variant: self.variant(it.change.as_ref(), &it.predicts)?,
        })
    }

    fn variant(
        &self,
        change: Option<&Spanned<Table>>,
        predicts: &Predictions,
    ) -> Result<Variant, DocumentError> {
        let predictions = self.predictions(predicts)?;
        let Some(change) = change else {
            let scenario = self.scenario.clone();
            return Ok(Variant { scenario, changes: Vec::new(), predictions });
        };
        let bad = |why: &dyn core::fmt::Display| {
            let message = format!("with this change the scenario is none: {why}");
            self.error(change.span(), message)
        };
        let mut table = self.table.clone();
        let changes = apply(&mut table, change.get_ref()).map_err(|why| bad(&why))?;
        let scenario = Scenario::parse(self.name, &table.to_string());
        // The place in the error is one in a text that nobody wrote.
        let scenario = scenario.map_err(|error| bad(&error.message))?;
        Ok(Variant { scenario, changes, predictions })
    }

    /// Reads predictions, and puts them in the order of [`TERMS`].
    fn predictions(&self, texts: &Predictions) -> Result<Vec<Prediction>, DocumentError> {
        let mut predictions = Vec::new();
        for (key, value) in texts {
            let (index, term) = Term::find(key.get_ref()).ok_or_else(|| {
                let terms: Vec<&str> = TERMS.iter().map(|term| term.key).collect();
                let message = format!("nothing is called so, only {}", terms.join(", "));
                self.error(key.span(), message)
            })?;
            let amount = term.kind.read(value.get_ref());
            let amount = amount.map_err(|why| self.error(value.span(), why))?;
            predictions.push((index, Prediction { term, amount }));
        }
        predictions.sort_by_key(|&(index, _)| index);
        Ok(predictions.into_iter().map(|(_, prediction)| prediction).collect())
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>) -> DocumentError {
        DocumentError::new(self.text, span, message)
    }
}
