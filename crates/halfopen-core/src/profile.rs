//! What is known of products on the path: data with a source, never constants in code.
//!
//! A profile is a TOML text in which every value names the page it was read on, the date and how
//! sure it is. A value that nothing confirms may stand in one, as [`Confidence::Unconfirmed`], and
//! is to be shown so. A profile says how a product behaves by default, not how somebody's is set.

mod document;

use std::net::IpAddr;

use serde::Deserialize;

pub use crate::document::DocumentError;
pub use crate::fact::{Confidence, Fact, Source};

use crate::document::{read, shipped};
use crate::fact::{facts, sources};
use crate::gateway::GatewayConfig;
use document::Document;

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

impl Profile {
    /// Reads a profile; `name` is its file's without the ending.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let document: Document = read(text)?;
        let translates = &document.translates.value;
        if *translates.get_ref() != document.mapping.is_some() {
            let message = "a product that translates, and no other, has a `mapping`";
            return Err(DocumentError::new(text, translates.span(), message));
        }
        Ok(Self {
            name: name.to_owned(),
            facts: facts(text, &sources(&document.sources, text)?)?,
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

#[cfg(test)]
mod tests;
