//! One connection: its state, and what its program asks of it.

use core::fmt;
use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::seq::Seq;
use crate::tcp::acks::{Acks, Owed};
use crate::tcp::config::{Config, Keepalive};
use crate::tcp::event::{Error, Event, Output};
use crate::tcp::receive::{Received, Receiver};
use crate::tcp::rtt::Rtt;
use crate::tcp::send::Sender;
use crate::tcp::timers::Timers;
use crate::tcp::{ConnectionId, ListenerId};
use crate::time::{Duration, Instant};

/// The states of RFC 9293 section 3.3.2, without LISTEN, which a listener is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A SYN is on its way.
    SynSent,
    /// A SYN-ACK is on its way.
    SynReceived,
    /// Both ends may send.
    Established,
    /// We sent a FIN; the peer may send.
    FinWait1,
    /// The peer has our FIN; it may send.
    FinWait2,
    /// The peer sent a FIN; we may send.
    CloseWait,
    /// Both sent a FIN at the same time, and the peer's was first to be acknowledged.
    Closing,
    /// Both sent a FIN, the peer first.
    LastAck,
    /// Both sent a FIN, we first; stray segments are waited for.
    TimeWait,
    /// Nothing is left.
    Closed,
}

impl State {
    /// Tells whether both SYNs are acknowledged and the connection is not over.
    #[must_use]
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Self::SynSent | Self::SynReceived | Self::Closed)
    }

    /// Tells whether the program may still send.
    #[must_use]
    pub const fn may_send(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }
}

impl fmt::Display for State {
    /// Writes the state as `ss` and `netstat` do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECV",
            Self::Established => "ESTAB",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
            Self::Closed => "CLOSED",
        })
    }
}

/// The numbers that a connection starts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    /// The sequence number of our SYN.
    pub(super) iss: Seq,
    /// Added to our timestamps.
    pub(super) timestamp_offset: u32,
    /// The first IPv4 identification.
    pub(super) ip_id: u16,
}

/// What a connection needs of its host while it does something.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a Config,
    pub(super) output: &'a mut VecDeque<Output>,
}

/// The timestamps option (RFC 7323).
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamps {
    /// Added to our clock, so that it tells nothing about other connections.
    pub(super) offset: u32,
    /// The peer's latest, to be echoed, and when it came.
    pub(super) recent: Option<(u32, Instant)>,
}

impl Timestamps {
    /// Returns our clock, in milliseconds.
    pub(super) fn value(&self, now: Instant) -> u32 {
        let [.., a, b, c, d] = (now.as_nanos() / 1_000_000).to_be_bytes();
        u32::from_be_bytes([a, b, c, d]).wrapping_add(self.offset)
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) state: State,
    /// The listener that it came to, until a program accepts it.
    pub(super) listener: Option<ListenerId>,
    /// No program holds it any more.
    pub(super) orphan: bool,
    /// Why it died, until the program is told.
    pub(super) error: Option<Error>,
    /// What routers said, told if the connection times out.
    pub(super) soft_error: Option<Error>,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) acks: Acks,
    pub(super) rtt: Rtt,
    pub(super) timers: Timers,
    pub(super) timestamps: Option<Timestamps>,
    /// Whether both ends permit selective acknowledgments.
    pub(super) sack: bool,
    /// The shift of the windows that the peer sends.
    pub(super) peer_scale: u8,
    /// The next IPv4 identification.
    pub(super) ip_id: u16,
    pub(super) nodelay: bool,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) user_timeout: Option<Duration>,
    pub(super) last_data_sent: Option<Instant>,
    pub(super) last_data_received: Option<Instant>,
    pub(super) last_ack_received: Option<Instant>,
    /// When the last acknowledgment of an unexpected segment left.
    pub(super) last_challenge: Option<Instant>,
    pub(super) retransmissions: u64,
}

impl Connection {
    /// Returns a connection that has sent and received nothing.
    pub(super) fn new(
        id: ConnectionId,
        (local, remote): (SocketAddr, SocketAddr),
        state: State,
        numbers: Numbers,
        config: &Config,
    ) -> Self {
        let mss = config.mss(local.is_ipv6());
        let timestamps = config
            .timestamps
            .then_some(Timestamps { offset: numbers.timestamp_offset, recent: None });
        Self {
            id,
            local,
            remote,
            state,
            listener: None,
            orphan: false,
            error: None,
            soft_error: None,
            sender: Sender::new(numbers.iss, u32::from(mss), config.send_buffer),
            receiver: Receiver::new(config.receive_buffer, u32::from(mss)),
            acks: Acks::new(),
            rtt: Rtt::new(config.rto_initial, config.rto_min, config.rto_max),
            timers: Timers::default(),
            timestamps,
            sack: config.sack,
            peer_scale: 0,
            ip_id: numbers.ip_id,
            nodelay: false,
            keepalive: None,
            user_timeout: None,
            last_data_sent: None,
            last_data_received: None,
            last_ack_received: None,
            last_challenge: None,
            retransmissions: 0,
        }
    }

    /// Sends our SYN.
    pub(super) fn connect(&mut self, cx: &mut Context<'_>) {
        self.emit_syn(cx);
        self.rtt.start(self.sender.max, cx.now);
        self.arm_retransmission(cx.now);
    }

    /// Queues bytes and sends what may be sent.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<usize, Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.state {
            State::Established | State::CloseWait => {
                let taken = self.sender.push(bytes);
                self.transmit(cx);
                Ok(taken)
            }
            State::SynSent | State::SynReceived => {
                self.sender.blocked = true;
                Ok(0)
            }
            State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Closed => Err(Error::BrokenPipe),
        }
    }

    /// Gives the program what came for it.
    pub(super) fn receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Result<Received, Error> {
        if self.receiver.unread() > 0 {
            let count = self.receiver.read(into);
            if self.receiver.unread() == 0 {
                self.acks.read_out();
            }
            let waits = self.state.is_synchronized() && !self.receiver.finished();
            if waits && self.receiver.window_opened() {
                self.acks.hurry();
            }
            self.acknowledge_if_due(cx);
            return Ok(Received::Bytes(count));
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let over = self.receiver.finished() || self.state == State::Closed;
        self.receiver.end_read |= over;
        Ok(if over { Received::Finished } else { Received::Empty })
    }

    /// Ends our side of the stream, if it is open.
    pub(super) fn shutdown(&mut self, cx: &mut Context<'_>) {
        self.state = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            State::SynSent
            | State::SynReceived
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Closed => return,
        };
        self.sender.finish();
        self.transmit(cx);
    }

    /// Takes leave of the program. What it did not read makes this a reset (RFC 2525 section
    /// 2.17), since the peer would believe that it was read.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) {
        self.orphan = true;
        self.receiver.closed = true;
        if self.state == State::SynSent {
            self.end();
        } else if self.receiver.unread() > 0 || self.state == State::SynReceived {
            self.abort(cx);
        } else if self.state == State::FinWait2 {
            self.timers.linger = Some(cx.now + cx.config.fin_timeout);
        } else {
            self.shutdown(cx);
        }
    }

    /// Ends the connection with a reset where the peer may know of it (`net/ipv4/tcp.c`,
    /// `tcp_need_reset`).
    pub(super) fn abort(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait => self.emit_reset(cx),
            State::SynSent | State::Closing | State::LastAck | State::TimeWait | State::Closed => {}
        }
        self.end();
    }

    /// Dies of an error.
    pub(super) fn fail(&mut self, cx: &mut Context<'_>, error: Error) {
        self.error = Some(error);
        self.end();
        self.tell(cx, Event::Failed(self.id, error));
    }

    /// Ends without a word.
    pub(super) fn end(&mut self) {
        self.state = State::Closed;
        self.sender.clear();
        self.timers = Timers::default();
    }

    /// Tells the program, if one holds the connection.
    pub(super) fn tell(&self, cx: &mut Context<'_>, event: Event) {
        if !self.orphan && self.listener.is_none() {
            cx.output.push_back(Output::Event(event));
        }
    }

    /// Acknowledges what is to be acknowledged at once.
    pub(super) fn acknowledge_if_due(&mut self, cx: &mut Context<'_>) {
        if self.acks.owed() == Owed::AtOnce && self.state.is_synchronized() {
            self.emit_ack(cx);
        }
    }

    /// Sends what the windows allow, and sees that something is going to happen next.
    pub(super) fn transmit(&mut self, cx: &mut Context<'_>) {
        if !self.state.is_synchronized() {
            return;
        }
        let (mut sent, mut sent_data) = (false, false);
        while let Some(chunk) = self.sender.next_chunk(self.nodelay) {
            if chunk.seq.before(self.sender.max) {
                self.note_retransmission(cx.now);
            } else {
                self.rtt.start(chunk.end(), cx.now);
            }
            self.emit_chunk(cx, chunk);
            sent = true;
            sent_data |= chunk.len > 0;
            self.sender.sent(chunk);
        }
        if sent {
            self.acks.answered(cx.now);
        }
        // A FIN alone is none: `tcp_event_data_sent` in Linux's tcp_output.c.
        if sent_data {
            self.last_data_sent = Some(cx.now);
        }
        self.arm_after_transmit(cx, sent);
    }
}
