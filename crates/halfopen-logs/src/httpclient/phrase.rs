//! What one line of Apache `HttpClient`'s log says, without what came before it.

use core::net::SocketAddr;

use halfopen_core::time::Duration;

use crate::record::How;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phrase<'a> {
    /// The pool of version 4 hands out a connection.
    Leased { id: Name<'a>, route: &'a str, reused: Option<bool> },
    /// The pool of version 5 hands one out under the name of an endpoint.
    Endpoint { endpoint: &'a str, connection: &'a str },
    /// A request is about to be written over an endpoint's connection.
    Executing { endpoint: &'a str, exchange: Option<&'a str>, connection: &'a str },
    /// An endpoint has no connection yet.
    Connecting { endpoint: &'a str },
    /// A connection is being opened, to a route or an address.
    Opening { to: &'a str },
    /// A connection is open.
    Opened { connection: Option<&'a str>, local: Option<SocketAddr>, remote: Option<SocketAddr> },
    /// Something of the head or the body of a request went out, or of a response came.
    Wire { connection: &'a str, out: bool, text: &'a str },
    /// A request is about to be written, on the connection that the thread has.
    Request { line: &'a str },
    /// A connection can be kept; `None` is for ever.
    Kept { id: Name<'a>, time: Option<Duration> },
    /// A connection goes back to the pool.
    Released { id: Name<'a> },
    /// A connection was looked at before its use; `ended` is what was found.
    Checked { connection: &'a str, ended: Option<How> },
    /// A connection is closed by this side.
    Closing { connection: &'a str },
    /// Something else about a connection.
    Touched { connection: &'a str },
    /// An attempt at a request failed and is perhaps repeated.
    Failed { exchange: Option<&'a str>, words: &'a str },
}

/// How a line names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// By the pool's number, which the connection's name ends with: `0` of `http-outgoing-0`.
    Number(&'a str),
    /// By the endpoint through which it is used: `ep-0000000001`.
    Endpoint(&'a str),
    /// By its own: `http-outgoing-0`, `c-0000000001`.
    Own(&'a str),
}

/// Reads what follows a line's time stamp.
pub(super) fn phrase(text: &str) -> Option<Phrase<'_>> {
    match connection(text) {
        Some((before, connection, after)) => named(before, connection, after),
        None => unnamed(text),
    }
}

/// Returns the name of a connection in a text, with what stands before and after it.
fn connection(text: &str) -> Option<(&str, &str, &str)> {
    let start = match memchr::memmem::find(text.as_bytes(), b"http-outgoing-") {
        Some(at) => at,
        // `c-` and ten digits: a session of the asynchronous client.
        None => text.match_indices("c-").map(|(at, _)| at).find(|&at| {
            let boundary = text[..at].ends_with([' ', '[', '-', ':']) || at == 0;
            boundary && digits(&text[at + 2..]) == 10
        })?,
    };
    let prefix = text[start..].find(|c: char| c.is_ascii_digit())?;
    let end = start + prefix + digits(&text[start + prefix..]);
    Some((&text[..start], &text[start..end], &text[end..]))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Reads a line that names its connection.
fn named<'a>(before: &'a str, connection: &'a str, after: &'a str) -> Option<Phrase<'a>> {
    let after = after.trim_start_matches(':').trim_start();
    for (mark, out) in [(">> ", true), ("<< ", false)] {
        if let Some(text) = after.strip_prefix(mark) {
            return Some(Phrase::Wire { connection, out, text });
        }
    }
    let trimmed = before.trim_end();
    if let Some(phrase) = named_last(trimmed, connection) {
        return Some(phrase);
    }
    let phrase = if let Some(time) = after.strip_prefix("can be kept alive ") {
        Phrase::Kept { id: Name::Own(connection), time: kept(time)? }
    } else if after.starts_with("is stale") || after.starts_with("is closed") {
        Phrase::Checked { connection, ended: Some(How::ResetOrClosed) }
    } else if after.starts_with("Found reset") {
        Phrase::Checked { connection, ended: Some(How::Reset) }
    } else if after.starts_with("Found closed") {
        Phrase::Checked { connection, ended: Some(How::Closed) }
    } else if after.starts_with("Stale check: nothing to read") {
        Phrase::Checked { connection, ended: None }
    } else if let Some(ends) = strip_prefix_any_case(after, "connection established ") {
        opened(Some(connection), ends)?
    } else if let Some(ends) = after.strip_prefix("connected ") {
        opened(Some(connection), ends)?
    } else if let Some(to) = after.strip_prefix("connecting ") {
        Phrase::Opening { to: far_end(to) }
    } else if is_closing(after) {
        Phrase::Closing { connection }
    } else {
        Phrase::Touched { connection }
    };
    Some(phrase)
}

/// Reads a line in which the connection's name comes last.
fn named_last<'a>(before: &'a str, connection: &'a str) -> Option<Phrase<'a>> {
    if let Some(rest) = before.strip_suffix(" over") {
        let exchange = numbered(rest, "ex-");
        return Some(Phrase::Executing { endpoint: endpoint(rest)?, exchange, connection });
    }
    if before.ends_with(" connected") || before.ends_with(" acquired") {
        return Some(Phrase::Endpoint { endpoint: endpoint(before)?, connection });
    }
    let ends = before.strip_suffix(" as")?.rsplit_once(" connected ")?.1;
    opened(Some(connection), ends)
}

/// Reads a line that names its connection otherwise, or not at all.
fn unnamed(text: &str) -> Option<Phrase<'_>> {
    let after = |mark: &str| text.find(mark).map(|at| &text[at + mark.len()..]);
    if let Some(rest) = after("Connection leased: [id: ") {
        return leased(rest);
    }
    if let Some(rest) = after("Connection released: [id: ") {
        return Some(Phrase::Released { id: Name::Number(number(rest)?) });
    }
    if let Some(rest) = after("Connection [id: ") {
        let time = rest.split_once("can be kept alive ")?.1;
        return Some(Phrase::Kept { id: Name::Number(number(rest)?), time: kept(time)? });
    }
    if let Some(ends) = after("Connection established ") {
        return opened(None, ends);
    }
    if let Some(to) = after("Opening connection ").or_else(|| after("Connecting to ")) {
        return Some(Phrase::Opening { to: far_end(to) });
    }
    if let Some(ends) = after(" connecting ").filter(|ends| ends.contains("->")) {
        return Some(Phrase::Opening { to: far_end(ends) });
    }
    if let Some(line) = after("Executing request ") {
        return Some(Phrase::Request { line });
    }
    if let Some(rest) = after("I/O exception (") {
        return Some(Phrase::Failed { exchange: None, words: rest });
    }
    // The asynchronous client says it of the exchange, in two of its layers.
    if let Some(words) = after("execution failed: ").or_else(|| after(" request failed: "))
        && let Some(exchange) = numbered(text, "ex-")
    {
        return Some(Phrase::Failed { exchange: Some(exchange), words });
    }
    let endpoint = endpoint(text)?;
    if text.contains(" connection released") {
        Some(Phrase::Released { id: Name::Endpoint(endpoint) })
    } else if text.contains(" connecting endpoint") {
        Some(Phrase::Connecting { endpoint })
    } else {
        None
    }
}

fn leased(rest: &str) -> Option<Phrase<'_>> {
    let route = rest.split_once("[route: ")?.1;
    let route = route.split_once("][").map_or(route.trim_end_matches(']'), |(route, _)| route);
    // halfopen's pool says which it is.
    let reused = match rest {
        _ if rest.contains("][reused ") => Some(true),
        _ if rest.contains("][new]") => Some(false),
        _ => None,
    };
    Some(Phrase::Leased { id: Name::Number(number(rest)?), route: far_end(route), reused })
}

fn number(text: &str) -> Option<&str> {
    let len = digits(text);
    (len > 0).then(|| &text[..len])
}

/// Returns the last name of an endpoint in a text.
fn endpoint(text: &str) -> Option<&str> {
    numbered(text, "ep-")
}

/// Returns the last name with this prefix in a text: digits follow, which early versions wrote in
/// hexadecimal.
fn numbered<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.rfind(prefix)?;
    let name = &text[start..];
    let len = name[prefix.len()..].bytes().take_while(u8::is_ascii_hexdigit).count();
    (len >= 8).then(|| &name[..prefix.len() + len])
}

fn is_closing(after: &str) -> bool {
    let marks = ["Close", "close connection", "Shutdown connection", "Disconnected"];
    marks.iter().any(|mark| after.starts_with(mark))
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Reads `10.78.2.1:48554<->10.78.3.2:80` or `null->pay.example/10.78.3.2:80 (3 MINUTES)`.
fn opened<'a>(connection: Option<&'a str>, ends: &'a str) -> Option<Phrase<'a>> {
    let (local, remote) = ends.split_once("<->").or_else(|| ends.split_once("->"))?;
    Some(Phrase::Opened { connection, local: address(local), remote: address(remote) })
}

/// Reads an address as Java prints it: `/10.78.3.2:80`, `pay.example/10.78.3.2:80`,
/// `/[0:0:0:0:0:0:0:1]:80`.
pub(super) fn address(text: &str) -> Option<SocketAddr> {
    let text = text.split([' ', ';']).next()?;
    let text = text.rsplit_once('/').map_or(text, |(_, address)| address);
    text.parse().ok()
}

/// Returns where a route or a connection leads to: what follows its last arrow.
fn far_end(route: &str) -> &str {
    let route = route.split(" (").next().unwrap_or(route);
    let route = route.rsplit_once("->").map_or(route, |(_, end)| end);
    route.split(' ').next().unwrap_or(route)
}

/// Reads how long a connection can be kept: `indefinitely`, `for 5.0 seconds`, `for 3 MINUTES`.
/// The outer `None` is for what is neither.
#[expect(clippy::option_option, reason = "for ever is a time too")]
fn kept(text: &str) -> Option<Option<Duration>> {
    if text.starts_with("indefinitely") {
        return Some(None);
    }
    let mut words = text.strip_prefix("for ")?.split_whitespace();
    let count: f64 = words.next()?.parse().ok()?;
    let unit = words.next()?.to_ascii_lowercase();
    let seconds = match unit.trim_end_matches('s') {
        "nanosecond" => 1e-9,
        "microsecond" => 1e-6,
        "millisecond" => 1e-3,
        "second" => 1.0,
        "minute" => 60.0,
        "hour" => 3_600.0,
        "day" => 86_400.0,
        _ => return None,
    };
    Some(Some(Duration::try_from_secs_f64(count * seconds).ok()?))
}
