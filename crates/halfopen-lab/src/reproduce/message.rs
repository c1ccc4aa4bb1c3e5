//! Just enough HTTP/1.1 (RFC 9112) for a server whose clients are known.
//!
//! A request is its head, of which `Content-Length` and the request's number are read, and a body
//! of that length; none of the clients here sends chunks.

use std::io;
use std::io::ErrorKind;

use halfopen_core::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The field that a request's number stands in.
pub(super) const NUMBER: &str = "request-number";
/// A head is not longer than this.
const HEAD_MAX: usize = 1024;
const END: &[u8] = b"\r\n\r\n";

/// Returns a response of `bytes` bytes, or of its head's length if that is more.
pub(super) fn response(number: u32, bytes: u32, hint: Option<Duration>) -> Vec<u8> {
    let hint =
        hint.map_or(String::new(), |hint| format!("Keep-Alive: timeout={}\r\n", hint.as_secs()));
    padded(bytes, |length| {
        format!(
            "HTTP/1.1 200 OK\r\nRequest-Number: {number}\r\n{hint}Content-Length: {length}\r\n\r\n"
        )
    })
}

/// Returns a head and a body that together have `bytes` bytes, if the head leaves room for one.
fn padded(bytes: u32, head: impl Fn(usize) -> String) -> Vec<u8> {
    let bytes = bytes as usize;
    let mut length = bytes.saturating_sub(head(0).len());
    // The length's own digits count.
    length = bytes.saturating_sub(head(length).len());
    let mut message = head(length).into_bytes();
    message.resize(message.len() + length, b'x');
    message
}

/// Reads a request and returns its number; `None` if the peer closed before its first byte.
///
/// Not cancel safe: what was read is lost.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<u32>> {
    let mut bytes = Vec::with_capacity(512);
    let head = loop {
        if let Some(end) = find_end(&bytes) {
            break end;
        }
        if bytes.len() > HEAD_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        match stream.read_buf(&mut bytes).await? {
            0 if bytes.is_empty() => return Ok(None),
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
    };
    let Head { number, length } = parse(&bytes[..head]).ok_or(ErrorKind::InvalidData)?;
    let mut missing = length.saturating_sub(bytes.len() - head);
    let mut buffer = [0; 4096];
    while missing > 0 {
        let room = missing.min(buffer.len());
        match stream.read(&mut buffer[..room]).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => missing -= read,
        }
    }
    Ok(Some(number))
}

fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END).map(|at| at + END.len())
}

struct Head {
    number: u32,
    length: usize,
}

fn parse(head: &[u8]) -> Option<Head> {
    let mut parsed = Head { number: 0, length: 0 };
    for line in core::str::from_utf8(head).ok()?.lines().skip(1) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            parsed.length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case(NUMBER) {
            parsed.number = value.parse().ok()?;
        }
    }
    Some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_the_length_asked_for() {
        for bytes in [150, 256, 1000, 100_000] {
            assert_eq!(response(7, bytes, Some(Duration::from_mins(1))).len(), bytes as usize);
        }
    }

    #[test]
    fn a_head_is_read_however_its_names_are_written() {
        let head = b"POST /pay HTTP/1.1\r\nCONTENT-length: 9\r\nRequest-Number: 12\r\n\r\n";
        let Head { number, length } = parse(head).unwrap();
        assert_eq!((number, length), (12, 9));
    }
}
