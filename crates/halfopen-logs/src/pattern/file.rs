//! A file of patterns, as it is written.

use core::num::NonZeroUsize;

use regex::RegexBuilder;
use serde::Deserialize;

use super::LinePattern;

/// Why a file of patterns cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// It is no TOML, or not of this form.
    #[error("the pattern file cannot be read: {0}")]
    Form(#[from] toml::de::Error),
    /// A pattern is no regular expression.
    #[error("pattern {number} of the file is no regular expression: {error}")]
    Regex {
        /// Counted from one.
        number: NonZeroUsize,
        /// What the crate `regex` says.
        error: Box<regex::Error>,
    },
    /// A pattern lacks a group without which its step means nothing.
    #[error("pattern {number} of the file is for step \"{step}\" and has no group (?<{group}>…)")]
    Group {
        /// Counted from one.
        number: NonZeroUsize,
        /// The step.
        step: &'static str,
        /// The group.
        group: &'static str,
    },
    /// A pattern has a group that means nothing.
    #[error(
        "pattern {number} of the file has a group \"{group}\"; the groups are {KNOWN_GROUPS:?}"
    )]
    UnknownGroup {
        /// Counted from one.
        number: NonZeroUsize,
        /// The group.
        group: String,
    },
    /// All patterns together are too large.
    #[error("the patterns together are too large: {0}")]
    TooLarge(String),
}

/// The groups that mean something. `idle` is for those who read the file.
const KNOWN_GROUPS: [&str; 20] = [
    "time",
    "connection",
    "client",
    "server",
    "method",
    "target",
    "request",
    "status",
    "error",
    "reused",
    "product",
    "idle",
    "took_s",
    "took_ms",
    "took_us",
    "took_ns",
    "keep_s",
    "keep_ms",
    "keep_us",
    "keep_ns",
];
/// A pattern's program may take so many bytes; the crate's default is ten times that.
const PROGRAM_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Box<str>,
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(rename = "read")]
    _read: Option<toml::value::Datetime>,
    product: Option<Box<str>>,
    line: Vec<LineForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineForm {
    side: Side,
    step: Kind,
    #[serde(default)]
    stamped: Stamped,
    #[serde(default)]
    reused: bool,
    pattern: String,
    #[serde(rename = "example")]
    _example: Option<String>,
    #[serde(rename = "gives")]
    _gives: Option<toml::Table>,
}

/// Whose log has such lines.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Side {
    Client,
    Server,
}

/// Which end of an exchange a line's time is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stamped {
    #[default]
    Start,
    End,
}

/// What a line means.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Opening,
    Opened,
    Leased,
    FoundAlive,
    FoundEnded,
    Request,
    Response,
    Kept,
    Released,
    Closed,
    Failed,
    Exchange,
    Product,
}

impl Kind {
    /// Returns the group without which it means nothing, with its own name.
    fn needs(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::Request => Some(("request", &["method", "request"])),
            Self::Response => Some(("response", &["status"])),
            Self::Failed => Some(("failed", &["error"])),
            Self::Product => Some(("product", &["product"])),
            Self::Opening
            | Self::Opened
            | Self::Leased
            | Self::FoundAlive
            | Self::FoundEnded
            | Self::Kept
            | Self::Released
            | Self::Closed
            | Self::Exchange => None,
        }
    }
}

/// Reads a file's patterns onto the end of `lines`, and returns its title.
pub(super) fn parse(text: &str, lines: &mut Vec<LinePattern>) -> Result<Box<str>, PatternError> {
    let file: File = toml::from_str(text)?;
    for (form, number) in file.line.into_iter().zip(1..) {
        let number = NonZeroUsize::new(number).expect("it is counted from one");
        let mut builder = RegexBuilder::new(&form.pattern);
        let regex = builder.size_limit(PROGRAM_MAX).build();
        let regex =
            regex.map_err(|error| PatternError::Regex { number, error: Box::new(error) })?;
        let mut names = regex.capture_names().flatten();
        if let Some(group) = names.find(|name| !KNOWN_GROUPS.contains(name)) {
            return Err(PatternError::UnknownGroup { number, group: group.to_owned() });
        }
        if let Some((step, groups)) = form.step.needs()
            && !regex.capture_names().flatten().any(|name| groups.contains(&name))
        {
            return Err(PatternError::Group { number, step, group: groups[0] });
        }
        lines.push(LinePattern {
            regex,
            kind: form.step,
            side: form.side,
            stamped: form.stamped,
            reused: form.reused,
            product: file.product.clone(),
        });
    }
    Ok(file.title)
}
