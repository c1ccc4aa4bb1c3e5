//! The words in which a hunt predicts.

use core::fmt;

use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::time::Duration;
use toml::Value;

use super::seen::{Burst, Seen};

/// Something that can be predicted.
#[derive(Debug)]
pub struct Term {
    /// What a hunt's text calls it.
    pub key: &'static str,
    /// What it is.
    pub about: &'static str,
    pub(super) kind: Kind,
    pub(super) of: fn(&Seen) -> Amount,
}

/// What something comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// It was not there.
    None,
    /// So many.
    Count(u64),
    /// So many in each burst, in their order.
    Each(Vec<u64>),
    /// So long, rounded to a tenth of a second.
    Time(Duration),
    /// A word.
    Word(String),
}

/// What will be seen.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Of what.
    pub term: &'static Term,
    /// What it will come to.
    pub amount: Amount,
}

/// How an amount is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Count,
    Each,
    Time,
    Word,
}

/// What can be predicted, in the order of a packet's way.
pub const TERMS: &[Term] = &[
    Term {
        key: "failures",
        about: "requests that got no response",
        kind: Kind::Count,
        of: |seen| Amount::Count(seen.bursts.iter().map(|burst| burst.failed).sum()),
    },
    Term {
        key: "failed",
        about: "requests that got no response, of each run",
        kind: Kind::Each,
        of: |seen| each(seen, |burst| burst.failed),
    },
    Term {
        key: "connections",
        about: "connections that the client opened",
        kind: Kind::Count,
        of: |seen| Amount::Count(seen.pool.opened),
    },
    Term {
        key: "hint",
        about: "the time in the `Keep-Alive` hint of the responses that reach the client",
        kind: Kind::Time,
        of: |seen| seen.client.hint.map_or(Amount::None, time),
    },
    Term {
        key: "sockets",
        about: "the state of the client's connection when a run begins, except the first",
        kind: Kind::Word,
        of: |seen| words(seen.bursts.iter().skip(1).map(|burst| burst.sockets.as_str())),
    },
    Term {
        key: "fin-after",
        about: "after how long without data a FIN reaches the client",
        kind: Kind::Time,
        of: |seen| times(seen.client.closed_idle()),
    },
    Term {
        key: "resets",
        about: "resets that reach the client",
        kind: Kind::Count,
        of: |seen| Amount::Count(seen.client.resets().count() as u64),
    },
    Term {
        key: "forgot-after",
        about: "after how long without a packet a gateway forgets an open connection",
        kind: Kind::Time,
        of: |seen| times(seen.forgotten.iter().copied()),
    },
    Term {
        key: "answer",
        about: "what a gateway does with the client's packet on a connection that it forgot",
        kind: Kind::Word,
        of: |seen| words(seen.reactions.iter().copied()),
    },
    Term {
        key: "idle-timeouts",
        about: "IdleTimeoutCount of the gateways",
        kind: Kind::Count,
        of: |seen| Amount::Count(seen.idle_timeouts),
    },
    Term {
        key: "logged",
        about: "requests in the balancer's access log, of each run",
        kind: Kind::Each,
        of: |seen| each(seen, |burst| burst.logged),
    },
    Term {
        key: "received",
        about: "requests that reach whoever answers, of each run",
        kind: Kind::Each,
        of: |seen| each(seen, |burst| burst.received),
    },
    Term {
        key: "duplicates",
        about: "charges that were made more than once",
        kind: Kind::Count,
        of: |seen| Amount::Count(seen.duplicates),
    },
    Term {
        key: "cause",
        about: "the cause that a diagnosis of the client's capture names",
        kind: Kind::Word,
        of: |seen| diagnosed(seen, |path| Some(path.cause.as_str())),
    },
    Term {
        key: "mechanism",
        about: "the mechanism that it names",
        kind: Kind::Word,
        of: |seen| diagnosed(seen, |path| path.mechanism.map(Mechanism::as_str)),
    },
    Term {
        key: "culprit",
        about: "the culprit that it names",
        kind: Kind::Word,
        of: |seen| {
            let known = |culprit: &Culprit| *culprit != Culprit::Unknown;
            diagnosed(seen, |path| Some(path.culprit).filter(known).map(Culprit::as_str))
        },
    },
];

impl Term {
    pub(super) fn find(key: &str) -> Option<(usize, &'static Self)> {
        TERMS.iter().enumerate().find(|(_, term)| term.key == key)
    }
}

impl PartialEq for Prediction {
    fn eq(&self, other: &Self) -> bool {
        self.term.key == other.term.key && self.amount == other.amount
    }
}

impl Kind {
    /// Reads an amount, or says how it is written.
    pub(super) fn read(self, value: &Value) -> Result<Amount, String> {
        let count = |value: &Value| value.as_integer().and_then(|count| u64::try_from(count).ok());
        let read = match self {
            Self::Count => count(value).map(Amount::Count),
            Self::Each => value
                .as_array()
                .and_then(|counts| counts.iter().map(count).collect::<Option<_>>())
                .map(Amount::Each),
            Self::Time | Self::Word if value.as_str() == Some("none") => Some(Amount::None),
            Self::Time => {
                value.as_str().and_then(|text| humantime::parse_duration(text).ok()).map(time)
            }
            Self::Word => value.as_str().map(|word| Amount::Word(word.to_owned())),
        };
        read.ok_or_else(|| {
            let wanted = match self {
                Self::Count => "a number that is not negative",
                Self::Each => "a list of numbers, one for each run, such as [0, 1, 1]",
                Self::Time => "a duration with its unit, such as \"180s\", or \"none\"",
                Self::Word => "a word in quotes, or \"none\"",
            };
            format!("this must be {wanted}")
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Each(counts) => {
                let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
                write!(f, "{}", counts.join(", "))
            }
            Self::Time(time) => write!(f, "{:.1} s", time.as_secs_f64()),
            Self::Word(word) => write!(f, "{word}"),
        }
    }
}

fn each(seen: &Seen, of: fn(&Burst) -> u64) -> Amount {
    Amount::Each(seen.bursts.iter().map(of).collect())
}

fn time(time: Duration) -> Amount {
    const STEP: Duration = Duration::from_millis(100);
    let steps = (time + STEP / 2).as_millis() / STEP.as_millis();
    let steps = u32::try_from(steps).unwrap_or(u32::MAX);
    Amount::Time(STEP.saturating_mul(steps))
}

/// Returns the time that all have in common; if they have none, all of them.
fn times(all: impl Iterator<Item = Duration>) -> Amount {
    let mut distinct: Vec<Amount> = Vec::new();
    for amount in all.map(time) {
        if !distinct.contains(&amount) {
            distinct.push(amount);
        }
    }
    match distinct.len() {
        0 => Amount::None,
        1 => distinct.remove(0),
        _ => {
            let words: Vec<String> = distinct.iter().map(Amount::to_string).collect();
            Amount::Word(words.join(", "))
        }
    }
}

/// Returns the word that all have in common; if they have none, all of them.
fn words<'a>(all: impl Iterator<Item = &'a str>) -> Amount {
    let mut distinct: Vec<&str> = Vec::new();
    for word in all {
        if !distinct.contains(&word) {
            distinct.push(word);
        }
    }
    if distinct.iter().all(|word| word.is_empty()) {
        return Amount::None;
    }
    let spelled = distinct.iter().map(|word| if word.is_empty() { "none" } else { *word });
    Amount::Word(spelled.collect::<Vec<_>>().join(", "))
}

fn diagnosed(
    seen: &Seen,
    of: impl Fn(&halfopen_capture::PathReport) -> Option<&'static str>,
) -> Amount {
    let word = seen.diagnosis.as_ref().and_then(of).filter(|word| *word != "none");
    word.map_or(Amount::None, |word| Amount::Word(word.to_owned()))
}
