//! One thing that a source says: when, in which line, and what.

use std::net::{IpAddr, SocketAddr};

use halfopen_core::time::{Duration, Instant};

/// One thing that a source says.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When, since the UNIX epoch, by the source's clock.
    pub at: Instant,
    /// In which line of its source, counted from one.
    pub line: u64,
    /// What.
    pub what: What,
}

/// What a source can say.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A client's log speaks of a connection or a request.
    Client(Http),
    /// A server's log speaks of a connection or a request.
    Server(Http),
    /// A balancer's access log: one request that it has seen.
    Balanced(Box<Balanced>),
    /// A balancer's connection log: one connection that was opened to it.
    Accepted(Accepted),
    /// A table of sockets was taken; its rows follow. How well its time is known holds for
    /// them too.
    Snapshot(Dating),
    /// One row of a table of sockets.
    Socket(Socket),
    /// A flow log's record of one flow, one way, over an interval.
    Traffic(Traffic),
    /// A flow log says why it has no flow for an interval.
    Blank(Blank),
    /// One data point of a metric.
    Point(Point),
}

/// What an HTTP client or server says of one of its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// What the log calls the connection (`http-outgoing-0`); `None` if it names none.
    pub connection: Option<Box<str>>,
    /// The addresses that it runs between, if the line says so.
    pub ends: Ends,
    /// What happened.
    pub step: Step,
}

/// The addresses of a connection, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The client's address and port.
    pub client: Option<SocketAddr>,
    /// The server's address and port.
    pub server: Option<SocketAddr>,
    /// The server as the log names it: `http://10.78.3.2:80`, `payment.example:443`.
    pub server_name: Option<Box<str>>,
}

/// What happens to a connection and the requests on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A connection is being opened.
    Opening,
    /// It is open.
    Opened,
    /// It was taken for a request; `idle` says whether it had been waiting for one.
    Leased {
        /// It comes from the pool, not fresh.
        reused: bool,
    },
    /// It was looked at before its use.
    Checked {
        /// What had come; `None` if nothing had, so that it passed for alive.
        ended: Option<How>,
    },
    /// A request is written.
    Request {
        /// Its method.
        method: Box<str>,
        /// Its target.
        target: Box<str>,
    },
    /// A response has come.
    Response {
        /// Its status.
        status: u16,
    },
    /// The server's `Keep-Alive` hint, or what the client makes of it; `None` is for ever.
    Kept(Option<Duration>),
    /// It went back to the pool.
    Released,
    /// It was closed by this side.
    Closed,
    /// A request failed, or the connection did.
    Failed(Failure),
    /// A whole exchange in one line: it began at the record's time.
    Exchange {
        /// The request line, as far as the log has it: `POST /pay`.
        request: Option<Box<str>>,
        /// How long it took.
        took: Option<Duration>,
        /// How it ended: a status, if the log has one, or a failure.
        outcome: Result<Option<u16>, Failure>,
    },
    /// The program that writes the log: `Apache-HttpClient/4.5.14 (Java/17)`.
    Product(Box<str>),
}

/// A failure as the program words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub how: How,
    /// The program's words.
    pub text: Box<str>,
}

/// What a failure means for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// A reset came (`ECONNRESET`).
    Reset,
    /// The far end closed without an answer.
    Closed,
    /// A write met a connection that was known to be closed (`EPIPE`).
    BrokenPipe,
    /// No response came in time.
    TimedOut,
    /// The program says that the connection ended without a response and not whether by a reset
    /// or a close.
    ResetOrClosed,
    /// No connection could be opened in time.
    ConnectTimedOut,
    /// The far end refused the connection.
    Refused,
    /// No way to the far end, or its name is not known.
    Unreachable,
    /// No address or port was left to open a connection from (`EADDRNOTAVAIL`).
    NoPort,
    /// No connection of the pool came free in time.
    LeaseTimedOut,
    /// The program itself gave up.
    Cancelled,
    /// Something else.
    Other,
}

/// A request in a balancer's access log.
#[derive(Clone, Debug, PartialEq)]
pub struct Balanced {
    /// Who asked, as the balancer saw it: behind a gateway, the gateway's address and port.
    pub client: SocketAddr,
    /// The target that was chosen.
    pub target: Option<SocketAddr>,
    /// When the request's first byte came; the record's time is when the response was made.
    pub created: Option<Instant>,
    /// Until the request was sent to the target; `None` if it never was.
    pub request_processing: Option<Duration>,
    /// From then until the target began to answer; `None` if it did not.
    pub target_processing: Option<Duration>,
    /// From then until the response was on its way.
    pub response_processing: Option<Duration>,
    /// The status that the client got; `None` if it got none (`-`).
    pub status: Option<u16>,
    /// The status that the target answered with.
    pub target_status: Option<u16>,
    /// The bytes that came with the request.
    pub received_bytes: u64,
    /// The bytes that went out with the response.
    pub sent_bytes: u64,
    /// The request line: `POST http://10.78.3.2:80/pay HTTP/1.1`.
    pub request: Box<str>,
    /// The `User-Agent` field.
    pub user_agent: Option<Box<str>>,
    /// The reason of an error, in AWS's word.
    pub error: Option<Box<str>>,
    /// Names the connection in the access log and the connection log.
    pub connection_trace: Option<Box<str>>,
}

/// A connection in a balancer's connection log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Who opened it.
    pub client: SocketAddr,
    /// The port that it was opened to.
    pub listener_port: u16,
    /// Why it was not established after all, in AWS's word: `ClientCertExpired`.
    pub failed: Option<Box<str>>,
    /// Names the connection in the access log and the connection log.
    pub connection_trace: Option<Box<str>>,
}

/// A row of a table of sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The state (RFC 9293 section 3.3.2).
    pub state: SocketState,
    /// This host's end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Bytes that came and were not read.
    pub unread: u64,
    /// Bytes that were sent and not acknowledged.
    pub unacknowledged: u64,
    /// The timer that runs.
    pub timer: Option<Running>,
    /// How long ago data was sent, received, and an acknowledgment came (`lastsnd`, `lastrcv`,
    /// `lastack` of `ss -i`).
    pub last: Option<Last>,
    /// Bytes sent and received over the connection's life, if the table has them.
    pub bytes: Option<(u64, u64)>,
    /// Segments sent again over the connection's life, if the table has them (`retrans` of
    /// `ss -i`).
    pub retransmitted: Option<u64>,
    /// The program that it belongs to, as the table names it: `java`.
    pub process: Option<Box<str>>,
}

/// How well the time of a table of sockets, or of a count, is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dating {
    /// It stands beside it.
    Stated,
    /// It does not stand there. The record's time is when the source was last written: it is no
    /// later than that, and may be earlier.
    Before,
    /// Nothing is known of it. The record's time is the epoch and means nothing.
    Unknown,
}

/// A timer of a socket that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Which.
    pub timer: Timer,
    /// How long until it goes off.
    pub left: Duration,
    /// How often it has gone off without an answer: retransmissions, or probes.
    pub unanswered: u32,
}

/// How long ago something passed on a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// Data was sent.
    pub sent: Duration,
    /// Data was received.
    pub received: Duration,
    /// An acknowledgment came.
    pub acknowledged: Duration,
}

/// A state of TCP (RFC 9293 section 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SocketState {
    /// LISTEN.
    Listen,
    /// SYN-SENT.
    SynSent,
    /// SYN-RECEIVED.
    SynReceived,
    /// ESTABLISHED.
    Established,
    /// FIN-WAIT-1.
    FinWait1,
    /// FIN-WAIT-2.
    FinWait2,
    /// CLOSE-WAIT.
    CloseWait,
    /// CLOSING.
    Closing,
    /// LAST-ACK.
    LastAck,
    /// TIME-WAIT.
    TimeWait,
    /// CLOSED.
    Closed,
    /// The table has no column for it: it was asked for the sockets of one state, and does not say
    /// which.
    Unstated,
}

/// A timer of a socket, as `ss -o` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// `on`: something waits for its acknowledgment.
    Retransmission,
    /// `keepalive`.
    Keepalive,
    /// `timewait`.
    TimeWait,
    /// `persist`: the other end's window is zero.
    Persist,
    /// A name that is not known.
    Other,
}

/// A flow log's record: one flow, one way. A number that the log has no field for is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The interval's end; the record's time is its start.
    pub until: Instant,
    /// Who sent, as the interface saw it.
    pub source: (IpAddr, u16),
    /// To whom, as the interface saw it.
    pub destination: (IpAddr, u16),
    /// Who sent before any box on the way to the interface put its own address in that place
    /// (`pkt-srcaddr`): behind a NAT gateway, the instance.
    pub packet_source: Option<IpAddr>,
    /// To whom in the end (`pkt-dstaddr`).
    pub packet_destination: Option<IpAddr>,
    /// The protocol's number (IANA): 6 is TCP.
    pub protocol: u8,
    /// Packets in the interval.
    pub packets: u64,
    /// Bytes in the interval.
    pub bytes: u64,
    /// The TCP flags of all its packets together, if the log has them (FIN 1, SYN 2, RST 4,
    /// SYN-ACK 18).
    pub tcp_flags: Option<u8>,
    /// Security groups and network ACLs let it pass, if the log says whether.
    pub accepted: Option<bool>,
    /// Out of the interface, or into it, if the log says which.
    pub egress: Option<bool>,
    /// The number of the path that what leaves a VPC takes (`traffic-path`).
    pub path: Option<u8>,
    /// The network interface.
    pub interface: Option<Box<str>>,
}

/// Why a flow log has no flow for an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    /// The interval's end; the record's time is its start.
    pub until: Instant,
    /// Records were skipped (`SKIPDATA`), and that one is missing means nothing; otherwise nothing
    /// passed (`NODATA`).
    pub skipped: bool,
    /// The network interface.
    pub interface: Option<Box<str>>,
}

/// A data point of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric: `IdleTimeoutCount`.
    pub metric: Box<str>,
    /// What it was measured of: `NatGatewayId=nat-0123`.
    pub dimensions: Box<str>,
    /// How: `Sum`, `Maximum`.
    pub statistic: Box<str>,
    /// The length of the interval that begins at the record's time.
    pub period: Option<Duration>,
    /// How well the record's time is known.
    pub dating: Dating,
    /// The value.
    pub value: f64,
}
