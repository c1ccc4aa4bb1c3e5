//! Who the gateways of a path on real packets are: the project's own, or the kernel.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use halfopen_core::hop::Hop;
use halfopen_core::scenario::{Scenario, Station};
use halfopen_live::netfilter::{Inexpressible, KernelGateway, Netfilter, RouterError};

use crate::reproduce::hops::external;
use crate::reproduce::play::{CLIENT, SERVER};

/// Who the gateways of a path are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateways {
    /// The project's own.
    Own,
    /// The kernel's netfilter. The project's own are shown the same packets, and tell what
    /// happened.
    Kernel,
}

/// Why the kernel cannot be the gateways of a scenario.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It has none.
    #[error("no gateway is on the path that the kernel could be")]
    NoGateway,
    /// One of them is nothing that netfilter has.
    #[error("the kernel cannot be the gateway `{name}`: {error}")]
    Inexpressible {
        /// Its name.
        name: String,
        /// Why.
        error: Inexpressible,
    },
    /// One of them could not be made.
    #[error("the kernel's gateway in place of `{name}`: {error}")]
    Router {
        /// Its name.
        name: String,
        /// Why.
        error: RouterError,
    },
}

impl Gateways {
    /// Returns the scenario with such gateways. The kernel's timers last whole seconds, rounded up,
    /// and it has no limit of connections by destination.
    pub fn nearest(self, scenario: &Scenario) -> Result<Scenario, Unfit> {
        match self {
            Self::Own => Ok(scenario.clone()),
            Self::Kernel => nearest(scenario),
        }
    }

    /// Puts these gateways on a path whose own gateways are in this row. Where the kernel takes the
    /// place of one, the packets are counted that would have met something else there.
    pub(super) fn place(
        self,
        scenario: &Scenario,
        row: Vec<Box<dyn Hop>>,
        differing: &Arc<AtomicU64>,
    ) -> Result<Vec<Box<dyn Hop>>, Unfit> {
        match self {
            Self::Own => Ok(row),
            Self::Kernel => replace(scenario, row, differing),
        }
    }
}

fn nearest(scenario: &Scenario) -> Result<Scenario, Unfit> {
    let mut nearest = scenario.clone();
    let mut has_gateway = false;
    for station in &mut nearest.path {
        let Station::Gateway(gateway) = station else { continue };
        has_gateway = true;
        let config = Netfilter::nearest(&gateway.config(vec![external(1).into()]));
        Netfilter::of(&config, "inside", "outside")
            .map_err(|error| Unfit::Inexpressible { name: gateway.name.clone(), error })?;
        gateway.set_config(config);
    }
    if has_gateway { Ok(nearest) } else { Err(Unfit::NoGateway) }
}

fn replace(
    scenario: &Scenario,
    row: Vec<Box<dyn Hop>>,
    differing: &Arc<AtomicU64>,
) -> Result<Vec<Box<dyn Hop>>, Unfit> {
    // Where what a gateway sees on its inside may come from.
    let mut sources = vec![CLIENT];
    let mut number = 0;
    let replaced = scenario.path.iter().zip(row).map(|(station, own)| match station {
        Station::Link(_) => Ok(own),
        Station::Balancer(_) => {
            sources.push(SERVER.ip());
            Ok(own)
        }
        Station::Gateway(gateway) => {
            number += 1;
            let config = gateway.config(vec![external(number).into()]);
            let hop = KernelGateway::new(config, hosts(&sources), own, Arc::clone(differing));
            let hop = hop.map_err(|error| Unfit::Router { name: gateway.name.clone(), error })?;
            sources.push(external(number).into());
            Ok(Box::new(hop) as Box<dyn Hop>)
        }
    });
    replaced.collect()
}

/// Returns networks of one host each.
fn hosts(addresses: &[IpAddr]) -> Vec<(Ipv4Addr, u8)> {
    let host = |address: &IpAddr| match address {
        IpAddr::V4(address) => Some((*address, 32)),
        IpAddr::V6(_) => None,
    };
    addresses.iter().filter_map(host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(scenario: &Scenario) -> String {
        Gateways::Kernel.nearest(scenario).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn a_gateway_that_netfilter_cannot_be_is_refused_by_name_and_reason() {
        assert_eq!(
            refusal(&Scenario::shipped("box-resets-both-at-expiry").unwrap()),
            "the kernel cannot be the gateway `balancer`: netfilter tells nobody when it forgets \
             a connection"
        );
        let mut scenario = Scenario::shipped("incident").unwrap();
        scenario.path.retain(|station| !matches!(station, Station::Gateway(_)));
        assert_eq!(refusal(&scenario), "no gateway is on the path that the kernel could be");
    }
}
