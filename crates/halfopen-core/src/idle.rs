//! How long a hop remembers an idle flow, what it does when it forgets one, and what it does with
//! the next packet.
//!
//! Two axes explain every product: [`OnExpiry`] and [`OnOrphan`]. The numbers of products are not
//! here but in the profiles; the only numbers here are those of standards.

use serde::Deserialize;

use crate::time::Duration;

/// A hop's rule about idle flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdlePolicy {
    /// How long a flow may be idle, by what it is and how far it has come.
    pub timers: IdleTimers,
    /// Which packets start a timer again.
    pub refresh: Refresh,
    /// What the hop does at the moment it forgets an idle TCP connection.
    pub on_expiry: OnExpiry,
    /// What it does with a packet from inside for a flow that it does not remember.
    pub on_orphan_inside: OnOrphan,
    /// What it does with a packet from outside for a flow that it does not remember.
    pub on_orphan_outside: OnOrphan,
    /// How much it remembers at most.
    pub capacity: Capacity,
}

impl IdlePolicy {
    /// A hop that follows the RFCs, tells nobody, and drops what it does not know.
    pub const RFC: Self = Self {
        timers: IdleTimers::RFC,
        refresh: Refresh { by_outside: true, by_empty_segments: true },
        on_expiry: OnExpiry::Silent,
        on_orphan_inside: OnOrphan::Drop,
        on_orphan_outside: OnOrphan::Drop,
        capacity: Capacity { flows: 1 << 20, when_full: WhenFull::Refuse, forgotten: 1 << 12 },
    };
}

/// How long a flow may be idle before it is forgotten; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimers {
    /// A TCP connection whose handshake is not complete.
    pub tcp_opening: Option<Duration>,
    /// A TCP connection that both ends have opened and none has closed.
    pub tcp_established: Option<Duration>,
    /// A TCP connection of which one end has sent its FIN.
    pub tcp_half_closed: Option<Duration>,
    /// A TCP connection of which both ends have sent a FIN and not both are acknowledged.
    pub tcp_closing: Option<Duration>,
    /// A TCP connection that both ends have closed: its TIME-WAIT.
    pub tcp_time_wait: Option<Duration>,
    /// A TCP connection that was reset.
    pub tcp_reset: Option<Duration>,
    /// A UDP flow that was not answered.
    pub udp: Option<Duration>,
    /// A UDP flow with packets in both directions.
    pub udp_stream: Option<Duration>,
    /// An ICMP query.
    pub icmp: Option<Duration>,
}

impl IdleTimers {
    /// The shortest timers that the RFCs allow or, for UDP, advise.
    pub const RFC: Self = {
        // RFC 5382 REQ-5 and RFC 7857 section 2.1: established 2 hours 4 minutes, otherwise
        // 4 minutes; RFC 7857 section 2.2: 4 minutes after a reset.
        let transitory = Some(Duration::from_mins(4));
        // RFC 4787 REQ-5: 5 minutes.
        let udp = Some(Duration::from_mins(5));
        Self {
            tcp_opening: transitory,
            tcp_established: Some(Duration::from_mins(2 * 60 + 4)),
            tcp_half_closed: transitory,
            tcp_closing: transitory,
            tcp_time_wait: transitory,
            tcp_reset: transitory,
            udp,
            udp_stream: udp,
            // RFC 5508 REQ-2: 60 seconds.
            icmp: Some(Duration::from_mins(1)),
        }
    };
}

/// Which packets of a remembered flow start its timer again, besides those that change its state.
///
/// Packets from inside with something new always do (RFC 4787 REQ-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Packets from outside do.
    pub by_outside: bool,
    /// TCP segments that carry nothing new do: bare acknowledgments, keepalive probes and
    /// retransmissions. A proxy that counts bytes of data says no.
    pub by_empty_segments: bool,
}

/// What a hop does at the moment it forgets an established or half-closed TCP connection because
/// it was idle. Other flows it always forgets in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// Tells nobody.
    Silent,
    /// Sends a reset in the name of the other end.
    Reset(Told),
    /// Sends a FIN in the name of the other end.
    Fin(Told),
}

/// Which ends a hop tells that it forgot their connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// The inside end.
    Inside,
    /// The outside end.
    Outside,
    /// Both.
    Both,
}

/// What a hop does with a packet of a flow that it does not remember, unless it opens a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnOrphan {
    /// Drops it.
    Drop,
    /// Drops it and answers with a reset. Drops packets of other protocols than TCP.
    Reset,
    /// Takes the flow up again, as Linux does with `nf_conntrack_tcp_loose`. A gateway that
    /// translates cannot do so for packets from outside, and drops them.
    Adopt,
    /// Drops it and answers with an ICMP error: administratively prohibited.
    Unreachable,
}

/// How much a hop remembers at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The most flows at a time: 1 to 2^30.
    pub flows: u32,
    /// What happens to a new flow when there is no room.
    pub when_full: WhenFull,
    /// How many forgotten flows the hop still knows to have had, at most 2^30. Only its events
    /// tell: `Orphaned` says when a flow was forgotten.
    pub forgotten: u32,
}

/// What a hop does about a new flow when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// Forgets the flow that has been idle for longest.
    EvictIdlest,
    /// Refuses the new flow.
    Refuse,
}
