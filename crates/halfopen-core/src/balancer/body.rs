//! Where the body of a message ends (RFC 9112 section 6).

use crate::hop::Refusal;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// It has so many bytes.
    Length(u64),
    /// It comes in chunks.
    Chunked,
    /// It goes on until its sender closes the connection.
    UntilClose,
}

/// What chunk extensions and trailers may take of one body, in bytes: no limit of the protocol, but
/// nobody may send them without end.
const OVERHEAD_MAX: u32 = 16 << 10;

/// Reads a body, a piece at a time, to find its end.
#[derive(Clone, Debug)]
pub(super) struct Body {
    state: State,
    /// Bytes of chunk extensions and trailers so far.
    overhead: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ended,
    /// So much content is left of the body.
    Length(u64),
    UntilClose,
    /// So much content is left of a chunk.
    Chunk(u64),
    /// Between the contents of chunks.
    Between(Mark),
}

/// Where in the chunked coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Size { value: u64, digits: u8 },
    Extension { size: u64 },
    SizeEnd { size: u64 },
    ChunkReturn,
    ChunkEnd,
    TrailerStart,
    Trailer,
    TrailerEnd,
    LastEnd,
}

impl Mark {
    const START: Self = Self::Size { value: 0, digits: 0 };
}

/// The first part of some bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// How many bytes it took; zero only if there were none, or the body has ended.
    pub(super) taken: usize,
    /// What of them is content rather than framing.
    pub(super) content: &'a [u8],
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Ended,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Between(Mark::START),
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, overhead: 0 }
    }

    /// Reads up to the end of the first run of content, or of the body.
    pub(super) fn read<'a>(&mut self, bytes: &'a [u8]) -> Result<Piece<'a>, Refusal> {
        let mut taken = 0;
        while let Some(&byte) = bytes.get(taken) {
            let left = match self.state {
                State::Ended => break,
                State::UntilClose => u64::MAX,
                State::Length(left) | State::Chunk(left) => left,
                State::Between(mark) => {
                    self.state = self.step(mark, byte)?;
                    taken += 1;
                    continue;
                }
            };
            let rest = &bytes[taken..];
            let content = &rest[..rest.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            self.skip(left - content.len() as u64);
            return Ok(Piece { taken: taken + content.len(), content });
        }
        Ok(Piece { taken, content: &[] })
    }

    /// Notes how much content is left of a run.
    fn skip(&mut self, left: u64) {
        self.state = match self.state {
            State::Length(_) if left == 0 => State::Ended,
            State::Length(_) => State::Length(left),
            State::Chunk(_) if left == 0 => State::Between(Mark::ChunkReturn),
            State::Chunk(_) => State::Chunk(left),
            State::Ended | State::UntilClose | State::Between(_) => return,
        };
    }

    /// Notes that the sender closed; false if the body had not ended.
    pub(super) fn close(&mut self) -> bool {
        if self.state == State::UntilClose {
            self.state = State::Ended;
        }
        self.ended()
    }

    pub(super) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes a byte of the chunked coding that is not content (RFC 9112 section 7.1). A line ends
    /// with CR LF and nothing else, since others may read a bare LF differently.
    fn step(&mut self, mark: Mark, byte: u8) -> Result<State, Refusal> {
        let next = match (mark, byte) {
            (Mark::Size { value, digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                Mark::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Mark::Size { value: size, digits: 1.. } | Mark::Extension { size }, b'\r') => {
                Mark::SizeEnd { size }
            }
            (Mark::Size { value: size, digits: 1.. }, b';' | b' ' | b'\t') => {
                self.spend()?;
                Mark::Extension { size }
            }
            (Mark::Extension { size }, _) if byte != b'\n' => {
                self.spend()?;
                Mark::Extension { size }
            }
            (Mark::SizeEnd { size: 0 } | Mark::TrailerEnd, b'\n') => Mark::TrailerStart,
            (Mark::SizeEnd { size }, b'\n') => return Ok(State::Chunk(size)),
            (Mark::ChunkReturn, b'\r') => Mark::ChunkEnd,
            (Mark::ChunkEnd, b'\n') => Mark::START,
            (Mark::TrailerStart, b'\r') => Mark::LastEnd,
            (Mark::Trailer, b'\r') => Mark::TrailerEnd,
            (Mark::TrailerStart | Mark::Trailer, _) if byte != b'\n' => {
                self.spend()?;
                Mark::Trailer
            }
            (Mark::LastEnd, b'\n') => return Ok(State::Ended),
            _ => return Err(Refusal::Malformed),
        };
        Ok(State::Between(next))
    }

    fn spend(&mut self) -> Result<(), Refusal> {
        self.overhead += 1;
        if self.overhead > OVERHEAD_MAX { Err(Refusal::Malformed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` in pieces of `step` bytes; returns the content and what was left over.
    fn read(framing: Framing, bytes: &[u8], step: usize) -> Result<(Vec<u8>, usize), Refusal> {
        let (mut body, mut content, mut at) = (Body::new(framing), Vec::new(), 0);
        while at < bytes.len() && !body.ended() {
            let piece = body.read(&bytes[at..bytes.len().min(at + step)])?;
            assert!(piece.taken > 0, "{body:?} does not move on");
            content.extend_from_slice(piece.content);
            at += piece.taken;
        }
        assert!(body.ended(), "{body:?}");
        Ok((content, bytes.len() - at))
    }

    #[test]
    fn a_body_ends_where_its_framing_says_however_it_is_cut() {
        let chunked =
            b"4\r\nWiki\r\n6;x=\"y\"\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nA: b\r\n\r\nGET";
        for step in 1..chunked.len() {
            let (content, left) = read(Framing::Chunked, chunked, step).unwrap();
            assert_eq!(content, b"Wikipedia in \r\n\r\nchunks.");
            assert_eq!(left, 3, "what follows is the next request's");
            let (content, left) = read(Framing::Length(5), b"12345678", step).unwrap();
            assert_eq!((&content[..], left), (&b"12345"[..], 3));
        }
        assert_eq!(read(Framing::Empty, b"next", 4).unwrap(), (vec![], 4));
    }

    #[test]
    fn chunks_that_two_readers_could_read_differently_are_refused() {
        for bad in ["\r\n", "g\r\n", "1\n", "1\r\nab", "1 \n", "0\r\nA: b\n", "-1\r\n", "+1\r\n"] {
            let refused = read(Framing::Chunked, bad.as_bytes(), 1).unwrap_err();
            assert_eq!(refused, Refusal::Malformed, "{bad:?}");
        }
        let too_long = format!("{:017x}\r\n", 1);
        assert!(read(Framing::Chunked, too_long.as_bytes(), 5).is_err());
    }

    #[test]
    fn extensions_and_trailers_have_an_end() {
        let endless = format!("0\r\n{}", "A: b\r\n".repeat(OVERHEAD_MAX as usize / 4 + 1));
        assert_eq!(read(Framing::Chunked, endless.as_bytes(), 100), Err(Refusal::Malformed));
    }

    #[test]
    fn only_a_body_without_length_may_end_with_its_connection() {
        assert!(Body::new(Framing::UntilClose).close());
        assert!(!Body::new(Framing::Length(1)).close());
        assert!(!Body::new(Framing::Chunked).close());
    }
}
