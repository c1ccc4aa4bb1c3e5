//! What the hops report.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_core::flow::FlowKey;
use halfopen_core::hop::{Demise, Discard, Event, EventKind, Reaction, Side};
use halfopen_core::idle::OnExpiry;
use halfopen_core::scenario::{Happening, Scenario, Station};
use halfopen_core::time::Instant;

use super::Line;
use crate::report::Seconds;

/// Tells what the hops did that matters to connections, and what was done to them.
pub(super) fn tell(scenario: &Scenario, server: SocketAddr, events: &[Event]) -> Vec<Line> {
    let mut lines: Vec<Line> = flushes(scenario);
    let mut orphans: BTreeMap<(usize, FlowKey, Side, Reaction), (usize, u64)> = BTreeMap::new();
    let mut discards: BTreeMap<(usize, Discard), (Instant, u64)> = BTreeMap::new();
    for event in events {
        if let Some(Station::Balancer(_)) = scenario.path.get(event.hop) {
            lines.extend(balancer(scenario, server, event));
            continue;
        }
        let line = |what| Line { at: event.at, place: place(scenario, event.hop), what };
        match event.kind {
            EventKind::Remembered { flow } => {
                lines.push(line(format!("remembers {}", port(flow))));
            }
            EventKind::Forgot { flow, idle, because } => {
                lines.extend(forgot(scenario, event.hop, flow, Seconds(idle), because).map(line));
            }
            EventKind::Orphaned { flow, side, reaction, .. } => {
                let key = (event.hop, flow, side, reaction);
                let (_, count) = orphans.entry(key).or_insert_with(|| {
                    lines.push(line(orphaned(flow, side, reaction)));
                    (lines.len() - 1, 0)
                });
                *count += 1;
            }
            EventKind::Exhausted { flow } => {
                lines.push(line(format!("has no room for {}", port(flow))));
            }
            EventKind::Discarded { why, .. } => {
                discards.entry((event.hop, why)).or_insert((event.at, 0)).1 += 1;
            }
            // Only a balancer answers requests.
            EventKind::Refused { .. } => {}
        }
    }
    for (index, count) in orphans.into_values().filter(|&(_, count)| count > 1) {
        let _ = write!(lines[index].what, ", and {} more like it", count - 1);
    }
    lines.extend(discards.into_iter().map(|((hop, why), (at, count))| {
        let packets = if count == 1 { "1 packet" } else { &format!("{count} packets") };
        Line {
            at,
            place: place(scenario, hop),
            what: format!("drops {packets} in all: {}", because(why)),
        }
    }));
    lines
}

/// Tells what a balancer did with its clients' connections, which it knows by other names than they
/// do themselves. Those to its targets, where its own checks are too, are left out.
fn balancer(scenario: &Scenario, server: SocketAddr, event: &Event) -> Option<Line> {
    let what = match event.kind {
        EventKind::Remembered { flow } | EventKind::Forgot { flow, .. }
            if flow.initiator.ip() == server.ip() =>
        {
            return None;
        }
        EventKind::Remembered { flow } => format!("accepts {}", flow.initiator),
        EventKind::Forgot { flow, idle, because: Demise::Idle } => {
            format!("closes {}, idle for {}", flow.initiator, Seconds(idle))
        }
        EventKind::Forgot { flow, because: Demise::Flushed, .. } => {
            format!("loses {}", flow.initiator)
        }
        EventKind::Refused { flow, why, .. } => {
            format!("lets a request of {} down: {why}", flow.initiator)
        }
        EventKind::Exhausted { flow } => format!("has no room for {}", flow.initiator),
        EventKind::Forgot { because: Demise::Closed | Demise::Reset | Demise::Evicted, .. }
        | EventKind::Orphaned { .. }
        | EventKind::Discarded { .. } => return None,
    };
    Some(Line { at: event.at, place: place(scenario, event.hop), what })
}

fn place(scenario: &Scenario, hop: usize) -> String {
    match scenario.path.get(hop) {
        Some(Station::Gateway(gateway)) => gateway.name.clone(),
        Some(Station::Balancer(balancer)) => balancer.name.clone(),
        Some(Station::Link(_)) | None => "link".to_owned(),
    }
}

/// Names a connection by the client's port, as the client and its capture do.
fn port(flow: FlowKey) -> String {
    format!("port {}", flow.initiator.port())
}

fn flushes(scenario: &Scenario) -> Vec<Line> {
    let flush = |disturbance: &halfopen_core::scenario::Disturbance| match disturbance.what {
        Happening::Flush { station } => Some(Line {
            at: Instant::EPOCH + disturbance.at,
            place: place(scenario, station),
            what: "loses its whole table".to_owned(),
        }),
        Happening::AbortIdle => None,
    };
    scenario.disturbances.iter().filter_map(flush).collect()
}

/// Tells of a flow that was forgotten; `None` if it was over anyway.
fn forgot(
    scenario: &Scenario,
    hop: usize,
    flow: FlowKey,
    idle: Seconds,
    because: Demise,
) -> Option<String> {
    let port = port(flow);
    let told = match scenario.path.get(hop) {
        Some(Station::Gateway(gateway)) => match gateway.config(Vec::new()).idle.on_expiry {
            OnExpiry::Silent => ", and tells nobody",
            OnExpiry::Reset(_) => ", and resets it",
            OnExpiry::Fin(_) => ", and closes it",
        },
        Some(Station::Balancer(_)) => ", and closes it",
        Some(Station::Link(_)) | None => "",
    };
    match because {
        Demise::Idle => Some(format!("forgets {port} after {idle} without a packet{told}")),
        Demise::Flushed => Some(format!("has forgotten {port}")),
        Demise::Evicted => Some(format!("forgets {port} to make room")),
        Demise::Closed | Demise::Reset => None,
    }
}

fn orphaned(flow: FlowKey, side: Side, reaction: Reaction) -> String {
    let packet = match side {
        Side::Inside => format!("a packet of {} that it does not remember", port(flow)),
        Side::Outside => "a packet from outside that it does not remember".to_owned(),
    };
    let reaction = match reaction {
        Reaction::Dropped => "drops it",
        Reaction::Reset => "answers with a reset",
        Reaction::Adopted => "adopts it",
        Reaction::Unreachable => "answers by ICMP",
    };
    format!("gets {packet}: {reaction}")
}

const fn because(why: Discard) -> &'static str {
    match why {
        Discard::Lost => "lost by chance",
        Discard::QueueFull => "the queue was full",
        Discard::Fragment => "fragments",
        Discard::Protocol => "a protocol that it does not carry",
        Discard::Filtered => "from peers that nobody inside has addressed",
        Discard::OutOfWindow => "outside the window",
        Discard::TtlExpired => "their time to live ran out",
        Discard::TooBig => "too big",
        Discard::Unroutable => "addressed to nobody here",
    }
}
