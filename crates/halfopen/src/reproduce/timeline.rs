//! What happened at each place on the path, in the order of time and in few lines.
//!
//! Requests that went well are told together; what went wrong is told one by one.

mod client;
mod far_end;
mod hops;

use core::fmt::Write as _;
use std::collections::BTreeMap;

use halfopen_core::scenario::{Scenario, Station};
use halfopen_core::time::Instant;
use halfopen_lab::reproduce::{Reproduction, Sight};

use super::packets::{Farewell, farewells};
use crate::report::Seconds;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: Instant,
    pub(super) place: String,
    pub(super) what: String,
}

/// The client's place, as a capture of it is called.
const CLIENT: &str = "client";
/// The far end's place, as a capture of it is called.
const FAR_END: &str = "far-end";

/// Tells what happened.
pub(super) fn tell(scenario: &Scenario, run: &Reproduction) -> Vec<Line> {
    let mut lines = client::tell(&run.requests);
    lines.extend(hops::tell(scenario, run.server, &run.events));
    lines.extend(far_end::tell(scenario, &run.deeds));
    // Behind a balancer are the balancer's own connections.
    let balanced = scenario.path.iter().any(|station| matches!(station, Station::Balancer(_)));
    for sight in run.sights.iter().filter(|sight| !(balanced && sight.place == FAR_END)) {
        lines.extend(tell_packets(run, sight));
    }
    // Lines of one moment stay in the order of the places.
    lines.sort_by_key(|line| line.at);
    lines
}

/// Tells of FINs and resets where they begin or end their way. What is sent again is told once.
fn tell_packets(run: &Reproduction, sight: &Sight) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut again: BTreeMap<String, (usize, u32, Instant)> = BTreeMap::new();
    for packet in farewells(&sight.capture, run.began_at) {
        let Some(what) = describe(run, sight, &packet) else { return Vec::new() };
        let (_, count, last) = again.entry(what.clone()).or_insert((lines.len(), 0, packet.at));
        (*count, *last) = (*count + 1, packet.at);
        if *count == 1 {
            lines.push(Line { at: packet.at, place: sight.place.clone(), what });
        }
    }
    for (index, count, last) in again.into_values().filter(|&(_, count, _)| count > 1) {
        let last = Seconds(last.saturating_since(Instant::EPOCH));
        let _ = write!(lines[index].what, "; {} more, the last at {last}", count - 1);
    }
    lines
}

/// Says which way a FIN or reset goes; `None` at a place where none is told of.
fn describe(run: &Reproduction, sight: &Sight, packet: &Farewell) -> Option<String> {
    let kind = if packet.reset { "reset" } else { "FIN" };
    let outward = packet.src != run.server;
    let (here, other) = match sight.place.as_str() {
        CLIENT => (!outward, if outward { packet.src } else { packet.dst }),
        FAR_END => (outward, if outward { packet.src } else { packet.dst }),
        _ => return None,
    };
    let connection =
        if sight.place == CLIENT { format!("port {}", other.port()) } else { other.to_string() };
    Some(if here {
        format!("a {kind} arrives: {connection}, time to live {}", packet.ttl)
    } else {
        format!("a {kind} leaves: {connection}")
    })
}

/// Returns `first` or `first to last`, with its noun.
fn span(noun: &str, first: u32, last: u32) -> String {
    if first == last { format!("{noun} {first}") } else { format!("{noun}s {first} to {last}") }
}
