//! Rows of `netstat`: net-tools' of Linux, the BSDs' and macOS', and that of Windows.

use halfopen_core::time::Duration;

use super::{address, state};
use crate::record::{Running, Socket, Timer};

/// Reads a row of TCP.
pub(super) fn row(text: &str) -> Option<Socket> {
    let mut words = text.split_whitespace();
    let protocol = words.next()?;
    let mut next = words.next()?;
    // Windows has no queues.
    let queues = if let Ok(unread) = next.parse() {
        let unacknowledged = words.next()?.parse().ok()?;
        next = words.next()?;
        Some((unread, unacknowledged))
    } else {
        None
    };
    let (local, remote) = (next, words.next()?);
    // `tcp` alone is Linux' or FreeBSD's: only the latter ends an address with a dot and a port.
    let dots = matches!(protocol, "tcp4" | "tcp46") || address::with_colon(remote).is_none();
    let end = if dots { address::with_dot } else { address::with_colon };
    let width = if dots { 22 } else { 23 };
    if [local, remote].iter().any(|end| end.len() == width && may_be_cut(text, end)) {
        return None;
    }
    let (unread, unacknowledged) = queues.unwrap_or_default();
    Some(Socket {
        state: state(words.next()?)?,
        local: end(local)?,
        remote: end(remote)?,
        unread,
        unacknowledged,
        timer: timer(words.clone()),
        last: None,
        bytes: None,
        retransmitted: None,
        process: words.find_map(process),
    })
}

/// Tells whether an IPv6 address that fills its column may lack its end, which makes it another:
/// without `-W`, net-tools cuts an end to 23 characters, and the BSDs to 22.
fn may_be_cut(text: &str, end: &str) -> bool {
    let after = text.split(end).nth(1).unwrap_or_default();
    !after.starts_with("  ") && end.bytes().filter(|&byte| byte == b':').count() > 1
}

/// Reads `keepalive (28.01/0/0)`: seconds left, retransmissions, unanswered probes.
fn timer<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Running> {
    let (name, inside) = loop {
        let name = words.next()?;
        let timer = match name {
            "on" => Timer::Retransmission,
            "keepalive" => Timer::Keepalive,
            "timewait" => Timer::TimeWait,
            "probe" => Timer::Persist,
            _ => continue,
        };
        break (timer, words.next()?);
    };
    let mut numbers = inside.strip_prefix('(')?.strip_suffix(')')?.split('/');
    let seconds = numbers.next()?.parse::<f64>().ok()?;
    let left = Duration::try_from_secs_f64(seconds).ok()?;
    let sent_again: u32 = numbers.next()?.parse().ok()?;
    let probes: u32 = numbers.next()?.parse().ok()?;
    Some(Running { timer: name, left, unanswered: sent_again.max(probes) })
}

/// Reads the name of `1234/java`.
fn process(word: &str) -> Option<Box<str>> {
    let (pid, name) = word.split_once('/')?;
    pid.parse::<u32>().is_ok().then(|| name.trim_end_matches(':').into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SocketState;

    fn ends(text: &str) -> Option<(SocketState, String, String)> {
        row(text).map(|row| (row.state, row.local.to_string(), row.remote.to_string()))
    }

    #[test]
    fn each_systems_rows_are_read() {
        let established = |local: &str, remote: &str| {
            Some((SocketState::Established, local.to_owned(), remote.to_owned()))
        };
        for (text, local, remote) in [
            (
                "tcp        0    164 10.0.0.1:52341          10.0.0.2:443            ESTABLISHED",
                "10.0.0.1:52341",
                "10.0.0.2:443",
            ),
            (
                "tcp6       0      0 ::ffff:10.0.0.1:8080    10.0.0.2:443          ESTABLISHED 7/j",
                "10.0.0.1:8080",
                "10.0.0.2:443",
            ),
            (
                "tcp4       0      0  10.0.0.1.52341         10.0.0.2.443           ESTABLISHED",
                "10.0.0.1:52341",
                "10.0.0.2:443",
            ),
            (
                "tcp6       0      0  ::1.52341              ::1.443                ESTABLISHED",
                "[::1]:52341",
                "[::1]:443",
            ),
            (
                "  TCP    10.0.0.1:52341         10.0.0.2:443           ESTABLISHED     1234",
                "10.0.0.1:52341",
                "10.0.0.2:443",
            ),
            (
                "  TCP    [2001:db8::1]:52341    [2001:db8::2]:443      ESTABLISHED",
                "[2001:db8::1]:52341",
                "[2001:db8::2]:443",
            ),
        ] {
            assert_eq!(ends(text), established(local, remote), "{text}");
        }
    }

    #[test]
    fn a_timer_says_what_it_waits_for_and_how_long() {
        let row =
            row("tcp 0 164 10.0.0.1:52341 10.0.0.2:443 ESTABLISHED 1000 9 1234/java on (1.25/3/0)")
                .unwrap();
        let timer = row.timer.unwrap();
        assert_eq!((timer.timer, timer.unanswered), (Timer::Retransmission, 3));
        assert_eq!(timer.left, Duration::from_millis(1_250));
        assert_eq!(row.process.as_deref(), Some("java"));
        assert_eq!((row.unread, row.unacknowledged), (0, 164));
    }

    #[test]
    fn an_address_that_may_have_lost_its_end_is_not_taken_for_another() {
        // 2001:db8::1234:5678, cut for the column.
        let cut = "tcp6 0 0 2001:db8::1234:567:4431 2001:db8::1:443 ESTABLISHED";
        assert_eq!("2001:db8::1234:567:4431".len(), 23);
        assert_eq!(ends(cut), None);
        assert!(ends("tcp6 0 0 2001:db8::1234:56:4431 2001:db8::1:443 ESTABLISHED").is_some());
    }
}
