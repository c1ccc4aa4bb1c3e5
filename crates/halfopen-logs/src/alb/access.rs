//! An entry of the access log: one request.

use halfopen_core::time::Instant;

use super::fields::{Fields, Strange, address, number, present, seconds, text};
use crate::record::{Balanced, What};
use crate::stamp;

/// What comes first in an entry: `http`, `https`, `h2`, `ws`, `wss`, `grpcs`. A word that is not
/// among them may be one that came later.
const TYPE_LEN_MAX: usize = 8;

/// Reads an entry of at least the fields up to the request line; what an older log does not have
/// is `None`.
pub(super) fn entry(line: &[u8]) -> Option<(Instant, What)> {
    let mut fields = Fields::of(line);
    let kind = fields.next()?;
    if kind.len() > TYPE_LEN_MAX || !kind.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let at = stamp::utc(fields.next()?)?;
    let _balancer = fields.next()?;
    let client = address(fields.next()?)?;
    let target = fields.next().map(|field| present(field).map(address))?;
    let [request_processing, target_processing, response_processing] = [
        seconds(fields.next()?).ok()?,
        seconds(fields.next()?).ok()?,
        seconds(fields.next()?).ok()?,
    ];
    let [status, target_status] = [status(fields.next()?).ok()?, status(fields.next()?).ok()?];
    let [received_bytes, sent_bytes] = [number(fields.next()?)?, number(fields.next()?)?];
    let request = text(fields.next()?);
    let user_agent = fields.next().and_then(present).map(text);
    // Cipher and protocol, target group, trace, domain, certificate, rule.
    let created = fields.nth(7).and_then(stamp::utc);
    // Actions, the address of a redirect.
    let error = fields.nth(2).and_then(present).map(text);
    // All targets and their statuses, a classification and its reason.
    let connection_trace = fields.nth(4).and_then(present).map(text);
    let balanced = Balanced {
        client,
        target: target.flatten(),
        created,
        request_processing,
        target_processing,
        response_processing,
        status,
        target_status,
        received_bytes,
        sent_bytes,
        request,
        user_agent,
        error,
        connection_trace,
    };
    Some((at, What::Balanced(Box::new(balanced))))
}

/// Reads a status; `None` for `-` and for `000`, which stands where HTTP/2 had none to give.
fn status(field: &[u8]) -> Result<Option<u16>, Strange> {
    match field {
        b"-" | b"000" => Ok(None),
        _ => number(field).map(Some).ok_or(Strange),
    }
}
