//! What is known of products on the path: data with a source, never constants in code.
//!
//! A profile is a TOML text in which every value names the page it was read on, the date and how
//! sure it is. A value that nothing confirms may stand in one, as [`Confidence::Unconfirmed`], and
//! is to be shown so. A profile says how a product behaves by default, not how somebody's is set.

mod document;

use core::fmt;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StrDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use crate::document::DocumentError;

use crate::document::{read, shipped};
use crate::gateway::GatewayConfig;
use document::{Document, Page};

pub(crate) use document::Timers;

const SHIPPED: &[(&str, &str)] = shipped!["profiles":
    "aws-gwlb",
    "aws-nat-gateway",
    "aws-nat-instance",
    "aws-network-firewall",
    "aws-nlb",
    "azure-load-balancer",
    "azure-load-balancer-tcp-reset",
    "azure-nat-gateway",
    "gcp-cloud-nat",
    "linux-conntrack",
    "rfc-5382",
];

/// A product on the path, and what each of its values rests on.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The name that scenarios and the command use, which is its file's.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Who makes it.
    pub vendor: String,
    /// What it is.
    pub kind: Kind,
    /// How it treats idle connections, in a sentence.
    pub summary: String,
    /// Every value, in the order of the text.
    pub facts: Vec<Fact>,
    gateway: GatewayConfig,
}

/// What a product is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It translates addresses.
    Nat,
    /// It watches what passes.
    Firewall,
    /// It chooses a target and passes packets on.
    Balancer,
}

/// One value of a product, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its key, such as `timers.tcp-established`.
    pub key: String,
    /// The value as the text writes it, without quotes.
    pub value: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Where it was read; for an unconfirmed value, where it was looked for.
    pub source: Source,
    /// What sets it, and in which range.
    pub setting: Option<String>,
    /// What else one should know.
    pub note: Option<String>,
}

/// What a value rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The vendor's or the standard's own text says it.
    Documented,
    /// The program's source or the reference in its tree says it.
    SourceRead,
    /// It was tried.
    Measured,
    /// Somebody else says it.
    ThirdParty,
    /// Nothing that was read confirms it.
    Unconfirmed,
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its address.
    pub url: String,
    /// The date of the text that was read, as `2026-04-13`.
    pub read: String,
    /// What else one should know about the reading.
    pub note: Option<String>,
}

impl Profile {
    /// Reads a profile; `name` is its file's without the ending.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let document: Document = read(text)?;
        let translates = &document.translates.value;
        if *translates.get_ref() != document.mapping.is_some() {
            let message = "a product that translates, and no other, has a `mapping`";
            return Err(DocumentError::new(text, translates.span(), message));
        }
        let sources = document
            .sources
            .iter()
            .map(|(key, page)| Ok((key.as_str(), Source::of(page, text)?)))
            .collect::<Result<_, DocumentError>>()?;
        Ok(Self {
            name: name.to_owned(),
            facts: facts(text, &sources)?,
            gateway: document.gateway(),
            title: document.title,
            vendor: document.vendor,
            kind: document.kind,
            summary: document.summary,
        })
    }

    /// Returns the names of the profiles that ship, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|&(name, _)| name)
    }

    /// Returns the profile `name` if it ships.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let (name, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(name, text).expect("a test reads every profile that ships"))
    }

    /// Returns the gateway that behaves as the product does, with the addresses that it translates
    /// to. A product that does not translate needs none.
    #[must_use]
    pub fn gateway(&self, external: Vec<IpAddr>) -> GatewayConfig {
        self.gateway.clone().translating_to(external)
    }

    /// Returns the value under `key`, if the profile states one.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.key == key)
    }
}

impl Source {
    fn of(page: &Page, text: &str) -> Result<Self, DocumentError> {
        let url = page.url.get_ref();
        if !url.starts_with("https://") {
            let message = format!("`{url}` is not the address of a page");
            return Err(DocumentError::new(text, page.url.span(), message));
        }
        let read = page.read.get_ref();
        if read.date.is_none() || read.time.is_some() {
            let message = format!("`{read}` is not a date");
            return Err(DocumentError::new(text, page.read.span(), message));
        }
        Ok(Self { url: url.clone(), read: read.to_string(), note: page.note.clone() })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Documented => "documented",
            Self::SourceRead => "source-read",
            Self::Measured => "measured",
            Self::ThirdParty => "third-party",
            Self::Unconfirmed => "unconfirmed",
        })
    }
}

/// Returns every value of a text that `Document` has accepted, in the order of the text.
fn facts(text: &str, sources: &BTreeMap<&str, Source>) -> Result<Vec<Fact>, DocumentError> {
    let table = DeTable::parse(text)
        .map_err(|error| DocumentError::new(text, error.span().unwrap_or(0..0), error.message()))?;
    let mut found = Vec::new();
    let mut tables = vec![(String::new(), table.get_ref())];
    while let Some((path, table)) = tables.pop() {
        for (key, value) in table {
            let DeValue::Table(inner) = value.get_ref() else { continue };
            let key = if path.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{path}.{}", key.get_ref())
            };
            match inner.get("value") {
                Some(value) => found.push((value.span().start, fact(text, key, inner, sources)?)),
                None => tables.push((key, inner)),
            }
        }
    }
    found.sort_by_key(|&(position, _)| position);
    Ok(found.into_iter().map(|(_, fact)| fact).collect())
}

fn fact(
    text: &str,
    key: String,
    table: &DeTable<'_>,
    sources: &BTreeMap<&str, Source>,
) -> Result<Fact, DocumentError> {
    let string = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
    let error = |key: &str, message: String| {
        DocumentError::new(text, table.get(key).map_or(0..0, Spanned::span), message)
    };
    let name = string("source").unwrap_or_default();
    let source = sources.get(name).cloned();
    let confidence: StrDeserializer<'_, ValueError> =
        string("confidence").unwrap_or_default().into_deserializer();
    Ok(Fact {
        value: table
            .get("value")
            .and_then(|value| text.get(value.span()))
            .map(|text| text.trim_matches('"').to_owned())
            .unwrap_or_default(),
        key,
        confidence: Confidence::deserialize(confidence)
            .map_err(|why| error("confidence", why.to_string()))?,
        source: source
            .ok_or_else(|| error("source", format!("no source `{name}` in this profile")))?,
        setting: string("setting").map(str::to_owned),
        note: string("note").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests;
