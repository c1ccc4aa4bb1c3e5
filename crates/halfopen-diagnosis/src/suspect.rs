//! Who could have done it, and what speaks for and against each.

use halfopen_core::time::Instant;

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
