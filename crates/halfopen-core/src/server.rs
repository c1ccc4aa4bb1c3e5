//! What is known of servers: how long each keeps an idle connection, and whether it says so.
//!
//! A server's file is a TOML text in which every value names the page it was read on, the date and
//! how sure it is. It says how a server behaves by default, not how somebody has set it up.

use std::collections::BTreeMap;

use serde::Deserialize;

pub use crate::document::DocumentError;
pub use crate::fact::{Confidence, Fact, Source};

use crate::document::quantity::Humane;
use crate::document::{OrNever, read, shipped};
use crate::fact::{Page, Stated, facts, sources};
use crate::time::Duration;

const SHIPPED: &[(&str, &str)] = shipped!["servers":
    "aiohttp-web",
    "apache-httpd",
    "caddy",
    "envoy",
    "go-net-http-server",
    "gunicorn",
    "hyper-server",
    "jetty",
    "kestrel",
    "nginx",
    "node-http-server",
    "puma",
    "tomcat",
    "undertow",
    "uvicorn",
];

/// A server, and what each value that is given for it rests on.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its file's name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// How it treats idle connections, in a sentence.
    pub summary: String,
    /// After how long without a request it closes a connection; `None` is never.
    pub keep_alive: Option<Duration>,
    /// Whether its responses say so (`Keep-Alive: timeout=`).
    pub hint: Hint,
    /// What its `Server` field begins with, if it sends one.
    pub product: Option<String>,
    /// Every value, in the order of the text.
    pub facts: Vec<Fact>,
}

/// Whether a server says how long it keeps an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// In every response.
    Always,
    /// To clients that ask for a kept connection (`Connection: keep-alive`).
    WhenAsked,
    /// Not by default.
    Never,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    title: String,
    summary: String,
    #[serde(rename = "source")]
    sources: BTreeMap<String, Page>,
    keep_alive: Stated<OrNever<Humane>>,
    hint: Stated<Hint>,
    product: Option<Stated<String>>,
}

impl Server {
    /// Reads a server's file; `name` is its name without the ending.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let document: Document = read(text)?;
        Ok(Self {
            name: name.to_owned(),
            facts: facts(text, &sources(&document.sources, text)?)?,
            title: document.title,
            summary: document.summary,
            keep_alive: document.keep_alive.value.0.map(|humane| humane.0),
            hint: document.hint.value,
            product: document.product.map(|stated| stated.value),
        })
    }

    /// Returns the names of the servers that ship, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|&(name, _)| name)
    }

    /// Returns the server `name` if it ships.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let (name, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(name, text).expect("a test reads every server that ships"))
    }

    /// Returns the value under `key`, if the server's file states one.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_that_ships_can_be_read() {
        for (name, text) in SHIPPED {
            let server =
                Server::parse(name, text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
            assert_eq!(server.facts.len(), text.matches("\nvalue = ").count(), "{name}");
            for source in read::<Document>(text).unwrap().sources.keys() {
                assert!(text.contains(&format!("\nsource = \"{source}\"\n")), "{name}: {source}");
            }
        }
    }

    #[test]
    fn a_server_without_a_timer_keeps_for_ever() {
        assert_eq!(Server::shipped("go-net-http-server").unwrap().keep_alive, None);
        let node = Server::shipped("node-http-server").unwrap();
        assert_eq!((node.keep_alive, node.hint), (Some(Duration::from_secs(5)), Hint::Always));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let text = SHIPPED[0].1.replace("[hint]", "[hunt]");
        let error = Server::parse("odd", &text).unwrap_err();
        assert!(error.to_string().contains("hunt"), "{error}");
    }
}
