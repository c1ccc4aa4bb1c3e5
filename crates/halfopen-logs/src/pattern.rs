//! Lines known by patterns: regular expressions with named groups, each with the step that its
//! lines mean. Those that ship are files of `patterns/`; a user's file has the same form, which
//! docs/logs.md describes.
//!
//! The expressions are of the crate `regex`: matching takes time linear in the line, whatever the
//! expression.

mod file;

use std::borrow::Cow;
use std::sync::LazyLock;

use halfopen_core::time::{Duration, Instant};
use regex::{Captures, Regex, RegexSet};

use crate::failure;
use crate::record::{Ends, Failure, Http, Step, What};
use crate::stamp::{self, Moment};
pub use file::PatternError;
use file::{Kind, Side, Stamped};

/// Patterns, the first that matches a line reads it.
#[derive(Debug)]
pub struct Patterns {
    /// What each file calls itself.
    titles: Vec<Box<str>>,
    set: RegexSet,
    lines: Vec<LinePattern>,
    /// Those that read what none of these matches.
    after: Option<&'static Patterns>,
}

/// One pattern.
#[derive(Debug)]
struct LinePattern {
    regex: Regex,
    kind: Kind,
    side: Side,
    stamped: Stamped,
    reused: bool,
    product: Option<Box<str>>,
}

/// What a line says that a pattern matches.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// When, if the pattern has a group for it.
    pub(crate) moment: Option<Moment>,
    /// How long before the line's time it began.
    pub(crate) since: Duration,
    pub(crate) what: What,
    /// The program that writes such lines.
    pub(crate) product: Option<&'a str>,
}

/// The files that ship: name and text.
pub const SHIPPED: &[(&str, &str)] = &[
    ("plain", include_str!("../../../patterns/plain.toml")),
    ("urllib3", include_str!("../../../patterns/urllib3.toml")),
    ("okhttp", include_str!("../../../patterns/okhttp.toml")),
    ("go-httptrace", include_str!("../../../patterns/go-httptrace.toml")),
    ("node-http", include_str!("../../../patterns/node-http.toml")),
    ("curl", include_str!("../../../patterns/curl.toml")),
    ("common-log", include_str!("../../../patterns/common-log.toml")),
    ("nginx-error", include_str!("../../../patterns/nginx-error.toml")),
    ("haproxy", include_str!("../../../patterns/haproxy.toml")),
];

static ALL_SHIPPED: LazyLock<Patterns> = LazyLock::new(|| {
    let texts = SHIPPED.iter().map(|(_, text)| *text);
    Patterns::parse_all(texts, None).expect("a test reads each file")
});

impl Patterns {
    /// Returns those that ship.
    #[must_use]
    pub fn shipped() -> &'static Self {
        &ALL_SHIPPED
    }

    /// Reads a user's file, whose patterns come before those that ship.
    ///
    /// # Errors
    ///
    /// The text is no TOML, or a pattern is none, or it lacks what its step needs.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parse_all(core::iter::once(text), Some(Self::shipped()))
    }

    fn parse_all<'a>(
        texts: impl Iterator<Item = &'a str>,
        after: Option<&'static Self>,
    ) -> Result<Self, PatternError> {
        let (mut titles, mut lines) = (Vec::new(), Vec::new());
        for text in texts {
            titles.push(file::parse(text, &mut lines)?);
        }
        let set = RegexSet::new(lines.iter().map(|line| line.regex.as_str()));
        let set = set.map_err(|error| PatternError::TooLarge(error.to_string()))?;
        Ok(Self { titles, set, lines, after })
    }

    /// Returns what the files call themselves.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        self.titles.iter().map(|title| &**title)
    }

    /// Tells whether a pattern matches a line.
    #[must_use]
    pub fn know(&self, line: &str) -> bool {
        self.first(line).is_some()
    }

    /// Returns the pattern that reads a line.
    fn first(&self, line: &str) -> Option<&LinePattern> {
        match self.set.matches(line).iter().next() {
            Some(first) => Some(&self.lines[first]),
            None => self.after?.first(line),
        }
    }

    /// Returns what a line says; `None` if no pattern matches it.
    pub(crate) fn read(&self, line: &str) -> Option<Told<'_>> {
        let pattern = self.first(line)?;
        let groups = Groups(pattern.regex.captures(line)?);
        let http = Http {
            connection: groups.text("connection").map(Into::into),
            ends: groups.ends(),
            step: pattern.step(&groups)?,
        };
        let took = groups.duration("took").unwrap_or_default();
        Some(Told {
            moment: groups.text("time").and_then(stamp::find).map(|found| found.moment),
            since: if pattern.stamped == Stamped::End { took } else { Duration::ZERO },
            what: match pattern.side {
                Side::Client => What::Client(http),
                Side::Server => What::Server(http),
            },
            product: pattern.product.as_deref(),
        })
    }

    /// Returns what the groups of the first pattern that matches a line hold, by their names.
    #[must_use]
    pub fn groups<'a>(&self, line: &'a str) -> Option<Vec<(&str, &'a str)>> {
        let regex = &self.first(line)?.regex;
        let found = regex.captures(line)?;
        let names = regex.capture_names().flatten();
        Some(names.filter_map(|name| Some((name, found.name(name)?.as_str()))).collect())
    }
}

impl LinePattern {
    fn step(&self, groups: &Groups<'_>) -> Option<Step> {
        use crate::record::How;
        Some(match self.kind {
            Kind::Opening => Step::Opening,
            Kind::Opened => Step::Opened,
            Kind::Leased => Step::Leased {
                reused: groups.text("reused").map_or(self.reused, |text| text != "false"),
            },
            Kind::FoundAlive => Step::Checked { ended: None },
            Kind::FoundEnded => Step::Checked { ended: Some(How::ResetOrClosed) },
            Kind::Request => {
                let request = groups.request()?;
                let (method, target) = request.split_once(' ').unwrap_or((&request, ""));
                Step::Request { method: method.into(), target: target.into() }
            }
            Kind::Response => Step::Response { status: groups.status()? },
            Kind::Kept => Step::Kept(groups.duration("keep")),
            Kind::Released => Step::Released,
            Kind::Closed => Step::Closed,
            Kind::Failed => Step::Failed(groups.failure()?),
            Kind::Exchange => Step::Exchange {
                request: groups.request().map(|request| request[..].into()),
                took: groups.duration("took"),
                outcome: match groups.failure() {
                    Some(failure) => Err(failure),
                    None => Ok(groups.status()),
                },
            },
            Kind::Product => Step::Product(groups.text("product")?.into()),
        })
    }
}

/// The named groups of a match.
struct Groups<'a>(Captures<'a>);

/// The units in which a duration's group can end its name, in seconds.
const UNITS: [(&str, f64); 4] = [("_s", 1.0), ("_ms", 1e-3), ("_us", 1e-6), ("_ns", 1e-9)];

impl<'a> Groups<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let text = self.0.name(name)?.as_str().trim();
        (!text.is_empty() && text != "-").then_some(text)
    }

    fn ends(&self) -> Ends {
        let server = self.text("server");
        let address = server.and_then(|text| text.parse().ok());
        Ends {
            client: self.text("client").and_then(|text| text.parse().ok()),
            server: address,
            server_name: server.filter(|_| address.is_none()).map(Into::into),
        }
    }

    fn status(&self) -> Option<u16> {
        self.text("status")?.parse().ok()
    }

    /// Returns the method and the target, from their groups or from the request line's.
    fn request(&self) -> Option<Cow<'a, str>> {
        let Some(line) = self.text("request") else {
            let method = self.text("method")?;
            return Some(match self.text("target") {
                Some(target) => format!("{method} {target}").into(),
                None => method.into(),
            });
        };
        Some(line.split_once(" HTTP/").map_or(line, |(request, _)| request).into())
    }

    fn failure(&self) -> Option<Failure> {
        self.text("error").map(failure::worded)
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        UNITS.iter().find_map(|(unit, seconds)| {
            let count: f64 = self.text(&format!("{name}{unit}"))?.parse().ok()?;
            Duration::try_from_secs_f64(count * seconds).ok()
        })
    }
}

impl Told<'_> {
    /// Returns when it began if the line was written at `at`.
    pub(crate) fn began(&self, at: Instant) -> Instant {
        let nanos = u64::try_from(self.since.as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(at.as_nanos().saturating_sub(nanos))
    }
}
