//! What can be wrong with a capture, and where.

use core::fmt;
use std::io;

use super::FRAME_MAX;

/// Why a capture cannot be read, or not any further.
///
/// Offsets count the bytes of the capture, after decompression.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source failed.
    #[error("cannot read on after byte {offset}: {error}")]
    Read {
        /// How many bytes had been read.
        offset: u64,
        /// What the source said.
        #[source]
        error: io::Error,
    },
    /// The gzip stream is damaged.
    #[error("the gzip data is damaged after frame {after_frame}: {error}")]
    Gzip {
        /// The last frame that was read.
        after_frame: u64,
        /// What the decompressor said.
        #[source]
        error: io::Error,
    },
    /// Too few bytes to tell what it is.
    #[error("{}", too_short(*length))]
    TooShort {
        /// How many there are.
        length: usize,
    },
    /// Compressed with something other than gzip.
    #[error("the file is compressed with {with}; decompress it first")]
    Compressed {
        /// With what.
        with: &'static str,
    },
    /// Neither pcap nor pcapng.
    #[error("neither pcap nor pcapng: it starts with the bytes {magic:02x?}")]
    NotACapture {
        /// The first bytes.
        magic: [u8; 4],
    },
    /// A version that this reader does not know.
    #[error("version {major}.{minor} of the {format} format is not known")]
    Version {
        /// pcap or pcapng.
        format: &'static str,
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The file ends too early; the writer was killed, the disk was full, the copy broke off.
    #[error("the file ends in the middle of {within}; {}", frames_before(*after_frame))]
    Cut {
        /// The last frame that was read.
        after_frame: u64,
        /// Where the part begins that is not whole.
        offset: u64,
        /// What is not whole.
        within: Cut,
    },
    /// A frame claims more bytes than a frame can have.
    #[error(
        "frame {frame} at byte {offset} claims {length} bytes, and {FRAME_MAX} are the most: \
         the file is damaged there; {}", frames_before(frame - 1)
    )]
    FrameLength {
        /// The frame's number.
        frame: u64,
        /// Where its record begins.
        offset: u64,
        /// What it claims.
        length: u64,
    },
    /// A block of a pcapng file makes no sense.
    #[error(
        "the {} at byte {offset} {fault}: the file is damaged there; {}",
        block_name(*kind), frames_before(*after_frame)
    )]
    Block {
        /// The block type.
        kind: u32,
        /// Where the block begins.
        offset: u64,
        /// What is wrong with it.
        fault: Fault,
        /// The last frame that was read.
        after_frame: u64,
    },
}

/// What a cut file ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The header of a pcap file.
    FileHeader,
    /// The frame of this number.
    Frame(u64),
    /// A block of this type that is no frame.
    Block(u32),
    /// A block whose type is not there to be read.
    BlockHeader,
    /// The compressed stream, though the last frame in it is whole.
    Gzip,
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its length leaves no room for what it must hold.
    TooShort {
        /// The block's length.
        length: u32,
    },
    /// Longer than a block of its type has reason to be.
    TooLong {
        /// The block's length.
        length: u32,
    },
    /// Its length at the front and at the back differ.
    Lengths {
        /// At the front.
        front: u32,
        /// At the back.
        back: u32,
    },
    /// Its byte-order magic is none.
    ByteOrder {
        /// What is in its place.
        magic: [u8; 4],
    },
    /// It names an interface that its section does not describe.
    Interface {
        /// The interface, as the section counts.
        id: u32,
    },
    /// The section has more interfaces than are kept.
    Interfaces {
        /// How many are kept.
        max: usize,
    },
}

impl Error {
    /// Tells apart what a source's error means.
    pub(super) fn from_read(error: ReadError, offset: u64, after_frame: u64) -> Self {
        match error {
            ReadError::Source(error) => Self::Read { offset, error },
            ReadError::Gzip(error) => Self::Gzip { after_frame, error },
        }
    }
}

/// What failed as bytes were fetched.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The source itself.
    Source(io::Error),
    /// The decompressor.
    Gzip(io::Error),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FileHeader => write!(f, "its header"),
            Self::Frame(number) => write!(f, "frame {number}"),
            Self::Block(kind) => write!(f, "the {}", block_name(kind)),
            Self::BlockHeader => write!(f, "a block's header"),
            Self::Gzip => write!(f, "the compressed data"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { length } => {
                write!(f, "has {length} bytes, too few for what it must hold")
            }
            Self::TooLong { length } => write!(f, "has {length} bytes, which no such block needs"),
            Self::Lengths { front, back } => {
                write!(f, "gives its length as {front} at the front and {back} at the back")
            }
            Self::ByteOrder { magic } => {
                write!(f, "has {magic:02x?} where its byte order should be")
            }
            Self::Interface { id } => {
                write!(f, "names interface {id}, which its section does not describe")
            }
            Self::Interfaces { max } => write!(f, "is one interface more than the {max} kept"),
        }
    }
}

fn too_short(length: usize) -> String {
    match length {
        0 => "the file is empty".to_owned(),
        length => format!("the file has {length} bytes, too few for a capture"),
    }
}

fn frames_before(count: u64) -> String {
    match count {
        0 => "no frame came before it".to_owned(),
        1 => "the one frame before it was read".to_owned(),
        count => format!("the {count} frames before it were read"),
    }
}

fn block_name(kind: u32) -> String {
    let name = match kind {
        super::ng::SECTION => "section header block",
        super::ng::INTERFACE => "interface description block",
        super::ng::PACKET => "packet block",
        super::ng::SIMPLE_PACKET => "simple packet block",
        super::ng::ENHANCED_PACKET => "enhanced packet block",
        other => return format!("block of type {other:#010x}"),
    };
    name.to_owned()
}
