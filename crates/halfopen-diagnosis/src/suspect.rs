//! Who could have done it, and what speaks for and against each.

mod balancer_idle;
mod client_cap;
mod firewall;
mod gateway_idle;
mod mtu;
mod overload;
mod packet_loss;
mod port_exhaustion;
mod restart;
mod server_timer;

use std::net::SocketAddr;

use halfopen_core::cause::{Cause, Harm, Mechanism};
use halfopen_core::time::Instant;

use crate::account::{Account, brief};
use crate::judgement::{Path, Server};
use crate::view::View;
use crate::view::flows::Leg;

/// Who, or what, could make connections fail as they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suspect {
    /// The client's own cap on how long it keeps idle connections.
    ClientCap,
    /// The server's own keep-alive timer.
    ServerTimer,
    /// The idle timeout of a balancer.
    BalancerIdle,
    /// The idle timeout of a NAT gateway.
    GatewayIdle,
    /// A firewall that drops what it has forgotten.
    Firewall,
    /// A restart or failover of a box or the server.
    Restart,
    /// No port was left for one more connection.
    PortExhaustion,
    /// Packets were lost.
    PacketLoss,
    /// Too much work for somebody on the path.
    Overload,
    /// Packets too large for a link of the path.
    Mtu,
}

impl Suspect {
    /// Returns the suspect as reports spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCap => "client-cap",
            Self::ServerTimer => "server-timer",
            Self::BalancerIdle => "balancer-idle",
            Self::GatewayIdle => "gateway-idle",
            Self::Firewall => "firewall",
            Self::Restart => "restart",
            Self::PortExhaustion => "port-exhaustion",
            Self::PacketLoss => "packet-loss",
            Self::Overload => "overload",
            Self::Mtu => "mtu",
        }
    }
}

/// What is known of a suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It did it.
    Confirmed,
    /// It may have.
    Possible,
    /// It did not.
    RuledOut,
    /// Nothing that was seen speaks for or against it.
    CannotTell,
}

impl Standing {
    /// Returns the standing as reports spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Possible => "possible",
            Self::RuledOut => "ruled-out",
            Self::CannotTell => "cannot-tell",
        }
    }
}

/// A suspect with what speaks for and against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Who.
    pub suspect: Suspect,
    /// How it stands.
    pub standing: Standing,
    /// Why, in a sentence.
    pub why: String,
    /// By which frames and lines.
    pub evidence: Vec<Seen>,
    /// What would settle it; `None` if it is settled.
    pub settles: Option<Settles>,
}

/// An observation that would settle a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settles {
    /// What it would show: "a capture at the server's side would show …".
    pub what: String,
    /// A command line that makes it.
    pub command: Option<String>,
}

/// Something seen: in a frame of a capture or a line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When, on the common time line.
    pub at: Instant,
    /// Where.
    pub place: Place,
    /// What, in words that need nothing else to be understood.
    pub fact: String,
}

/// A place in what the user gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A frame, by its number over all captures (`Points::place` tells which and where).
    Frame(u64),
    /// A line of a log.
    Line {
        /// Which log, in the order of the command line, among those that are no captures.
        log: usize,
        /// Counted from one.
        line: u64,
    },
}

/// Frames and lines that are shown for an opinion.
const EVIDENCE_MAX: usize = 3;

/// Each suspect's rule, in the order of a request's way.
const RULES: [fn(&Case<'_>) -> Opinion; 10] = [
    client_cap::judge,
    gateway_idle::judge,
    firewall::judge,
    balancer_idle::judge,
    server_timer::judge,
    restart::judge,
    port_exhaustion::judge,
    packet_loss::judge,
    overload::judge,
    mtu::judge,
];

/// A path before the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) path: &'a Path,
    pub(crate) view: &'a View,
    /// What logs tell of it.
    pub(crate) account: Option<&'a Account<'a>>,
}

/// Judges all suspects of a path; none if nothing is wrong with it.
pub(crate) fn judge(case: &Case<'_>) -> Vec<Opinion> {
    if case.path.cause == Cause::None {
        return Vec::new();
    }
    RULES.iter().map(|rule| rule(case)).collect()
}

impl Case<'_> {
    /// Returns an opinion in the making.
    fn about(&self, suspect: Suspect) -> Opinion {
        let mut evidence = self.path.evidence.clone();
        evidence.truncate(EVIDENCE_MAX);
        Opinion {
            suspect,
            standing: Standing::CannotTell,
            why: String::new(),
            evidence,
            settles: None,
        }
    }

    /// Tells whether connections were forgotten in this way, be it by one box of several.
    fn shows(&self, way: Mechanism) -> bool {
        self.path.mechanism == Some(way) || self.path.ways.contains(&way)
    }

    /// Tells whether connections were forgotten by a timer.
    fn is_forgotten(&self) -> bool {
        matches!(self.path.cause, Cause::IdleExpiry | Cause::IdleExpiryInFlight)
    }

    /// Tells whether a capture near the server hints at connections that were forgotten, and shows
    /// no more.
    fn is_left_behind(&self) -> bool {
        let path = self.path;
        let frames = path.evidence.iter().any(|seen| matches!(seen.place, Place::Frame(_)));
        path.cause == Cause::Inconclusive && path.harm == Harm::None && frames
    }

    /// Says where all requests without a response were lost, if two captures show it.
    fn lost(&self) -> Option<String> {
        let [near, far] = self.path.lost_between()?.captures;
        Some(format!("all requests without a response were lost between captures {near} and {far}"))
    }

    /// Tells whether connections ended that had been idle.
    fn has_pauses(&self) -> bool {
        let told = self.account.is_some_and(|account| !account.deaths.is_empty());
        told || self.path.died.is_some()
    }

    /// Returns a command line that captures at the server's side, if the server is known.
    fn far_capture(&self) -> Option<String> {
        self.capture("server-side", |address| format!("tcp port {}", address.port()))
    }

    /// Returns a command line that captures at the client, if the server is known.
    fn near_capture(&self) -> Option<String> {
        self.capture("client", |address| {
            format!("host {} and tcp port {}", address.ip(), address.port())
        })
    }

    fn capture(&self, name: &str, filter: impl Fn(SocketAddr) -> String) -> Option<String> {
        let Server::Address(address) = self.path.server else { return None };
        Some(format!("tcpdump -i any -s 128 -w {name}.pcap '{}'", filter(address)))
    }

    /// Returns what flow logs say of resets at the times of what failed.
    fn resets(&self) -> Vec<Seen> {
        self.legs(Leg::is_reset_by)
    }

    /// Returns what flow logs say of packets that were rejected at the times of what failed.
    fn rejected(&self) -> Vec<Seen> {
        self.legs(|leg, _| leg.rejected)
    }

    fn legs(&self, wanted: impl Fn(&Leg, SocketAddr) -> bool) -> Vec<Seen> {
        let Server::Address(server) = self.path.server else { return Vec::new() };
        let failed = |leg: &Leg| self.path.evidence.iter().any(|seen| leg.covers(seen.at));
        let legs = self.view.legs.iter().filter(|leg| leg.is_of(server) && wanted(leg, server));
        legs.filter(|leg| failed(leg)).take(EVIDENCE_MAX).map(Leg::seen).collect()
    }

    /// Returns where a metric is above zero.
    fn points(&self, metric: &str, fact: &str) -> Vec<Seen> {
        let points = self.view.points.iter().filter(|point| *point.metric == *metric);
        let above = points.filter(|point| point.value > 0.0);
        let seen = above.map(|point| {
            let place = Place::Line { log: point.log, line: point.line };
            Seen { at: point.at, place, fact: format!("{fact}: {}", point.value) }
        });
        seen.take(EVIDENCE_MAX).collect()
    }
}

impl Opinion {
    fn stands(self, standing: Standing, why: String) -> Self {
        Self { standing, why, ..self }
    }

    fn confirmed(self, why: String) -> Self {
        self.stands(Standing::Confirmed, why)
    }

    fn possible(self, why: String) -> Self {
        self.stands(Standing::Possible, why)
    }

    fn ruled_out(self, why: String) -> Self {
        self.stands(Standing::RuledOut, why)
    }

    /// Adds one more reason.
    fn because(mut self, reason: Option<String>) -> Self {
        self.why.extend(reason.into_iter().flat_map(|reason| ["; ".to_owned(), reason]));
        self
    }

    fn cannot_tell(self) -> Self {
        let why = "nothing that was seen speaks for or against it".to_owned();
        Self { evidence: Vec::new(), ..self }.stands(Standing::CannotTell, why)
    }

    /// Adds what shows it besides the path's own evidence.
    fn shown_by(mut self, seen: Vec<Seen>) -> Self {
        self.evidence.extend(seen);
        self
    }

    fn settled_by(self, what: &str, command: Option<String>) -> Self {
        Self { settles: Some(Settles { what: what.to_owned(), command }), ..self }
    }
}
