//! The timers of a path and a client, and what disturbs them: around which an outcome can change.

use std::collections::BTreeSet;

use halfopen_core::scenario::Station;
use halfopen_core::time::Duration;
use halfopen_pool::policy::{Notice, Reuse};

use super::SIDES;
use super::series::Lane;

/// Returns pauses on both sides of each timer and of each disturbance, and for a far end's timer
/// also one after which the request and its FIN pass each other.
pub(super) fn around(lane: &Lane) -> BTreeSet<Duration> {
    let mut pauses = BTreeSet::new();
    let mut travel = Duration::ZERO;
    for station in &lane.scenario().path {
        match station {
            Station::Link(link) => travel += link.delay,
            Station::Gateway(gateway) => {
                let timer = gateway.config(Vec::new()).idle.timers.tcp_established;
                pauses.extend(timer.into_iter().flat_map(sides));
            }
            Station::Balancer(balancer) => {
                let timer = balancer.config.idle_timeout;
                pauses.extend(sides(timer).chain(race(timer, travel)));
            }
        }
    }
    if let Some(timer) = lane.far_end.idle_timeout {
        pauses.extend(sides(timer).chain(race(timer, travel)));
    }
    let disturbances = lane.scenario().disturbances.iter().map(|disturbance| disturbance.at);
    pauses.extend(of_client(lane).into_iter().chain(disturbances).flat_map(sides));
    pauses
}

fn of_client(lane: &Lane) -> Vec<Duration> {
    let mut timers: Vec<_> = lane.policy.keepalive.iter().map(|probes| probes.idle).collect();
    if let Reuse::Kept(keep) = &lane.policy.reuse {
        timers.extend(keep.idle_limit(lane.far_end.hint));
        timers.extend(keep.lifetime.map(|lifetime| lifetime.max.saturating_sub(lifetime.jitter)));
        timers.extend(keep.lifetime.map(|lifetime| lifetime.max));
        if let Notice::WhenTaken { after } = keep.notice {
            timers.push(after);
        }
    }
    timers
}

fn sides(timer: Duration) -> impl Iterator<Item = Duration> {
    let clear = SIDES / 2;
    [timer.saturating_sub(clear), timer.saturating_add(clear)].into_iter()
}

/// The far end counts from its response, which travels, and its FIN travels too. What is sent less
/// than both before the timer's end meets a far end that has closed.
fn race(timer: Duration, travel: Duration) -> impl Iterator<Item = Duration> {
    timer.checked_sub(travel).into_iter()
}
