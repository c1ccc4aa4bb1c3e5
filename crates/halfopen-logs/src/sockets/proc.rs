//! Rows of `/proc/net/tcp` and `/proc/net/tcp6`, as `net/ipv4/tcp_ipv4.c` of Linux prints them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use halfopen_core::time::Duration;

use super::state;
use crate::record::{Running, Socket, SocketState, Timer};

/// States by their number less one (`include/net/tcp_states.h`).
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];
/// Times are in hundredths of a second toward user space (`USER_HZ`), whatever the kernel's own
/// tick.
const TICK: Duration = Duration::from_millis(10);

/// Tells whether a word is the number that a row begins with: `12:`.
pub(super) fn is_slot(word: &str) -> bool {
    word.strip_suffix(':').is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Reads a row. Addresses are taken as a little-endian machine prints them, which is all but s390x
/// of those that Linux distributions are made for today.
pub(super) fn row(text: &str) -> Option<Socket> {
    let mut words = text.split_whitespace().skip(1);
    let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
    let state = named(words.next()?)?;
    let (unacknowledged, unread) = hex_pair(words.next()?)?;
    let (timer, left) = hex_pair(words.next()?)?;
    let sent_again = u32::from_str_radix(words.next()?, 16).ok()?;
    // After the user: keepalive and window probes that nobody has answered, in decimal.
    let probes = words.nth(1).and_then(|probes| probes.parse().ok()).unwrap_or(0);
    let timer = match timer {
        0 => None,
        1 => Some(Timer::Retransmission),
        2 => Some(Timer::Keepalive),
        3 => Some(Timer::TimeWait),
        4 => Some(Timer::Persist),
        _ => Some(Timer::Other),
    };
    let left = TICK.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
    Some(Socket {
        state,
        local,
        remote,
        unread,
        unacknowledged,
        timer: timer.map(|timer| Running { timer, left, unanswered: sent_again.max(probes) }),
        last: None,
        bytes: None,
        retransmitted: None,
        process: None,
    })
}

fn named(hex: &str) -> Option<SocketState> {
    let number = usize::from_str_radix(hex, 16).ok()?;
    state(STATES.get(number.checked_sub(1)?)?)
}

fn hex_pair(text: &str) -> Option<(u64, u64)> {
    let (left, right) = text.split_once(':')?;
    Some((u64::from_str_radix(left, 16).ok()?, u64::from_str_radix(right, 16).ok()?))
}

/// Reads `0100007F:1F90`: words of 32 bits that hold network order, each printed as a number.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at..at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_le_bytes)
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_ipv4_is_read_with_its_timer() {
        let row =
            row("   1: 01024E0A:942A 02034E0A:0050 01 000000A4:00000000 01:00000014 00000003 \
                       1000        0 18231 2 0000000000000000 20 4 30 10 -1")
            .unwrap();
        assert_eq!(row.local, "10.78.2.1:37930".parse().unwrap());
        assert_eq!(row.remote, "10.78.3.2:80".parse().unwrap());
        assert_eq!((row.state, row.unacknowledged), (SocketState::Established, 164));
        let timer = row.timer.unwrap();
        assert_eq!((timer.timer, timer.unanswered), (Timer::Retransmission, 3));
        assert_eq!(timer.left, Duration::from_millis(200));
    }

    #[test]
    fn an_ipv4_address_within_ipv6_is_the_ipv4_one() {
        let mapped = "0000000000000000FFFF000001024E0A:1F90";
        assert_eq!(end(mapped), "10.78.2.1:8080".parse().ok());
        assert_eq!(end("B80D0120000000000000000001000000:01BB"), "[2001:db8::1]:443".parse().ok());
        assert_eq!(end("0100007Fx:1F90"), None);
        assert_eq!(end("é100007:1F90"), None);
    }
}
