//! The path of a setting as hops.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use halfopen_core::balancer::Balancer;
use halfopen_core::balancer::log::Records;
use halfopen_core::gateway::Gateway;
use halfopen_core::hop::{Hop, Output, Side};
use halfopen_core::link::Link;
use halfopen_core::path::Path;
use halfopen_core::profile::Profile;
use halfopen_core::rng::Rng;
use halfopen_core::time::Instant;
use halfopen_core::wire::Packet;
use halfopen_sim::world::World;

use crate::draw::GATEWAYS;
use crate::setting::{Outage, Station};

/// Makes a hop for each station; a balancer listens at `server` and has these targets.
pub(crate) fn path(
    stations: &[Station],
    (server, targets): (SocketAddr, &[SocketAddr]),
    world: &mut World,
) -> Path {
    let hop = |(number, station): (u8, &Station)| {
        hop(station, number, (server, targets), world.fork_rng())
    };
    Path::new((1..).zip(stations).map(hop).collect())
}

fn hop(
    station: &Station,
    number: u8,
    (server, targets): (SocketAddr, &[SocketAddr]),
    rng: Rng,
) -> Box<dyn Hop> {
    match *station {
        Station::Link(config) => Box::new(Link::new(config, rng)),
        Station::Gateway { profile, established } => {
            let (_, config) = GATEWAYS.iter().find(|(name, _)| *name == profile).unwrap();
            let mut config =
                config.clone().translating_to(vec![IpAddr::from([203, 0, 113, number])]);
            let timer = &mut config.idle.timers.tcp_established;
            *timer = established.or(*timer);
            Box::new(Gateway::new(config, rng).unwrap())
        }
        Station::Balancer { idle_timeout, client_keep_alive, checks } => {
            let profile = Profile::shipped("aws-alb").unwrap();
            let mut config = profile.balancer().unwrap();
            config.idle_timeout = idle_timeout;
            config.client_keep_alive = client_keep_alive;
            config.health = config.health.filter(|_| checks);
            let log = Box::new(Records::new(0));
            Box::new(Balancer::new(config, server, targets.to_vec(), rng, log).unwrap())
        }
        Station::Outage(outage) => Box::new(Cut { outage, passing: VecDeque::new() }),
    }
}

/// A cable that is cut for a while.
#[derive(Debug)]
struct Cut {
    outage: Outage,
    passing: VecDeque<Output>,
}

impl Hop for Cut {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        let Outage { from, until, outward, inward } = self.outage;
        let is_cut = (from..until).contains(&now.saturating_since(Instant::EPOCH));
        let is_lost = match side {
            Side::Inside => outward,
            Side::Outside => inward,
        };
        if !(is_cut && is_lost) {
            self.passing.push_back(Output::Packet(side.opposite(), packet));
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_output(&mut self) -> Option<Output> {
        self.passing.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
