//! The sockets of a host, as `netstat` and `ss` list them.

use std::net::SocketAddr;

use crate::tcp::connection::{Connection, State};
use crate::tcp::info::Info;
use crate::time::Instant;

/// A row of a host's table of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The address of our end.
    pub local: SocketAddr,
    /// `Recv-Q`: how many sequence numbers came that no program has read, a FIN included; of a
    /// listener, how many connections wait to be accepted.
    pub receive_queue: usize,
    /// `Send-Q`: how many sequence numbers the peer has not acknowledged, SYN and FIN included.
    pub send_queue: usize,
    /// What there is to say of a connection; `None` of a listener.
    pub connection: Option<Connected>,
}

/// The part of a row that a listener does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The address of the peer's end.
    pub peer: SocketAddr,
    /// Whether a program holds it or can accept it; what none holds is the kernel's to end.
    pub held: bool,
    /// The timer that runs, and when it falls due.
    pub timer: Option<(Timer, Instant)>,
    /// A look into it.
    pub info: Info,
}

/// The timers of which `/proc/net/tcp` shows one (`net/ipv4/tcp_ipv4.c`, `get_tcp4_sock` and
/// `get_timewait4_sock`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// What is on its way is sent again.
    Retransmission,
    /// The peer is asked for a window.
    WindowProbe,
    /// The peer is asked whether it is there.
    Keepalive,
    /// The connection is forgotten.
    Linger,
}

impl Connection {
    /// Returns its row; `None` once it is over, for the network does not know it any more.
    pub(super) fn socket(&self) -> Option<Socket> {
        let phantom = match self.state {
            State::Closed => return None,
            State::SynSent
            | State::SynReceived
            | State::FinWait1
            | State::Closing
            | State::LastAck => 1,
            State::Established | State::FinWait2 | State::CloseWait | State::TimeWait => 0,
        };
        let end = usize::from(self.receiver.finished() && !self.receiver.end_read);
        Some(Socket {
            local: self.local,
            receive_queue: self.receiver.unread() + end,
            send_queue: self.sender.queued() + phantom,
            connection: Some(Connected {
                peer: self.remote,
                held: !self.orphan,
                timer: self.running_timer(),
                info: self.info(),
            }),
        })
    }

    fn running_timer(&self) -> Option<(Timer, Instant)> {
        let timers = &self.timers;
        [
            (Timer::Retransmission, timers.loss_probe.or(timers.retransmission)),
            (Timer::WindowProbe, timers.window_probe),
            (Timer::Linger, timers.linger),
            (Timer::Keepalive, timers.keepalive),
        ]
        .into_iter()
        .find_map(|(timer, at)| Some((timer, at?)))
    }
}
