//! Blocks as they are written (draft-ietf-opsawg-pcapng sections 3 and 4).

use std::io::{self, Write};
use std::net::IpAddr;

use crate::pcap::ByteOrder;

/// A name resolution block.
pub(super) const NAMES: u32 = 4;
/// Options: a comment on any block; an interface's resolution of time.
pub(super) const COMMENT: u16 = 1;
pub(super) const RESOLUTION: u16 = 9;
/// Records of names.
const NAME_OF_V4: u16 = 1;
const NAME_OF_V6: u16 = 2;
/// The longest value of an option.
const VALUE_MAX: usize = 65_535;

/// A block in the making.
pub(super) struct Draft {
    order: ByteOrder,
    bytes: Vec<u8>,
}

impl Draft {
    pub(super) fn new(kind: u32, order: ByteOrder) -> Self {
        let mut draft = Self { order, bytes: Vec::new() };
        draft.u32(kind).u32(0); // the length, known at the end
        draft
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        let bytes = match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        };
        self.bytes(&bytes)
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        let bytes = self.word(value);
        self.bytes(&bytes)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn pad(&mut self) -> &mut Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Adds an option; an empty one is left out, one that is too long is cut between characters.
    pub(super) fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        if value.is_empty() {
            return self;
        }
        let mut length = value.len().min(VALUE_MAX);
        while length < value.len() && value[length] & 0xc0 == 0x80 {
            length -= 1;
        }
        self.u16(code).u16(u16::try_from(length).unwrap_or(u16::MAX));
        self.bytes(&value[..length]).pad()
    }

    /// Adds the options that the block had; if there were none, their end.
    pub(super) fn rest_of_options(&mut self, options: &[u8]) -> &mut Self {
        if options.len() < 4 { self.end_of_options() } else { self.bytes(options) }
    }

    pub(super) fn end_of_options(&mut self) -> &mut Self {
        self.u32(0)
    }

    /// Adds what an address is called.
    pub(super) fn name(&mut self, address: IpAddr, name: &str) -> &mut Self {
        let (code, mut value) = match address {
            IpAddr::V4(v4) => (NAME_OF_V4, v4.octets().to_vec()),
            IpAddr::V6(v6) => (NAME_OF_V6, v6.octets().to_vec()),
        };
        value.extend_from_slice(name.as_bytes());
        value.push(0);
        self.option(code, &value)
    }

    /// Writes it out, with its length at both ends.
    pub(super) fn write<W: Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pad();
        let length = u32::try_from(self.bytes.len() + 4).unwrap_or(u32::MAX);
        let length = self.word(length);
        self.bytes[4..8].copy_from_slice(&length);
        self.bytes.extend_from_slice(&length);
        out.write_all(&self.bytes)
    }

    fn word(&self, value: u32) -> [u8; 4] {
        match self.order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }
}
