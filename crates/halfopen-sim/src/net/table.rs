//! A host's sockets at one moment, as its administrator sees them.

use core::fmt;
use std::net::SocketAddr;

use halfopen_core::tcp::{Connected, Socket, State, Timer};
use halfopen_core::time::Instant;

/// A host's sockets at one moment.
///
/// As text it is what `netstat -nato` prints: listeners first, and what no program holds any more
/// as long as the kernel has not ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketTable {
    /// The moment.
    pub at: Instant,
    /// The rows, listeners first.
    pub rows: Vec<Socket>,
}

impl fmt::Display for SocketTable {
    /// Writes the table as net-tools do (`netstat.c`, `tcp_do_one`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Active Internet connections (servers and established)")?;
        writeln!(
            f,
            "{:5} {:6} {:6} {:23} {:23} {:11} Timer",
            "Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "State"
        )?;
        for row in &self.rows {
            let protocol = if row.local.is_ipv4() { "tcp" } else { "tcp6" };
            let (peer, state, timer) = match &row.connection {
                Some(it) => (it.peer.to_string(), state(it.info.state), self.timer(it)),
                None => (anyone(row.local), "LISTEN", "off (0.00/0/0)".to_owned()),
            };
            let Socket { receive_queue, send_queue, local, .. } = row;
            write!(f, "{protocol:5} {receive_queue:6} {send_queue:6} ")?;
            writeln!(f, "{:23} {peer:23} {state:11} {timer}", local.to_string())?;
        }
        Ok(())
    }
}

impl SocketTable {
    fn timer(&self, connection: &Connected) -> String {
        let (name, left) = match connection.timer {
            None => ("off", 0.0),
            Some((timer, due)) => (name(timer), due.saturating_since(self.at).as_secs_f64()),
        };
        format!("{name} ({left:.2}/{}/{})", connection.info.timeouts, connection.info.probes)
    }
}

const fn name(timer: Timer) -> &'static str {
    match timer {
        Timer::Retransmission => "on",
        Timer::WindowProbe => "probe",
        Timer::Keepalive => "keepalive",
        Timer::Linger => "timewait",
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::SynSent => "SYN_SENT",
        State::SynReceived => "SYN_RECV",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN_WAIT1",
        State::FinWait2 => "FIN_WAIT2",
        State::CloseWait => "CLOSE_WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST_ACK",
        State::TimeWait => "TIME_WAIT",
        State::Closed => "CLOSE",
    }
}

fn anyone(local: SocketAddr) -> String {
    if local.is_ipv4() { "0.0.0.0:*".to_owned() } else { ":::*".to_owned() }
}
