//! Rows of `ss`, of iproute2 (`misc/ss.c`).

use halfopen_core::time::Duration;

use super::{address, number, state};
use crate::record::{Last, Running, Socket, SocketState, Timer};

/// Reads a row: the state, unless all are in one; the queues; the ends; and with `-o`, `-p`, `-i`
/// and `-O` what comes after them.
pub(super) fn row(text: &str) -> Option<Socket> {
    let mut words = text.split_whitespace();
    let mut ahead = words.clone();
    let mut first = ahead.next()?;
    if matches!(first, "tcp" | "mptcp") {
        words.next();
        first = ahead.next()?;
    }
    let state =
        if first.parse::<u64>().is_ok() { SocketState::Unstated } else { state(words.next()?)? };
    let (unread, unacknowledged) = (number(&mut words)?, number(&mut words)?);
    let local = address::with_colon(words.next()?)?;
    let remote = address::with_colon(words.next()?)?;
    let mut socket = Socket {
        state,
        local,
        remote,
        unread,
        unacknowledged,
        timer: None,
        last: None,
        bytes: None,
        retransmitted: None,
        process: None,
    };
    for word in words {
        if let Some(inside) = word.strip_prefix("timer:(") {
            socket.timer = timer(inside.trim_end_matches(')'));
        } else if let Some(users) = word.strip_prefix("users:((\"") {
            socket.process = users.split('"').next().map(Box::from);
        }
    }
    add_info(&mut socket, text);
    Some(socket)
}

/// Adds what `ss -i` says, on the same line or on the next.
pub(super) fn add_info(socket: &mut Socket, text: &str) {
    // Without these the row has no TCP_INFO, and what it does not say is not zero.
    if !text.contains(" rto:") || socket.state == SocketState::Listen {
        return;
    }
    let mut last = Last::default();
    let (mut sent, mut received, mut acknowledged) = (None, 0, 0);
    // A count or a time that is zero is not printed.
    socket.retransmitted = Some(0);
    for (name, value) in text.split_whitespace().filter_map(|word| word.split_once(':')) {
        let millis = || value.parse().map(Duration::from_millis).ok();
        match name {
            "lastsnd" => last.sent = millis().unwrap_or_default(),
            "lastrcv" => last.received = millis().unwrap_or_default(),
            "lastack" => last.acknowledged = millis().unwrap_or_default(),
            "bytes_sent" => sent = value.parse().ok(),
            "bytes_received" => received = value.parse().unwrap_or_default(),
            "bytes_acked" => acknowledged = value.parse().unwrap_or_default(),
            // Segments under way again, and all that were ever sent again.
            "retrans" => {
                socket.retransmitted = value.split_once('/').and_then(|(_, all)| all.parse().ok());
            }
            _ => {}
        }
    }
    socket.last = Some(last);
    // Linux before 4.19 has no `bytes_sent`; what it says is acknowledged counts the SYN as one.
    let nothing = (acknowledged <= 1).then_some(0);
    socket.bytes = sent.or(nothing).map(|sent| (sent, received));
}

/// Reads `keepalive,1min59sec,0`.
fn timer(text: &str) -> Option<Running> {
    let mut parts = text.split(',');
    let timer = match parts.next()? {
        "on" => Timer::Retransmission,
        "keepalive" => Timer::Keepalive,
        "timewait" => Timer::TimeWait,
        "persist" => Timer::Persist,
        "off" => return None,
        _ => Timer::Other,
    };
    let left = time_left(parts.next()?)?;
    Some(Running { timer, left, unanswered: parts.next()?.parse().ok()? })
}

/// Reads a time as `print_ms_timer` of iproute2 writes it: `119min`, `1min59sec`, `28sec`, `204ms`,
/// nothing for zero, and `8.020ms` for eight seconds and 20 milliseconds.
fn time_left(text: &str) -> Option<Duration> {
    let (minutes, rest) = match text.split_once("min") {
        Some((minutes, rest)) => (minutes.parse::<u64>().ok()?, rest),
        None => (0, text),
    };
    let (seconds, millis) = if rest.is_empty() {
        (0, 0)
    } else if let Some(seconds) = rest.strip_suffix("sec") {
        (seconds.parse::<u64>().ok()?, 0)
    } else {
        let (seconds, millis) =
            rest.strip_suffix("ms")?.rsplit_once('.').unwrap_or(("0", &rest[..rest.len() - 2]));
        (seconds.parse::<u64>().ok()?, millis.parse::<u64>().ok()?)
    };
    let seconds = minutes.checked_mul(60)?.checked_add(seconds)?;
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_left_is_read_in_each_of_its_forms() {
        for (text, millis) in [
            ("", 0),
            ("080ms", 80),
            ("204ms", 204),
            ("8.020ms", 8_020),
            ("9sec", 9_000),
            ("28sec", 28_000),
            ("1min59sec", 119_000),
            ("1min", 60_000),
            ("119min", 7_140_000),
        ] {
            assert_eq!(time_left(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["x", "sec", "ms", "9", "99999999999999999999sec", "999999999999999999min"] {
            assert_eq!(time_left(text), None, "{text}");
        }
    }

    #[test]
    fn a_row_with_everything_on_one_line_says_everything() {
        let socket = row("tcp ESTAB 0 164 [::ffff:10.78.2.1]:45154 [::ffff:10.78.3.2]:80 \
             users:((\"java\",pid=1,fd=3)) timer:(on,1.204ms,3) uid:1000 ino:9 sk:1 <-> \
             skmem:(r0,rb131072) bbr rto:408 bytes_sent:328 bytes_acked:165 bytes_received:212 \
             lastsnd:1000 lastack:992 retrans:1/3")
        .unwrap();
        let expected = Socket {
            state: SocketState::Established,
            local: "10.78.2.1:45154".parse().unwrap(),
            remote: "10.78.3.2:80".parse().unwrap(),
            unread: 0,
            unacknowledged: 164,
            timer: Some(Running {
                timer: Timer::Retransmission,
                left: Duration::from_millis(1_204),
                unanswered: 3,
            }),
            last: Some(Last {
                sent: Duration::from_secs(1),
                received: Duration::ZERO,
                acknowledged: Duration::from_millis(992),
            }),
            bytes: Some((328, 212)),
            retransmitted: Some(3),
            process: Some("java".into()),
        };
        assert_eq!(socket, expected);
    }

    #[test]
    fn without_a_state_column_the_state_is_not_guessed() {
        let socket = row("0 0 10.78.2.1:37930 10.78.3.2:80 timer:(keepalive,119min,0)").unwrap();
        assert_eq!(socket.state, SocketState::Unstated);
        assert_eq!(socket.timer.unwrap().left, Duration::from_mins(119));
        assert_eq!((socket.last, socket.bytes), (None, None));
    }

    #[test]
    fn an_old_kernel_does_not_say_how_much_was_sent() {
        let mut socket = row("ESTAB 0 0 10.78.2.1:37930 10.78.3.2:80").unwrap();
        add_info(&mut socket, "\t cubic rto:204 bytes_acked:329 bytes_received:212 lastsnd:5");
        assert_eq!(socket.bytes, None);
        assert_eq!(socket.last.unwrap().sent, Duration::from_millis(5));
    }
}
