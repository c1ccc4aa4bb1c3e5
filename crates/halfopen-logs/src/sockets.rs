//! Tables of sockets: what the kernel of an end believes of its connections.
//!
//! `ss`, `netstat` and `/proc/net/tcp` print one row a socket and no time. Repeated in a loop with
//! times between, they show until when a connection was ESTABLISHED, and since when it was quiet.
//! Rows of all three are told apart one by one, so that a file may hold several.
//!
//! A table begins at a time stamp, at its header, or at its first row; one without rows is still a
//! table, and says that there was no such socket.

mod address;
mod netstat;
mod proc;
mod ss;

use core::str::SplitWhitespace;
use std::io::Read;

use halfopen_core::time::Instant;

use crate::lines::Lines;
use crate::reader::{Form, Summary};
use crate::record::{Dating, Record, Socket, SocketState, What};
use crate::stamp::{self, Stamp};

/// A table of `ss`.
pub const SS: Form = Form { name: "ss", title: "table of sockets, ss", recognises: is_ss, read };

/// A table of `netstat`.
pub const NETSTAT: Form =
    Form { name: "netstat", title: "table of sockets, netstat", recognises: is_netstat, read };

/// A table of the kernel.
pub const PROC: Form = Form {
    name: "proc-net-tcp",
    title: "table of sockets, /proc/net/tcp",
    recognises: is_proc,
    read,
};

/// Tells whether a source begins as `ss` writes.
#[must_use]
pub fn is_ss(head: &[u8]) -> bool {
    first_format(head) == Some(Format::Ss)
}

/// Tells whether a source begins as a `netstat` writes, of Linux, macOS or Windows.
#[must_use]
pub fn is_netstat(head: &[u8]) -> bool {
    first_format(head) == Some(Format::Netstat)
}

/// Tells whether a source begins as `/proc/net/tcp` or `/proc/net/tcp6` do.
#[must_use]
pub fn is_proc(head: &[u8]) -> bool {
    first_format(head) == Some(Format::Proc)
}

/// Returns the form of the first header or row; the head's last line may be cut.
fn first_format(head: &[u8]) -> Option<Format> {
    let whole = head.iter().rposition(|&byte| byte == b'\n').map_or(head, |end| &head[..end]);
    let text = String::from_utf8_lossy(whole);
    text.lines().take(HEAD_LINES_MAX).find_map(|line| match Line::of(undated(line).1) {
        Line::Header(format) | Line::Row(format, Some(_)) => Some(format),
        Line::Title | Line::Row(_, None) | Line::Info(_) | Line::Other => None,
    })
}

/// More lines than this before the first header or row are not looked at.
const HEAD_LINES_MAX: usize = 64;

/// Reads tables of sockets.
pub fn read(mut lines: Lines<&mut dyn Read>, out: &mut dyn FnMut(Record)) -> Summary {
    let mut tables = Tables::new(lines.last_written(), out);
    loop {
        match lines.next() {
            Ok(Some(line)) => tables.take(line.number, &line.text(), line.cut),
            Ok(None) => break,
            Err(error) => {
                tables.summary.broken = Some(error);
                break;
            }
        }
    }
    tables.finish()
}

/// Who wrote a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ss,
    Netstat,
    Proc,
}

/// A line of a table, by what it begins with.
enum Line<'a> {
    /// What `netstat` says above its header.
    Title,
    Header(Format),
    Row(Format, Option<Box<Socket>>),
    /// The second line of a row of `ss -i`.
    Info(&'a str),
    Other,
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Self {
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let second = words.next().unwrap_or_default();
        let row = |format, socket: Option<Socket>| Self::Row(format, socket.map(Box::new));
        match first {
            "State" | "Netid" | "Recv-Q" if text.contains("Local Address") => {
                Self::Header(Format::Ss)
            }
            "Active" if matches!(second, "Internet" | "Connections") => Self::Title,
            "Proto" if text.contains("Foreign Address") => Self::Header(Format::Netstat),
            "sl" if second == "local_address" => Self::Header(Format::Proc),
            "tcp" | "mptcp" if state(second).is_some() => row(Format::Ss, ss::row(text)),
            "tcp" | "tcp4" | "tcp6" | "tcp46" | "TCP" => row(Format::Netstat, netstat::row(text)),
            // Of datagrams and of sockets within the host nothing is said here.
            "udp" | "udp4" | "udp6" | "udp46" | "UDP" | "unix" | "raw" | "icmp" => Self::Other,
            _ if state(first).is_some() => row(Format::Ss, ss::row(text)),
            _ if proc::is_slot(first) => row(Format::Proc, proc::row(text)),
            _ if first.parse::<u64>().is_ok() && second.parse::<u64>().is_ok() => {
                row(Format::Ss, ss::row(text))
            }
            _ if text.starts_with(char::is_whitespace) => Self::Info(text),
            _ => Self::Other,
        }
    }
}

/// Splits off the time that `ts` puts in front of each line.
fn undated(line: &str) -> (Option<Stamp>, &str) {
    match stamp::leading(line) {
        // The space after it is the separator, and not yet the mark of a second line.
        Some((stamp, rest)) => (Some(stamp), rest.strip_prefix(' ').unwrap_or(rest)),
        None => (None, line),
    }
}

/// The tables of one source, as they come.
struct Tables<'a> {
    out: &'a mut dyn FnMut(Record),
    summary: Summary,
    /// The time of a table that has none beside it.
    otherwise: (Instant, Dating),
    /// The time that stood last, until a table takes it.
    stamp: Option<(u64, Stamp)>,
    /// The time of the table that is being read.
    table: Option<(Instant, Dating)>,
    /// Tables have headers, and only they begin one.
    headed: bool,
    /// A row whose second line may follow.
    held: Option<(u64, Box<Socket>)>,
}

impl<'a> Tables<'a> {
    fn new(written: Option<Instant>, out: &'a mut dyn FnMut(Record)) -> Self {
        let otherwise = match written {
            Some(at) => (at, Dating::Before),
            None => (Instant::EPOCH, Dating::Unknown),
        };
        let summary = Summary::default();
        Self { out, summary, otherwise, stamp: None, table: None, headed: false, held: None }
    }

    fn take(&mut self, number: u64, text: &str, cut: bool) {
        self.summary.lines = number;
        if text.trim().is_empty() {
            return;
        }
        if let Some(stamp) = stamp::alone(text) {
            self.end_table();
            self.stamp = Some((number, stamp));
            self.table = None;
            return;
        }
        let (in_front, text) = undated(text);
        match Line::of(text) {
            Line::Title => {
                self.headed = true;
                self.end_table();
            }
            Line::Header(_) => {
                self.headed = true;
                self.end_table();
                if let Some(stamp) = in_front {
                    self.stamp = Some((number, stamp));
                }
                self.begin_table(number);
            }
            Line::Row(_, Some(socket)) if !cut => self.row(number, in_front, socket),
            Line::Info(text) if self.held.is_some() => {
                if let Some((_, socket)) = &mut self.held {
                    ss::add_info(socket, text);
                }
            }
            Line::Row(..) | Line::Info(_) => self.summary.pass_over(number),
            // `Total:`, a prompt, the command that was called.
            Line::Other => self.emit_held(),
        }
    }

    fn row(&mut self, number: u64, in_front: Option<Stamp>, socket: Box<Socket>) {
        self.emit_held();
        if let Some(stamp) = in_front.filter(|_| !self.headed) {
            let same = self.table == Some((stamp.at, Dating::Stated));
            if !same {
                self.table = None;
                self.stamp = Some((number, stamp));
            }
        }
        if self.table.is_none() {
            self.begin_table(number);
        }
        self.held = Some((number, socket));
    }

    /// Begins a table at the time that stood last. A time serves one table; of a second one after
    /// it nothing is known.
    fn begin_table(&mut self, number: u64) {
        let (at, dating) = match self.stamp.take() {
            Some((_, stamp)) => {
                self.summary.zone_assumed |= stamp.zone_assumed;
                (stamp.at, Dating::Stated)
            }
            None => self.otherwise,
        };
        self.table = Some((at, dating));
        self.emit(number, What::Snapshot(dating));
    }

    /// Ends the table that is being read; a time that no table has taken was that of an empty one.
    fn end_table(&mut self) {
        self.emit_held();
        if let Some(&(number, _)) = self.stamp.as_ref().filter(|_| !self.headed) {
            self.begin_table(number);
        }
    }

    fn emit_held(&mut self) {
        if let Some((number, socket)) = self.held.take() {
            self.emit(number, What::Socket(*socket));
        }
    }

    fn emit(&mut self, line: u64, what: What) {
        let (at, dating) = self.table.unwrap_or(self.otherwise);
        if dating == Dating::Unknown {
            self.summary.records += 1;
        } else {
            self.summary.count(at);
        }
        (self.out)(Record { at, line, what });
    }

    fn finish(mut self) -> Summary {
        // No table for a time that nothing follows: perhaps it was cut off.
        self.emit_held();
        self.summary
    }
}

/// Reads the name of a state as any of the programs writes it: `ESTAB`, `FIN-WAIT-1`, `FIN_WAIT1`,
/// `LISTENING`.
fn state(name: &str) -> Option<SocketState> {
    let plain = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    let mut letters = [0; 16];
    let mut len = 0;
    for byte in plain {
        *letters.get_mut(len)? = byte;
        len += 1;
    }
    Some(match &letters[..len] {
        b"LISTEN" | b"LISTENING" => SocketState::Listen,
        b"SYNSENT" => SocketState::SynSent,
        b"SYNRECV" | b"SYNRCVD" | b"SYNRECEIVED" | b"NEWSYNRECV" => SocketState::SynReceived,
        b"ESTAB" | b"ESTABLISHED" => SocketState::Established,
        b"FINWAIT1" => SocketState::FinWait1,
        b"FINWAIT2" => SocketState::FinWait2,
        b"CLOSEWAIT" => SocketState::CloseWait,
        b"CLOSING" => SocketState::Closing,
        b"LASTACK" => SocketState::LastAck,
        b"TIMEWAIT" => SocketState::TimeWait,
        b"CLOSED" | b"CLOSE" | b"UNCONN" | b"BOUND" | b"BOUNDINACTIVE" => SocketState::Closed,
        _ => return None,
    })
}

/// Returns a word as a number.
fn number(words: &mut SplitWhitespace<'_>) -> Option<u64> {
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests;
