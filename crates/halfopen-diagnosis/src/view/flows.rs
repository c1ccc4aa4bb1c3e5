//! What flow logs say of packets that were rejected and of resets.

use std::net::SocketAddr;

use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::tcp::Flags;
use halfopen_logs::record::{Traffic, What};

use crate::log::Log;
use crate::suspect::{Place, Seen};

/// Flow logs have whole seconds.
const SLACK: Duration = Duration::from_secs(1);
/// IANA's number of TCP; a log without that field has zero.
const TCP: [u8; 2] = [6, 0];

/// A record of a flow, one way, over an interval.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    log: usize,
    line: u64,
    from: Instant,
    until: Instant,
    source: SocketAddr,
    destination: SocketAddr,
    flags: Flags,
    pub(crate) rejected: bool,
}

impl Leg {
    /// Tells whether it goes to or comes from a server.
    pub(crate) fn is_of(&self, server: SocketAddr) -> bool {
        self.source == server || self.destination == server
    }

    /// Tells whether the server, or a box in its name, sent a reset and no FIN.
    pub(crate) fn is_reset_by(&self, server: SocketAddr) -> bool {
        self.source == server && self.flags.has(Flags::RST) && !self.flags.has(Flags::FIN)
    }

    /// Tells whether it may be about this moment.
    pub(crate) fn covers(&self, at: Instant) -> bool {
        self.from <= at + SLACK && at <= self.until + SLACK
    }

    /// Tells whether it is the client's connection, if the client's end is known.
    pub(crate) fn is_with(&self, client: Option<SocketAddr>) -> bool {
        client.is_none_or(|client| self.source == client || self.destination == client)
    }

    /// Returns what it says in words.
    pub(crate) fn seen(&self) -> Seen {
        let Self { source, destination, .. } = self;
        let fact = if self.rejected {
            format!(
                "the flow log: packets from {source} to {destination} are rejected by a security \
                 group or network ACL"
            )
        } else {
            format!("the flow log: a reset and no FIN from {source} to {destination}")
        };
        Seen { at: self.from, place: Place::Line { log: self.log, line: self.line }, fact }
    }
}

/// Returns the legs that tell of a reset or that were rejected, in the order of their lines.
pub(crate) fn tell(logs: &[Log]) -> Vec<Leg> {
    let mut told = Vec::new();
    for (log, source) in logs.iter().enumerate() {
        told.extend(source.records.iter().filter_map(|record| {
            let What::Traffic(traffic) = &record.what else { return None };
            leg(log, record.line, record.at, traffic)
        }));
    }
    told
}

fn leg(log: usize, line: u64, from: Instant, traffic: &Traffic) -> Option<Leg> {
    let flags = Flags(traffic.tcp_flags.unwrap_or(0));
    let rejected = traffic.accepted == Some(false);
    if !TCP.contains(&traffic.protocol) || !rejected && !flags.has(Flags::RST) {
        return None;
    }
    let ((source, source_port), (destination, port)) = (traffic.source, traffic.destination);
    let source = SocketAddr::new(traffic.packet_source.unwrap_or(source), source_port);
    let destination = SocketAddr::new(traffic.packet_destination.unwrap_or(destination), port);
    Some(Leg { log, line, from, until: traffic.until, source, destination, flags, rejected })
}
