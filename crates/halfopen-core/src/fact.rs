//! Values and what they rest on: the page, the date, and how sure each is.
//!
//! What is known of others' products and programs is data and never a constant in code. A value
//! that nothing confirms may stand in it, as [`Confidence::Unconfirmed`], and is to be shown so.

use core::fmt;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StrDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use crate::document::DocumentError;
use crate::time::Duration;

/// One value of a product or a program, for people to read.
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
    /// What sets it.
    pub setting: Option<String>,
    /// From which value to which it can be set, if that is known.
    pub range: Option<Range>,
    /// What else one should know.
    pub note: Option<String>,
}

/// From which value to which something can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first value, as the text writes it, without quotes.
    pub first: String,
    /// The last value, likewise.
    pub last: String,
}

/// When something ends that waits; never is later than any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// After this long.
    After(Duration),
    /// It does not end.
    Never,
}

/// A value that has an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Amount {
    Number(i64),
    Time(Duration),
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

/// A value and what it rests on.
///
/// What only people read is checked here and shown by [`Fact`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stated<T> {
    pub(crate) value: T,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
    #[serde(rename = "setting", default)]
    _setting: Option<String>,
    #[serde(rename = "range")]
    _range: Option<[T; 2]>,
    #[serde(rename = "note", default)]
    _note: Option<String>,
}

/// A page that was read, as a text writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    pub(crate) url: Spanned<String>,
    pub(crate) read: Spanned<Datetime>,
    pub(crate) note: Option<String>,
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

impl Fact {
    /// Returns what sets the value, and in which range.
    #[must_use]
    pub fn how_to_set(&self) -> Option<String> {
        let setting = self.setting.as_ref()?;
        Some(match &self.range {
            Some(range) => format!("{setting}, from {range}"),
            None => setting.clone(),
        })
    }

    /// Returns the value as a term, if it is one.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        if self.value == "never" {
            return Some(Term::Never);
        }
        humantime::parse_duration(&self.value).ok().map(Term::After)
    }
}

impl Range {
    /// Tells whether a value lies in the range, from the first to the last. It is written as a
    /// document writes it, without quotes; what is neither a number nor a time does not.
    #[must_use]
    pub fn admits(&self, value: &str) -> bool {
        let amounts = [&self.first, value, &self.last].map(Amount::read);
        amounts.iter().all(Option::is_some) && amounts.is_sorted()
    }

    fn of(value: &DeValue<'_>, text: &str) -> Option<Self> {
        let ends = value.as_array()?;
        let end = |index| Some(unquoted(text, ends.get(index)?));
        Some(Self { first: end(0)?, last: end(1)? })
    }
}

impl Amount {
    fn read(text: &str) -> Option<Self> {
        let number = text.replace('_', "").parse().ok().map(Self::Number);
        number.or_else(|| humantime::parse_duration(text).ok().map(Self::Time))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
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

/// Returns the pages that a text names, by the names that it gives them.
pub(crate) fn sources<'a>(
    pages: &'a BTreeMap<String, Page>,
    text: &str,
) -> Result<BTreeMap<&'a str, Source>, DocumentError> {
    pages.iter().map(|(key, page)| Ok((key.as_str(), Source::of(page, text)?))).collect()
}

/// Returns every value of a text that its document has accepted, in the order of the text.
pub(crate) fn facts(
    text: &str,
    sources: &BTreeMap<&str, Source>,
) -> Result<Vec<Fact>, DocumentError> {
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
    let value = table.get("value").map(|value| unquoted(text, value)).unwrap_or_default();
    let range = table.get("range").and_then(|range| Range::of(range.get_ref(), text));
    if let Some(range) = range.as_ref().filter(|range| !range.admits(&value)) {
        return Err(error("range", format!("`{value}` is not from {range}")));
    }
    let confidence: StrDeserializer<'_, ValueError> =
        string("confidence").unwrap_or_default().into_deserializer();
    Ok(Fact {
        value,
        range,
        key,
        confidence: Confidence::deserialize(confidence)
            .map_err(|why| error("confidence", why.to_string()))?,
        source: source
            .ok_or_else(|| error("source", format!("no source `{name}` in this file")))?,
        setting: string("setting").map(str::to_owned),
        note: string("note").map(str::to_owned),
    })
}

/// Returns a value as the text writes it, without quotes.
pub(crate) fn unquoted(text: &str, value: &Spanned<DeValue<'_>>) -> String {
    text.get(value.span()).unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}
