//! What programs write when a request fails, and what it means for the connection.

use std::sync::LazyLock;

use regex::RegexSet;

use crate::record::{Failure, How};

/// A text by which a failure is known.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// The text, in which case does not count.
    pub text: &'static str,
    /// What it means.
    pub how: How,
    /// Who writes it, or where it is documented.
    pub source: &'static str,
}

const fn text(text: &'static str, how: How, source: &'static str) -> Text {
    Text { text, how, source }
}

/// Of a failure's words so many bytes are kept.
const WORDS_MAX: usize = 400;

/// All texts. Where a line holds several, the first of these counts: the particular stands before
/// the general (`socket hang up` comes with the code `ECONNRESET`, and means no reset).
pub const TEXTS: &[Text] = &[
    // No connection of the pool.
    text(
        "Timeout waiting for connection from pool",
        How::LeaseTimedOut,
        "Apache HttpClient 4, PoolingHttpClientConnectionManager.leaseConnection",
    ),
    text(
        "ConnectionRequestTimeoutException",
        How::LeaseTimedOut,
        "Apache HttpClient 5, InternalExecRuntime.acquireEndpoint",
    ),
    text("PoolTimeout", How::LeaseTimedOut, "httpx, Exceptions"),
    text(
        "Pool#acquire(Duration) has been pending",
        How::LeaseTimedOut,
        "reactor-pool, PoolAcquireTimeoutException",
    ),
    // No connection at all.
    text("Cannot assign requested address", How::NoPort, "Linux errno(3), EADDRNOTAVAIL"),
    text("EADDRNOTAVAIL", How::NoPort, "Linux errno(3)"),
    text("Connection refused", How::Refused, "Linux errno(3), ECONNREFUSED"),
    text("ECONNREFUSED", How::Refused, "Linux errno(3)"),
    text("No route to host", How::Unreachable, "Linux errno(3), EHOSTUNREACH"),
    text("Network is unreachable", How::Unreachable, "Linux errno(3), ENETUNREACH"),
    text("EHOSTUNREACH", How::Unreachable, "Linux errno(3)"),
    text("ENETUNREACH", How::Unreachable, "Linux errno(3)"),
    text("UnknownHostException", How::Unreachable, "JDK, java.net.UnknownHostException"),
    text("no such host", How::Unreachable, "Go, net.DNSError"),
    text("ENOTFOUND", How::Unreachable, "Node.js, Errors: common system errors"),
    text("EAI_AGAIN", How::Unreachable, "getaddrinfo(3)"),
    text("Name or service not known", How::Unreachable, "gai_strerror(3), EAI_NONAME"),
    text("Temporary failure in name resolution", How::Unreachable, "gai_strerror(3), EAI_AGAIN"),
    text(
        "connect timed out",
        How::ConnectTimedOut,
        "JDK, java.net.Socket.connect; Apache HttpClient, ConnectTimeoutException",
    ),
    text(
        "ConnectTimeout",
        How::ConnectTimedOut,
        "requests, httpx, urllib3, Apache HttpClient: their exceptions' names",
    ),
    text("UND_ERR_CONNECT_TIMEOUT", How::ConnectTimedOut, "undici, Errors"),
    text("connect ETIMEDOUT", How::ConnectTimedOut, "Node.js, net.Socket"),
    text("while connecting to upstream", How::ConnectTimedOut, "nginx, ngx_http_upstream.c"),
    // Closed without an answer.
    text("failed to respond", How::Closed, "Apache HttpClient 4 and 5, NoHttpResponseException"),
    text(
        "socket hang up",
        How::Closed,
        "Node.js http.Agent, measured: FIN; its code is ECONNRESET",
    ),
    text("other side closed", How::Closed, "undici, UND_ERR_SOCKET, measured: FIN"),
    text("Server disconnected", How::Closed, "httpx, aiohttp, measured: FIN"),
    text(
        "unexpected end of file from server",
        How::Closed,
        "JDK, sun.net.www.http.HttpClient.parseHTTP",
    ),
    text("unexpected end of stream", How::Closed, "OkHttp, Http1ExchangeCodec"),
    text(
        "Connection prematurely closed BEFORE response",
        How::Closed,
        "Reactor Netty, PrematureCloseException",
    ),
    text(
        "connection closed before message completed",
        How::Closed,
        "hyper, IncompleteMessage, measured: FIN",
    ),
    text("Peer disconnected", How::Closed, "ureq 3, measured: FIN"),
    text(
        "http: server closed idle connection",
        How::Closed,
        "Go, net/http transport.go, errServerClosedIdle",
    ),
    text("\": EOF", How::Closed, "Go, net/url Error.Error around io.EOF, measured: FIN"),
    text("EOFError", How::Closed, "Ruby Net::HTTP, measured: FIN"),
    text("Connection closed by peer", How::Closed, "Apache HttpCore 5, ConnectionClosedException"),
    text("upstream prematurely closed connection", How::Closed, "nginx, ngx_http_upstream.c"),
    text("[read] I/O error: end of stream", How::Closed, "Apache HttpClient 4, wire log"),
    // Ended, and not said how. Where head and body go out apart, the reset meets the body's write,
    // which urllib3 passes over, and the read after it finds an end.
    text(
        "Remote end closed connection without response",
        How::ResetOrClosed,
        "Python http.client; captures/bracket-nat350-requests has it of resets",
    ),
    text("RemoteDisconnected", How::ResetOrClosed, "Python http.client"),
    text(
        "header parser received no bytes",
        How::ResetOrClosed,
        "JDK java.net.http, measured: FIN and RST",
    ),
    text(
        "EOF reached while reading",
        How::ResetOrClosed,
        "JDK java.net.http, measured: FIN and RST",
    ),
    text(
        "expected to be kept alive was closed by the server",
        How::ResetOrClosed,
        ".NET Framework, WebException; quoted by Azure's documentation of the Load Balancer",
    ),
    // Reset.
    text(
        "Connection reset",
        How::Reset,
        "Linux errno(3), ECONNRESET; JDK, java.net.SocketException",
    ),
    text("ECONNRESET", How::Reset, "Linux errno(3)"),
    text(
        "An existing connection was forcibly closed",
        How::Reset,
        "Windows Sockets error codes, WSAECONNRESET",
    ),
    text("Broken pipe", How::BrokenPipe, "Linux errno(3), EPIPE"),
    text("EPIPE", How::BrokenPipe, "Linux errno(3)"),
    // No answer in time.
    text("awaiting headers", How::TimedOut, "Go, net/http client.go, httpError"),
    text("context deadline exceeded", How::TimedOut, "Go, context.DeadlineExceeded"),
    text(
        "timeout awaiting response headers",
        How::TimedOut,
        "Go, net/http transport.go, ResponseHeaderTimeout",
    ),
    text("i/o timeout", How::TimedOut, "Go, os.ErrDeadlineExceeded"),
    text(
        "Read timed out",
        How::TimedOut,
        "JDK, java.net.SocketTimeoutException; urllib3, ReadTimeoutError",
    ),
    text(
        "ReadTimeout",
        How::TimedOut,
        "requests, httpx: ReadTimeout; Ruby: Net::ReadTimeout; Reactor Netty: ReadTimeoutException",
    ),
    text("SocketTimeoutException", How::TimedOut, "JDK, java.net.SocketTimeoutException"),
    text("HttpTimeoutException", How::TimedOut, "JDK, java.net.http.HttpTimeoutException"),
    text("ETIMEDOUT", How::TimedOut, "Linux errno(3); Node.js, ESOCKETTIMEDOUT"),
    text("UND_ERR_HEADERS_TIMEOUT", How::TimedOut, "undici, Errors"),
    text("upstream timed out", How::TimedOut, "nginx, ngx_http_upstream.c"),
    text(
        "operation timed out",
        How::TimedOut,
        "reqwest, hyper: operation timed out; libcurl, CURLE_OPERATION_TIMEDOUT",
    ),
    text("Connection timed out", How::TimedOut, "Linux errno(3), ETIMEDOUT"),
    // By the program's own will.
    text("context canceled", How::Cancelled, "Go, context.Canceled"),
    text("Request aborted", How::Cancelled, "Apache HttpClient, RequestAbortedException"),
    text("operation was aborted", How::Cancelled, "WHATWG DOM, AbortError, as Node.js words it"),
    text("operation was canceled", How::Cancelled, "hyper, Error::Canceled"),
    text("java.io.IOException: Canceled", How::Cancelled, "OkHttp, RealCall"),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = TEXTS.iter().map(|known| format!("(?i-u){}", regex::escape(known.text)));
    RegexSet::new(patterns).expect("texts without syntax make patterns")
});

/// Returns what the failure means that a text tells of; `None` if it tells of none that is known.
#[must_use]
pub fn meaning(words: &str) -> Option<How> {
    let first = SET.matches(words).iter().next()?;
    Some(TEXTS[first].how)
}

/// Returns the failure that a program words so.
#[must_use]
pub fn worded(words: &str) -> Failure {
    let words = words.trim();
    let kept = &words[..words.floor_char_boundary(WORDS_MAX)];
    Failure { how: meaning(words).unwrap_or(How::Other), text: kept.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_means_what_its_row_says() {
        for known in TEXTS {
            assert!(!known.source.is_empty());
            assert_eq!(meaning(known.text), Some(known.how), "{}", known.text);
        }
    }

    #[test]
    fn failures_are_told_apart_as_their_clients_word_them() {
        for line in include_str!("failure/words.txt").lines() {
            let (how, words) = line.split_once(": ").unwrap();
            assert_eq!(format!("{:?}", meaning(words).unwrap()), how, "{words}");
        }
        assert_eq!(meaning("OK paid"), None);
    }

    #[test]
    fn of_long_words_the_beginning_is_kept() {
        let failure = worded(&"한".repeat(1_000));
        assert_eq!(failure.how, How::Other);
        assert!(failure.text.len() <= WORDS_MAX && failure.text.len() > WORDS_MAX - 3);
    }
}
