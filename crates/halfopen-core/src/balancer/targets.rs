//! The targets: which of them take requests, and which gets the next.

use std::net::SocketAddr;

use super::config::{BalancerConfig, NoneHealthy, Routing};
use crate::tcp::ConnectionId;
use crate::time::Instant;

/// One target.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) registered: bool,
    pub(super) health: Health,
    /// How many requests are under way.
    pub(super) outstanding: usize,
    /// Connections that wait for a request, the one used last at the end.
    pub(super) idle: Vec<ConnectionId>,
    /// The check that is under way.
    pub(super) check: Option<ConnectionId>,
    /// When it was deregistered.
    pub(super) drains_since: Option<Instant>,
}

/// What the checks say of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// No check has succeeded yet.
    Initial,
    /// So many checks in a row have failed since.
    Healthy { failures: u32 },
    /// So many checks in a row have succeeded since.
    Unhealthy { successes: u32 },
}

#[derive(Debug)]
pub(super) struct Targets {
    list: Vec<Target>,
    /// Where the next turn begins.
    turn: usize,
    routing: Routing,
    none_healthy: NoneHealthy,
}

impl Targets {
    pub(super) fn new(addresses: Vec<SocketAddr>, config: &BalancerConfig) -> Self {
        let health = first_health(config);
        let target = |address| Target {
            address,
            registered: true,
            health,
            outstanding: 0,
            idle: Vec::new(),
            check: None,
            drains_since: None,
        };
        Self {
            list: addresses.into_iter().map(target).collect(),
            turn: 0,
            routing: config.routing,
            none_healthy: config.none_healthy,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Target> {
        self.list.get_mut(index)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Target> {
        self.list.get(index)
    }

    /// Chooses the target of the next request, which is under way from then on.
    pub(super) fn choose(&mut self) -> Option<usize> {
        let healthy = |target: &Target| matches!(target.health, Health::Healthy { .. });
        let any_healthy = self.list.iter().any(|target| target.registered && healthy(target));
        let open = !any_healthy && self.none_healthy == NoneHealthy::RouteToAll;
        let count = self.list.len();
        let in_turn = (0..count).map(|step| (self.turn + step) % count);
        let mut takes = in_turn.filter(|&index| {
            let target = &self.list[index];
            target.registered && (open || healthy(target))
        });
        let chosen = match self.routing {
            Routing::RoundRobin => takes.next(),
            Routing::LeastOutstanding => takes.min_by_key(|&index| self.list[index].outstanding),
        }?;
        self.turn = (chosen + 1) % count;
        self.list[chosen].outstanding += 1;
        Some(chosen)
    }
}

/// Returns what is known of a target that was just registered.
pub(super) fn first_health(config: &BalancerConfig) -> Health {
    if config.health.is_some() { Health::Initial } else { Health::Healthy { failures: 0 } }
}

impl Target {
    /// Takes in how a check ended.
    pub(super) fn judge(&mut self, success: bool, healthy_after: u32, unhealthy_after: u32) {
        self.health = match (self.health, success) {
            (Health::Initial, false) => Health::Initial,
            (Health::Healthy { failures }, false) if failures + 1 < unhealthy_after => {
                Health::Healthy { failures: failures + 1 }
            }
            (Health::Healthy { .. } | Health::Unhealthy { .. }, false) => {
                Health::Unhealthy { successes: 0 }
            }
            (Health::Unhealthy { successes }, true) if successes + 1 < healthy_after => {
                Health::Unhealthy { successes: successes + 1 }
            }
            (Health::Initial | Health::Healthy { .. } | Health::Unhealthy { .. }, true) => {
                Health::Healthy { failures: 0 }
            }
        };
    }
}

/// What the balancer has to do at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A client's connection may have been idle for too long.
    Session(ConnectionId),
    /// A target's connection, likewise; or a check has taken too long.
    Upstream(ConnectionId),
    /// A target is checked.
    Check(usize),
    /// A deregistered target's delay is over.
    Drained(usize, Instant),
}
