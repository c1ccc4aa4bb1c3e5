//! The heads of requests and responses: what they say of the message, and how they are passed on.

use std::net::SocketAddr;

use httparse::{EMPTY_HEADER, Header, Status};

use super::body::Framing;
use super::config::Limits;
use crate::hop::Refusal;

/// How many fields a head may have. No limit of the protocol: what a machine holds has a limit.
const FIELDS_MAX: usize = 128;

/// Fields that concern one connection and are not passed on (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// Fields that the balancer sets itself.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", TRACE_ID];

const TRACE_ID: &str = "x-amzn-trace-id";

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The head as it goes to the target.
    pub(super) forward: Vec<u8>,
    pub(super) framing: Framing,
    /// Whether the client will send another request on this connection.
    pub(super) keeps_alive: bool,
    /// Whether the client speaks HTTP/1.0.
    pub(super) old: bool,
    /// Whether it asks for a head without a body.
    pub(super) head_only: bool,
    /// Method, address and version, as a log writes them.
    pub(super) line: String,
    pub(super) user_agent: Option<String>,
    pub(super) trace_id: String,
}

/// Who asks, and what is added to the request because of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) client: SocketAddr,
    pub(super) listener_port: u16,
    /// The root of a trace that begins here, such as `1-58337262-36d228ad5d99923122bbe354`.
    pub(super) trace: &'a str,
}

/// A response's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// Whether the target takes another request on this connection.
    pub(super) keeps_alive: bool,
    /// The first line and the fields as they go to the client, still without their end.
    pub(super) forward: Vec<u8>,
}

/// Reads a request's head at the start of `bytes`, and returns it with its length; `None` if it is
/// not whole.
pub(super) fn request(
    bytes: &[u8],
    limits: &Limits,
    origin: Origin<'_>,
) -> Result<Option<(Request, usize)>, Refusal> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let status = parsed.parse(bytes).map_err(|_| Refusal::Malformed)?;
    let line_len = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let Status::Complete(length) = status else {
        let fits = line_len <= limits.request_line && bytes.len() <= limits.request_head;
        return if fits { Ok(None) } else { Err(Refusal::Malformed) };
    };
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refusal::Malformed);
    };
    let long = |field: &Header<'_>| field.name.len() + field.value.len() > limits.field;
    let too_long = line_len > limits.request_line || length > limits.request_head;
    if too_long || parsed.headers.iter().any(long) {
        return Err(Refusal::Malformed);
    }
    let fields = Fields(parsed.headers);
    let old = minor == 0;
    let host = fields.only("host")?;
    // RFC 9112 section 3.2: without a host, HTTP/1.1 is malformed; a tunnel is not for a balancer.
    if host.is_none() && !old || method == "CONNECT" {
        return Err(Refusal::Malformed);
    }
    let trace_id = trace_id(fields, origin.trace);
    let framing = request_framing(fields, old)?;
    let request = Request {
        forward: forwarded_request((method, target), fields, framing, origin, &trace_id),
        framing,
        keeps_alive: fields.keeps_alive(old),
        old,
        head_only: method == "HEAD",
        line: log_line((method, target, minor), host, origin.listener_port),
        user_agent: fields.get("user-agent").map(|value| text(value).into_owned()),
        trace_id,
    };
    Ok(Some((request, length)))
}

/// Reads a response's head, likewise. `head_only` says that the request wants no body.
pub(super) fn response(
    bytes: &[u8],
    limits: &Limits,
    head_only: bool,
) -> Result<Option<(Response, usize)>, Refusal> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let parse = parsed.parse(bytes).map_err(|_| Refusal::BadResponse)?;
    let Status::Complete(length) = parse else {
        let fits = bytes.len() <= limits.response_head;
        return if fits { Ok(None) } else { Err(Refusal::BadResponse) };
    };
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
        return Err(Refusal::BadResponse);
    };
    // Upgrades are not passed on, so nothing can be switched to.
    if length > limits.response_head || status == 101 || status < 100 {
        return Err(Refusal::BadResponse);
    }
    let fields = Fields(parsed.headers);
    let framing = response_framing(fields, status, head_only)?;
    let both = fields.get("transfer-encoding").is_some() && fields.get("content-length").is_some();
    let mut forward = format!("HTTP/1.1 {status} {}\r\n", parsed.reason.unwrap_or("")).into_bytes();
    fields.pass_on(&mut forward, &[]);
    let keeps_alive = fields.keeps_alive(minor == 0) && framing != Framing::UntilClose && !both;
    Ok(Some((Response { status, framing, keeps_alive, forward }, length)))
}

/// The fields of a head, in their order.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [Header<'a>]);

impl<'a> Fields<'a> {
    fn all(self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value)
    }

    fn get(self, name: &'static str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Returns the value of a field that may stand once.
    fn only(self, name: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal::Malformed),
            (value, None) => Ok(value),
        }
    }

    fn content_length(self) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.only("content-length")? else { return Ok(None) };
        let digits = value.iter().all(u8::is_ascii_digit);
        let length = core::str::from_utf8(value).ok().filter(|_| digits);
        length.and_then(|length| length.parse().ok()).map(Some).ok_or(Refusal::Malformed)
    }

    /// Tells whether `name` is an option of the connection.
    fn connection_has(self, name: &str) -> bool {
        let options = self.all("connection").flat_map(|value| value.split(|&byte| byte == b','));
        options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// RFC 9112 section 9.3.
    fn keeps_alive(self, old: bool) -> bool {
        !self.connection_has("close") && (!old || self.connection_has("keep-alive"))
    }

    /// Writes the fields that concern the next hop too, but none of `without`.
    fn pass_on(self, out: &mut Vec<u8>, without: &[&str]) {
        let is = |field: &Header<'_>, names: &[&str]| {
            names.iter().any(|name| field.name.eq_ignore_ascii_case(name))
        };
        for field in self.0 {
            // Nobody may strike these from a message (RFC 9110 section 7.6.1).
            let kept = is(field, &["host", "content-length"]);
            let hop_by_hop = is(field, &HOP_BY_HOP) || self.connection_has(field.name) && !kept;
            if !hop_by_hop && !is(field, without) {
                write_field(out, field.name, field.value);
            }
        }
    }
}

pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// RFC 9112 section 6.3. A request that says two lengths is refused (section 6.1).
fn request_framing(fields: Fields<'_>, old: bool) -> Result<Framing, Refusal> {
    let length = fields.content_length()?;
    match fields.only("transfer-encoding")? {
        None => Ok(length.map_or(Framing::Empty, Framing::Length)),
        Some(_) if old || length.is_some() => Err(Refusal::Malformed),
        Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        Some(_) => Err(Refusal::Unsupported),
    }
}

fn response_framing(fields: Fields<'_>, status: u16, head_only: bool) -> Result<Framing, Refusal> {
    if head_only || matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::Empty);
    }
    let coding = fields.only("transfer-encoding").map_err(|_| Refusal::BadResponse)?;
    match coding {
        Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        Some(_) => Err(Refusal::BadResponse),
        None => {
            let length = fields.content_length().map_err(|_| Refusal::BadResponse)?;
            Ok(length.map_or(Framing::UntilClose, Framing::Length))
        }
    }
}

fn forwarded_request(
    (method, target): (&str, &str),
    fields: Fields<'_>,
    framing: Framing,
    origin: Origin<'_>,
    trace_id: &str,
) -> Vec<u8> {
    let mut out = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    let mut clients = fields.all("x-forwarded-for").collect::<Vec<_>>();
    let client = origin.client.ip().to_string();
    clients.push(client.as_bytes());
    write_field(&mut out, "X-Forwarded-For", &clients.join(&b", "[..]));
    write_field(&mut out, "X-Forwarded-Proto", b"http");
    write_field(&mut out, "X-Forwarded-Port", origin.listener_port.to_string().as_bytes());
    fields.pass_on(&mut out, &FORWARDED);
    if framing == Framing::Chunked {
        write_field(&mut out, "Transfer-Encoding", b"chunked");
    }
    write_field(&mut out, "X-Amzn-Trace-Id", trace_id.as_bytes());
    out.extend_from_slice(b"\r\n");
    out
}

/// Begins a trace, or adds the balancer to one that the client began.
fn trace_id(fields: Fields<'_>, trace: &str) -> String {
    match fields.get(TRACE_ID).map(text) {
        Some(given) if given.contains("Root=") => format!("Self={trace};{given}"),
        Some(_) | None => format!("Root={trace}"),
    }
}

/// Writes the request line with the whole address, as the access log has it.
fn log_line((method, target, minor): (&str, &str, u8), host: Option<&[u8]>, port: u16) -> String {
    let host = host.map_or("-".into(), text);
    // A port that the client named is replaced by the listener's; colons in brackets are IPv6.
    let bare = match host.rsplit_once(':') {
        Some((bare, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        Some(_) | None => &host,
    };
    let path = if target.starts_with('/') { target } else { "" };
    if path.is_empty() && target.contains("://") {
        format!("{method} {target} HTTP/1.{minor}")
    } else {
        let path = if path.is_empty() { "/" } else { path };
        format!("{method} http://{bare}:{port}{path} HTTP/1.{minor}")
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
