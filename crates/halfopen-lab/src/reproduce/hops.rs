//! The hops of a scenario's path, of which some are asked what they know when the run is over.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_core::balancer::Balancer;
use halfopen_core::balancer::log::Records;
use halfopen_core::gateway::{Counters, Gateway};
use halfopen_core::hop::{Command, Hop, Output, Side};
use halfopen_core::link::Link;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::{Scenario, Station};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;

use crate::reproduce::Error;

/// What a gateway counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The gateway's name.
    pub name: String,
    /// What it counted, in the words of AWS's metrics.
    pub counters: Counters,
}

/// The hops of a path that can be asked afterwards.
#[derive(Debug)]
pub(super) struct Hops {
    gateways: Vec<(String, Kept<Gateway>)>,
    /// What the balancer writes.
    pub(super) records: Records,
}

impl Hops {
    /// Makes a hop for each station, each with chance of its own from `fork`. A balancer listens at
    /// `server`, has these targets, and keeps so many entries of each of its logs, whose dates
    /// count from `began_at`.
    pub(super) fn make(
        scenario: &Scenario,
        mut fork: impl FnMut() -> Rng,
        (server, targets): (SocketAddr, &[SocketAddr]),
        began_at: Duration,
        entries: usize,
    ) -> Result<(Self, Vec<Box<dyn Hop>>), Error> {
        let mut kept = Self { gateways: Vec::new(), records: Records::new(entries) };
        let mut hops: Vec<Box<dyn Hop>> = Vec::new();
        for station in &scenario.path {
            let rng = fork();
            hops.push(match station {
                Station::Link(link) => Box::new(Link::new(*link, rng)),
                Station::Gateway(gateway) => {
                    let number = u8::try_from(kept.gateways.len() + 1);
                    let number = number.ok().filter(|&number| number < u8::MAX);
                    let number = number.ok_or(Error::TooManyGateways)?;
                    let hop = Gateway::new(gateway.config(vec![external(number).into()]), rng);
                    let name = gateway.name.clone();
                    let hop = hop.map_err(|error| Error::Gateway { name: name.clone(), error })?;
                    let hop = Kept::new(hop);
                    kept.gateways.push((name, hop.clone()));
                    Box::new(hop)
                }
                Station::Balancer(balancer) => {
                    let mut config = balancer.config.clone();
                    config.epoch = began_at;
                    let log = Box::new(kept.records.clone());
                    let hop = Balancer::new(config, server, targets.to_vec(), rng, log);
                    let name = balancer.name.clone();
                    Box::new(hop.map_err(|error| Error::Balancer { name, error })?)
                }
            });
        }
        Ok((kept, hops))
    }

    /// Returns what the gateways counted, in the order of the path.
    pub(super) fn counted(&self) -> Vec<Counted> {
        let counted = |(name, gateway): &(String, Kept<Gateway>)| Counted {
            name: name.clone(),
            counters: *gateway.lock().counters(),
        };
        self.gateways.iter().map(counted).collect()
    }
}

/// Returns the address that a gateway translates to, by its number, which counts from 1; RFC 5737,
/// TEST-NET-3.
pub(super) const fn external(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, number)
}

/// A hop that is on a path and can still be asked.
#[derive(Debug)]
struct Kept<H>(Arc<Mutex<H>>);

impl<H> Kept<H> {
    fn new(hop: H) -> Self {
        Self(Arc::new(Mutex::new(hop)))
    }

    fn lock(&self) -> MutexGuard<'_, H> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H> Clone for Kept<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Hop> Hop for Kept<H> {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        self.lock().handle_packet(now, side, packet);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.lock().handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.lock().poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.lock().poll_timeout()
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        self.lock().handle_command(now, command);
    }
}
