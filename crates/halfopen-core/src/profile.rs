//! What is known of products on the path: data with a source, never constants in code.
//!
//! A profile is a TOML text in which every value names the page it was read on, the date and how
//! sure it is. A value that nothing confirms may stand in one, as [`Confidence::Unconfirmed`], and
//! is to be shown so. A profile says how a product behaves by default, not how somebody's is set.

mod balancer;
mod document;
pub mod keepalive;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

pub use crate::document::DocumentError;
pub use crate::fact::{Confidence, Fact, Range, Source};

use crate::balancer::BalancerConfig;
use crate::document::{read, shipped};
use crate::fact::{Page, facts, sources};
use crate::gateway::GatewayConfig;
use balancer::BalancerDocument;
use document::Document;

pub(crate) use document::Timers;

const SHIPPED: &[(&str, &str)] = shipped!["profiles":
    "aws-alb",
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
    behaviour: Behaviour,
}

#[derive(Clone, Debug)]
enum Behaviour {
    Gateway(Box<GatewayConfig>),
    Balancer(Box<BalancerConfig>),
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
    /// It ends connections, chooses a target for each request and opens others.
    ApplicationBalancer,
}

impl Profile {
    /// Reads a profile; `name` is its file's without the ending.
    pub fn parse(name: &str, text: &str) -> Result<Self, DocumentError> {
        let About { title, vendor, kind, summary, sources: pages } = read(text)?;
        let behaviour = match kind {
            Kind::ApplicationBalancer => {
                let config = read::<BalancerDocument>(text)?.balancer();
                config.check().map_err(|why| DocumentError::new(text, 0..0, why.to_string()))?;
                Behaviour::Balancer(Box::new(config))
            }
            Kind::Nat | Kind::Firewall | Kind::Balancer => {
                Behaviour::Gateway(Box::new(read_gateway(text)?))
            }
        };
        let facts = facts(text, &sources(&pages, text)?)?;
        Ok(Self { name: name.to_owned(), title, vendor, kind, summary, facts, behaviour })
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
    /// to; a product that does not translate needs none. `None` if it is no gateway.
    #[must_use]
    pub fn gateway(&self, external: Vec<IpAddr>) -> Option<GatewayConfig> {
        match &self.behaviour {
            Behaviour::Gateway(config) => Some(config.clone().translating_to(external)),
            Behaviour::Balancer(_) => None,
        }
    }

    /// Returns the balancer that behaves as the product does; `None` if it is none that ends
    /// connections.
    #[must_use]
    pub fn balancer(&self) -> Option<BalancerConfig> {
        match &self.behaviour {
            Behaviour::Gateway(_) => None,
            Behaviour::Balancer(config) => Some((**config).clone()),
        }
    }

    /// Returns the value under `key`, if the profile states one.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<&Fact> {
        self.facts.iter().find(|fact| fact.key == key)
    }
}

/// What every profile says.
#[derive(Debug, Deserialize)]
struct About {
    title: String,
    vendor: String,
    kind: Kind,
    summary: String,
    #[serde(rename = "source")]
    sources: BTreeMap<String, Page>,
}

fn read_gateway(text: &str) -> Result<GatewayConfig, DocumentError> {
    let document: Document = read(text)?;
    let translates = &document.translates.value;
    if *translates.get_ref() != document.mapping.is_some() {
        let message = "a product that translates, and no other, has a `mapping`";
        return Err(DocumentError::new(text, translates.span(), message));
    }
    Ok(document.gateway())
}

#[cfg(test)]
mod tests;
