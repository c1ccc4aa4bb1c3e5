//! An entry of the connection log: one connection that a client opened, and nothing of its end.

use std::net::SocketAddr;

use halfopen_core::time::Instant;

use super::fields::{Fields, ip_address, number, present, text};
use crate::record::{Accepted, What};
use crate::stamp;

/// Reads an entry.
pub(super) fn entry(line: &[u8]) -> Option<(Instant, What)> {
    let mut fields = Fields::of(line);
    let at = stamp::utc(fields.next()?)?;
    let client = SocketAddr::new(ip_address(fields.next()?)?, number(fields.next()?)?);
    let listener_port = number(fields.next()?)?;
    // Protocol, cipher and time of the TLS handshake; the client's certificate in three fields.
    let status = fields.nth(6).and_then(present);
    let failed = status.and_then(|status| status.strip_prefix(b"Failed:")).map(text);
    let connection_trace = fields.next().and_then(present).map(text);
    Some((at, What::Accepted(Accepted { client, listener_port, failed, connection_trace })))
}
