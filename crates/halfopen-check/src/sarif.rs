//! A report as SARIF 2.1.0, the form in which code hosts take findings.
//!
//! The property names are those of the OASIS standard; only the parts that are used are here.

use core::fmt::Write as _;

use serde::Serialize;

use crate::allow::Allow;
use crate::finding::{Finding, Level};
use crate::place::Place;
use crate::rule::{RULES, Rule};
use crate::{Allowed, Report};

/// A log of one run.
#[derive(Debug, Serialize)]
pub struct Log<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'r>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'r> {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Outcome<'r>>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Descriptor>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: &'static str,
    short_description: Text<'static>,
    full_description: Text<'static>,
    help: Text<'static>,
    help_uri: &'static str,
    default_configuration: Configuration,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: Level,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'r> {
    rule_id: &'static str,
    rule_index: Option<usize>,
    level: Level,
    message: Message,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression<'r>>,
}

#[derive(Debug, Serialize)]
struct Text<'t> {
    text: &'t str,
}

#[derive(Debug, Serialize)]
struct Message {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the standard's names")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Debug, Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Debug, Serialize)]
struct Suppression<'r> {
    kind: &'static str,
    justification: &'r str,
}

impl<'r> Log<'r> {
    /// Returns a report as a log.
    #[must_use]
    pub fn of(report: &'r Report) -> Self {
        let findings = report.findings.iter().map(|finding| outcome(finding, None));
        let allowed =
            report.allowed.iter().map(|Allowed { finding, by }| outcome(finding, Some(by)));
        let driver = Driver {
            name: "halfopen",
            version: env!("CARGO_PKG_VERSION"),
            rules: RULES.into_iter().map(descriptor).collect(),
        };
        let run = Run {
            tool: Tool { driver },
            column_kind: "unicodeCodePoints",
            results: findings.chain(allowed).collect(),
        };
        Self {
            schema: "https://json.schemastore.org/sarif-2.1.0.json",
            version: "2.1.0",
            runs: [run],
        }
    }
}

fn descriptor(rule: &'static Rule) -> Descriptor {
    Descriptor {
        id: rule.id,
        short_description: Text { text: rule.title },
        full_description: Text { text: rule.why },
        help: Text { text: rule.fix },
        help_uri: rule.source,
        default_configuration: Configuration { level: rule.level },
    }
}

fn outcome<'r>(finding: &Finding, allow: Option<&'r Allow>) -> Outcome<'r> {
    let related = |(index, related): (usize, &crate::finding::Related)| {
        let text = match &related.source {
            Some(source) => format!("{}: {source}", related.message),
            None => related.message.clone(),
        };
        Location { id: Some(index), message: Some(Message { text }), ..location(&related.place) }
    };
    let suppression =
        |allow: &'r Allow| Suppression { kind: "inSource", justification: &allow.reason };
    Outcome {
        rule_id: finding.rule.id,
        rule_index: RULES.iter().position(|rule| rule.id == finding.rule.id),
        level: finding.level,
        message: Message { text: format!("{}. Fix: {}.", finding.message, finding.fix) },
        locations: [location(&finding.place)],
        related_locations: finding.related.iter().enumerate().map(related).collect(),
        suppressions: allow.map(suppression).into_iter().collect(),
    }
}

fn location(place: &Place) -> Location {
    let region = Region {
        start_line: place.line,
        start_column: place.column,
        end_line: place.end_line,
        end_column: place.end_column,
    };
    let artifact_location = ArtifactLocation { uri: uri(&place.file) };
    Location {
        id: None,
        physical_location: PhysicalLocation { artifact_location, region },
        message: None,
    }
}

/// Returns a path as a URI reference: what is neither a letter, a digit nor a mark that stands for
/// itself is written in per cent (RFC 3986 section 2).
fn uri(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    let mut uri = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        if plain(&byte) {
            uri.push(char::from(byte));
        } else {
            let written = write!(uri, "%{byte:02X}");
            written.expect("a string takes all that is written");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_reference_whatever_is_in_it() {
        assert_eq!(uri("a/b c.json"), "a/b%20c.json");
        assert_eq!(uri("ü:1"), "%C3%BC%3A1");
    }
}
