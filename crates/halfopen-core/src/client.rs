//! What is known of HTTP clients: how each keeps its connections and what it sends again.
//!
//! A client's file is a TOML text in which every value names the page it was read on, the date and
//! how sure it is. It says how a library behaves by default, not how somebody has set it up, and
//! it is data: a pool can be made to behave so, which is how clients are compared on one path.

mod behaviour;
mod document;

use core::fmt;
use std::collections::BTreeMap;

use serde::Deserialize;

pub use crate::document::DocumentError;
pub use crate::fact::{Confidence, Fact, Source};
pub use behaviour::{Behaviour, Hint, Limits, Notice, Order, Resend, Retry, Timeouts};

use crate::document::{read, shipped};
use crate::fact::{facts, sources};
use crate::time::Duration;
use document::Document;

const SHIPPED: &[(&str, &str)] = shipped!["clients":
    "apache-httpclient-4",
    "apache-httpclient-5",
    "curl",
    "go-net-http",
    "hyper-util",
    "jdk-http-client",
    "jdk-httpurlconnection",
    "node-http-agent",
    "okhttp",
    "python-aiohttp",
    "python-http-client",
    "python-httpx",
    "python-requests",
    "python-urllib3",
    "reactor-netty",
    "reqwest",
    "ruby-net-http",
    "undici",
    "ureq",
];

/// An HTTP client, and what each value that is given for it rests on.
#[derive(Clone, Debug)]
pub struct Client {
    /// The name that scenarios and the command use, which is its file's.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What it is used from.
    pub language: String,
    /// How it treats idle connections, in a sentence.
    pub summary: String,
    /// The versions that the values describe.
    pub versions: String,
    /// What its `User-Agent` begins with, if it sends one by itself.
    pub user_agent: Option<String>,
    /// What its own version follows in its `User-Agent`, if it says its version there.
    pub version_after: Option<String>,
    /// What it does by default.
    pub behaviour: Behaviour,
    /// What it did before, by the version that changed it.
    pub earlier: BTreeMap<String, Behaviour>,
    /// What its errors say, by how the connection ended.
    pub errors: BTreeMap<Ending, Vec<String>>,
    /// What its second request on a connection was seen to do, by how that connection ended. Empty
    /// if it was not tried.
    pub measured: BTreeMap<Ending, Measured>,
    /// What helps against connections that the path has forgotten.
    pub cures: Vec<Cure>,
    /// Every value, in the order of the text.
    pub facts: Vec<Fact>,
}

/// How a kept connection ends under a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The next request meets a reset, as behind a gateway that has forgotten the flow.
    ResetOnData,
    /// The next request meets a FIN, as from a server whose own timer ends at that moment.
    FinOnData,
    /// A FIN comes while the connection is idle.
    FinWhileIdle,
    /// A reset comes while the connection is idle.
    ResetWhileIdle,
}

/// What the second request on a connection was seen to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// What became of a GET.
    pub get: Outcome,
    /// What became of a POST.
    pub post: Outcome,
    /// In what a pool with this [`Behaviour`] differs, and why; `None` if it does not.
    pub differs: Option<String>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was answered, and was sent once.
    Ok,
    /// It was answered, and was sent twice.
    OkResent,
    /// Whoever sent it got an error.
    Fails,
}

/// What helps, by the name that the client has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cure {
    /// What it does, in a word or two.
    pub name: String,
    /// What it means.
    pub meaning: String,
    /// How the client calls it.
    pub setting: String,
    /// How it is written, with [`LIMIT_SECS`] and [`LIMIT_MILLIS`] where the limit belongs.
    pub snippet: Option<String>,
}

/// Stands in a snippet for the limit in seconds.
pub const LIMIT_SECS: &str = "LIMIT_S";
/// Stands in a snippet for the limit in milliseconds.
pub const LIMIT_MILLIS: &str = "LIMIT_MS";

impl Cure {
    /// Returns how it is written for `limit`, of which whole seconds count; at least one.
    #[must_use]
    pub fn written(&self, limit: Duration) -> Option<String> {
        let secs = limit.as_secs().max(1);
        let snippet = self.snippet.as_ref()?.replace(LIMIT_MILLIS, &(secs * 1000).to_string());
        Some(snippet.replace(LIMIT_SECS, &secs.to_string()))
    }
}

impl Client {
    /// Reads a client's file; `name` is its name without the ending.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let document: Document = read(text)?;
        let facts = facts(text, &sources(&document.sources, text)?)?;
        let behaviour = document.behaviour();
        Ok(Self {
            name: name.to_owned(),
            earlier: document.earlier(&behaviour),
            behaviour,
            errors: document.errors(),
            measured: document.measured(),
            cures: document.cures(),
            version_after: document.version_after(),
            title: document.title,
            language: document.language,
            summary: document.summary,
            versions: document.versions.value,
            user_agent: document.user_agent.map(|stated| stated.value),
            facts,
        })
    }

    /// Returns the names of the clients that ship, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|&(name, _)| name)
    }

    /// Returns the client `name` if it ships.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let (name, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(name, text).expect("a test reads every client that ships"))
    }

    /// Returns what it does once it is set up with the cure of that name, for a limit; what a hint
    /// of the server means stays as it is. `None` if its file has no such cure, or if that does not
    /// change how connections are kept.
    #[must_use]
    pub fn cured(&self, cure: &str, limit: Duration) -> Option<Behaviour> {
        let known = self.cures.iter().find(|known| known.name == cure)?;
        self.behaviour.with(&known.name, limit)
    }

    /// Returns the value under `key`, if the client's file states one.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.key == key)
    }
}

impl Ending {
    /// Every ending, in the order of a table.
    pub const ALL: [Self; 4] =
        [Self::ResetOnData, Self::FinOnData, Self::FinWhileIdle, Self::ResetWhileIdle];
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ResetOnData => "reset-on-data",
            Self::FinOnData => "fin-on-data",
            Self::FinWhileIdle => "fin-while-idle",
            Self::ResetWhileIdle => "reset-while-idle",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::OkResent => "ok-resent",
            Self::Fails => "fails",
        })
    }
}

#[cfg(test)]
mod tests;
