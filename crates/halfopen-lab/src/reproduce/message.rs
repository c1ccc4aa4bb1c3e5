//! Just enough HTTP/1.1 (RFC 9112) for a server whose clients are known.
//!
//! A request is its head, of which the request's number and what says how long the body is are
//! read, and its body. Requests are not pipelined.

use std::io;
use std::io::ErrorKind;

use halfopen_core::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The field that a request's number stands in.
pub(super) const NUMBER: &str = "request-number";
/// A head is not longer than this.
const HEAD_MAX: usize = 16 << 10;
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

/// A request, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Its number, if its client has given it one.
    pub(super) number: Option<u32>,
}

/// Reads a request; `None` if the peer closed before its first byte.
///
/// Not cancel safe: what was read is lost.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Request>> {
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
    let Head { number, length, chunked } = parse(&bytes[..head]).ok_or(ErrorKind::InvalidData)?;
    bytes.drain(..head);
    if chunked {
        skip_chunks(stream, &mut bytes).await?;
    } else {
        skip(stream, &mut bytes, length).await?;
    }
    Ok(Some(Request { number }))
}

/// Passes a body over that comes in chunks (RFC 9112 section 7.1), of which `bytes` is the
/// beginning.
async fn skip_chunks(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = line(stream, bytes).await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        match usize::from_str_radix(size, 16) {
            Ok(0) => break,
            Ok(size) => skip(stream, bytes, size).await?,
            Err(_) => return Err(ErrorKind::InvalidData.into()),
        }
        // The end of the chunk.
        self::line(stream, bytes).await?;
    }
    while !line(stream, bytes).await?.is_empty() {}
    Ok(())
}

/// Takes a line, without its end.
async fn line(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<String> {
    loop {
        if let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = bytes.drain(..=end).collect();
            let line = String::from_utf8(line).map_err(|_| ErrorKind::InvalidData)?;
            return Ok(line.trim_end().to_owned());
        }
        if bytes.len() > HEAD_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        if stream.read_buf(bytes).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Passes so many bytes over, of which `bytes` are the first.
async fn skip(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    length: usize,
) -> io::Result<()> {
    let here = length.min(bytes.len());
    bytes.drain(..here);
    let mut missing = length - here;
    let mut buffer = [0; 4096];
    while missing > 0 {
        let room = missing.min(buffer.len());
        match stream.read(&mut buffer[..room]).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => missing -= read,
        }
    }
    Ok(())
}

fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END).map(|at| at + END.len())
}

struct Head {
    number: Option<u32>,
    length: usize,
    chunked: bool,
}

fn parse(head: &[u8]) -> Option<Head> {
    let mut parsed = Head { number: None, length: 0, chunked: false };
    for line in core::str::from_utf8(head).ok()?.lines().skip(1) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            parsed.length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            parsed.chunked = true;
        } else if name.eq_ignore_ascii_case(NUMBER) {
            parsed.number = Some(value.parse().ok()?);
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
        let Head { number, length, .. } = parse(head).unwrap();
        assert_eq!((number, length), (Some(12), 9));
    }

    #[tokio::test]
    async fn a_body_in_chunks_ends_where_it_says() {
        let head = "POST /pay HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = "5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
        let mut stream = &*format!("{head}{body}").into_bytes();
        let request = Request { number: None };
        assert_eq!(read(&mut stream).await.unwrap(), Some(request));
        assert_eq!(stream, b"");
        let mut cut = &*format!("{head}5\r\nhel").into_bytes();
        assert_eq!(read(&mut cut).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        let mut odd = &*format!("{head}five\r\n").into_bytes();
        assert_eq!(read(&mut odd).await.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
