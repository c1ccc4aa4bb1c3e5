//! What is known of products that nothing here models: their timers, each with its source.
//!
//! A sheet is a TOML text in which every value names the page it was read on, the date and how sure
//! it is, as in a [`Profile`](crate::profile::Profile); but it is a list of values and no
//! behaviour that could be run. A product that is modelled has a profile and no sheet.

use std::collections::BTreeMap;

use serde::Deserialize;

pub use crate::document::DocumentError;
pub use crate::fact::{Confidence, Fact, Source};

use crate::document::{read, shipped};
use crate::fact::{Page, Term, facts, sources};
use crate::profile::keepalive::Keepalive;

const SHIPPED: &[(&str, &str)] = shipped!["sheets":
    "aws-clb",
    "aws-eni-nitro-v6",
    "aws-global-accelerator",
    "aws-privatelink",
    "aws-sdk-java-v2",
    "azure-application-gateway",
    "azure-firewall",
    "azure-firewall-internal",
    "botocore",
    "cilium",
    "cisco-asa",
    "cloudflare",
    "cloudflare-gateway",
    "cloudfront",
    "envoy-proxy",
    "fortigate",
    "gcp-application-balancer",
    "gcp-passthrough-balancer",
    "gcp-vpc-firewall",
    "haproxy",
    "hikaricp",
    "iis",
    "lettuce",
    "linux-ipvs",
    "mysql",
    "nginx-proxy",
    "pgjdbc",
    "pgxpool",
    "postgresql",
    "psycopg-pool",
    "redis",
];

/// The values that a sheet may state; besides them, `other.…` holds what is one product's own.
///
/// - `forgets.after`, `.counts-probes`, `.then`: a box's idle timer, whether TCP keepalive starts
///   it again, and what follows (`silent`, `reset-next`, `fin` or `reset` at once).
/// - `accepts.idle`, `.wait`, `.keepalive`: for how long it keeps the connections that others
///   open to it, how long it waits for a response, and after how long TCP probes them.
/// - `opens.idle`, `.keepalive`, `.connections`: the same of connections that it opens, and how
///   many.
const KEYS: &[&str] = &[
    "accepts.idle",
    "accepts.keepalive",
    "accepts.wait",
    "forgets.after",
    "forgets.counts-probes",
    "forgets.then",
    "opens.connections",
    "opens.idle",
    "opens.keepalive",
];

/// A product, and what its values rest on.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Its file's name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Where on a path it stands.
    pub kind: Kind,
    /// How it treats idle connections, in a sentence.
    pub summary: String,
    /// Every value, in the order of the text.
    pub facts: Vec<Fact>,
}

/// Where on a path a product stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It opens connections.
    Client,
    /// Connections pass it.
    Box,
    /// It ends connections and opens others.
    Proxy,
    /// It accepts connections.
    Server,
}

#[derive(Debug, Deserialize)]
struct About {
    title: String,
    kind: Kind,
    summary: String,
    #[serde(rename = "source")]
    sources: BTreeMap<String, Page>,
}

impl Sheet {
    /// Reads a sheet; `name` is its file's without the ending.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let About { title, kind, summary, sources: pages } = read(text)?;
        let facts = facts(text, &sources(&pages, text)?)?;
        let unknown =
            |fact: &&Fact| !KEYS.contains(&fact.key.as_str()) && !fact.key.starts_with("other.");
        if let Some(fact) = facts.iter().find(unknown) {
            let message = format!("unknown key `{}`", fact.key);
            let at = text.find(&format!("[{}]", fact.key)).unwrap_or(0);
            return Err(DocumentError::new(text, at..at, message));
        }
        Ok(Self { name: name.to_owned(), title, kind, summary, facts })
    }

    /// Returns the names of the sheets that ship, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|&(name, _)| name)
    }

    /// Returns the sheet `name` if it ships.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let (name, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(name, text).expect("a test reads every sheet that ships"))
    }

    /// Returns the value under `key`, if the sheet states one.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.key == key)
    }

    /// Returns what TCP keepalive does to the timer by which it forgets, if the sheet states both.
    #[must_use]
    pub fn keepalive(&self) -> Option<Keepalive> {
        let counts = self.fact("forgets.counts-probes")?.value == "true";
        Some(match self.fact("forgets.after")?.term()? {
            Term::After(timer) if counts => Keepalive::Refreshes { timer },
            Term::After(timer) => Keepalive::Ignored { timer },
            Term::Never => Keepalive::Needless,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn every_sheet_that_ships_can_be_read() {
        for (name, text) in SHIPPED {
            let sheet = Sheet::parse(name, text).unwrap_or_else(|why| panic!("{name}.toml: {why}"));
            assert_eq!(sheet.facts.len(), text.matches("\nvalue = ").count(), "{name}");
            for source in read::<About>(text).unwrap().sources.keys() {
                assert!(text.contains(&format!("\nsource = \"{source}\"\n")), "{name}: {source}");
            }
        }
    }

    #[test]
    fn times_are_times_or_without_end() {
        let times = ["accepts.idle", "accepts.wait", "forgets.after", "opens.idle"];
        for name in Sheet::names() {
            for fact in Sheet::shipped(name).unwrap().facts {
                if times.contains(&fact.key.as_str()) {
                    let term = fact.term().unwrap_or_else(|| panic!("{name}: {}", fact.key));
                    assert!(term > Term::After(Duration::ZERO), "{name}: {}", fact.key);
                }
            }
        }
    }

    #[test]
    fn a_key_that_nobody_reads_is_an_error_with_its_place() {
        let text = SHIPPED[0].1.replace("[opens.idle]", "[opens.idel]");
        let error = Sheet::parse("odd", &text).unwrap_err();
        assert!(error.line > 1 && error.message.contains("opens.idel"), "{error}");
    }
}
