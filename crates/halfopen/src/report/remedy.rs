//! Which products fit, and what to change: as the report has it.

use halfopen_core::cause::Mechanism;
use halfopen_core::fact::{Confidence, Source};
use halfopen_diagnosis::{advice, matching};
use serde::Serialize;

use super::Seconds;

/// A limit on how long a connection may be idle, as it showed itself.
#[derive(Debug, Serialize)]
pub(super) struct Limit {
    shows: &'static str,
    survived_s: Option<Seconds>,
    met_s: Seconds,
    pub(super) fits: Vec<Fit>,
}

/// A product that fits a limit.
#[derive(Debug, Serialize)]
pub(super) struct Fit {
    name: String,
    pub(super) title: String,
    pub(super) timer_s: Seconds,
    heeds_keepalive: bool,
    confidence: Word,
    setting: Option<String>,
    source: String,
}

/// What to change.
#[derive(Debug, Serialize)]
pub(super) struct Advice {
    pub(super) client: Option<Client>,
    pub(super) cap_s: Option<Seconds>,
    pub(super) basis: Option<String>,
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<Warning>,
}

/// The client that the advice is for.
#[derive(Debug, Serialize)]
pub(super) struct Client {
    name: String,
    pub(super) title: String,
    pub(super) version: Option<String>,
    pub(super) by: String,
    pub(super) summary: String,
}

/// Something that helps.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) what: String,
    pub(super) setting: Option<String>,
    pub(super) snippet: Option<String>,
    pub(super) note: Option<String>,
    pub(super) source: Option<String>,
}

/// Something that does not help here, or harms.
#[derive(Debug, Serialize)]
pub(super) struct Warning {
    pub(super) what: String,
    pub(super) why: String,
    pub(super) source: Option<String>,
}

/// A confidence by its word.
#[derive(Debug)]
struct Word(Confidence);

impl Serialize for Word {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl From<matching::Limit> for Limit {
    fn from(limit: matching::Limit) -> Self {
        Self {
            shows: shows(limit.shows),
            survived_s: limit.survived.map(Seconds),
            met_s: Seconds(limit.met),
            fits: limit.fits.into_iter().map(Fit::from).collect(),
        }
    }
}

impl From<matching::Fit> for Fit {
    fn from(fit: matching::Fit) -> Self {
        Self {
            name: fit.name,
            title: fit.title,
            timer_s: Seconds(fit.timer),
            heeds_keepalive: fit.heeds_keepalive,
            confidence: Word(fit.confidence),
            setting: fit.setting,
            source: fit.source.url,
        }
    }
}

impl From<advice::Advice> for Advice {
    fn from(advice: advice::Advice) -> Self {
        let (cap_s, basis) = advice.cap.map(|cap| (Seconds(cap.value), cap.basis)).unzip();
        let url = |source: Option<Source>| source.map(|source| source.url);
        Self {
            client: advice.client.map(Client::from),
            cap_s,
            basis,
            steps: advice
                .steps
                .into_iter()
                .map(|advice::Step { what, setting, snippet, note, source }| Step {
                    source: url(source),
                    what,
                    setting,
                    snippet,
                    note,
                })
                .collect(),
            warnings: advice
                .warnings
                .into_iter()
                .map(|advice::Warning { what, why, source }| Warning {
                    source: url(source),
                    what,
                    why,
                })
                .collect(),
        }
    }
}

impl From<advice::Recognised> for Client {
    fn from(known: advice::Recognised) -> Self {
        Self {
            name: known.client.name,
            title: known.client.title,
            version: known.version,
            by: known.by,
            summary: known.client.summary,
        }
    }
}

const fn shows(shows: matching::Shows) -> &'static str {
    match shows {
        matching::Shows::FarEndCloses => "far-end-closes",
        matching::Shows::Forgotten(None) => "forgotten-in-flight",
        matching::Shows::Forgotten(Some(Mechanism::ResetOnReuse)) => "reset-on-reuse",
        matching::Shows::Forgotten(Some(Mechanism::SilentDrop)) => "silent-drop",
        matching::Shows::Forgotten(Some(Mechanism::ResetAtExpiry)) => "reset-at-expiry",
        matching::Shows::Forgotten(Some(Mechanism::FinAtExpiry)) => "fin-at-expiry",
    }
}

impl Limit {
    /// Says which products fit, in a sentence; `None` if none is known.
    pub(super) fn sentence(&self) -> Option<String> {
        let fits = self.fits.iter().map(|fit| format!("{} ({})", fit.title, fit.timer_s));
        let fits: Vec<String> = fits.collect();
        if fits.is_empty() {
            return None;
        }
        let heeds = self.fits.iter().filter(|fit| fit.heeds_keepalive).count();
        let probes = match heeds {
            0 => "TCP keepalive probes do not start this timer again",
            all if all == fits.len() => "TCP keepalive probes start this timer again",
            _ => "TCP keepalive probes start this timer again with some of them",
        };
        let subject = if self.shows == "far-end-closes" {
            format!("closing after {} is the default of", self.met_s)
        } else {
            "by its timer and its behaviour it could be".to_owned()
        };
        Some(format!("{subject} {}; {probes}", fits.join(", ")))
    }
}
