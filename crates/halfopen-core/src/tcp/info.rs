//! What a connection tells about itself.

use crate::tcp::connection::{Connection, State};
use crate::time::{Duration, Instant};

/// A look into a connection, like Linux's `TCP_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its state.
    pub state: State,
    /// The retransmission timeout, backed off.
    pub rto: Duration,
    /// The smoothed round-trip time, if one was measured.
    pub srtt: Option<Duration>,
    /// How many retransmission timeouts there were since the peer last acknowledged something.
    pub timeouts: u32,
    /// How many keepalive or window probes are unanswered.
    pub probes: u32,
    /// How many segments were ever sent again.
    pub retransmissions: u64,
    /// How many bytes the peer has not acknowledged, sent or not.
    pub unacknowledged: usize,
    /// How many bytes wait to be received by the program.
    pub unread: usize,
    /// How many bytes a segment carries at most.
    pub mss: u32,
    /// How much the peer's window takes.
    pub peer_window: u32,
    /// When data was last sent.
    pub last_data_sent: Option<Instant>,
    /// When data last came.
    pub last_data_received: Option<Instant>,
    /// When an acknowledgment last came.
    pub last_ack_received: Option<Instant>,
}

impl Connection {
    pub(super) fn info(&self) -> Info {
        Info {
            state: self.state,
            rto: self.rtt.rto(),
            srtt: self.rtt.smoothed(),
            timeouts: self.timers.timeouts,
            probes: self.timers.probes,
            retransmissions: self.retransmissions,
            unacknowledged: self.sender.queued(),
            unread: self.receiver.unread(),
            mss: self.sender.mss,
            peer_window: self.sender.window,
            last_data_sent: self.last_data_sent,
            last_data_received: self.last_data_received,
            last_ack_received: self.last_ack_received,
        }
    }
}
