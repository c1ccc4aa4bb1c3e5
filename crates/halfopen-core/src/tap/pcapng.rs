//! The block-structured capture format (draft-ietf-opsawg-pcapng).

use std::io;

use crate::tap::Resolution;
use crate::time::Duration;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const OPTION_END: u16 = 0;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;

/// One of a file's interfaces, in time stamps of its own resolution.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    index: u32,
    resolution: Resolution,
}

/// Writes a file of one section, little-endian.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    interfaces: u32,
    block: Vec<u8>,
}

impl<W: io::Write> Writer<W> {
    /// Writes the section header.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: 0, block: Vec::new() };
        writer.begin(SECTION_HEADER);
        writer.block.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        writer.block.extend(1_u16.to_le_bytes());
        writer.block.extend(0_u16.to_le_bytes());
        writer.block.extend(u64::MAX.to_le_bytes()); // a section of unstated length
        writer.option(SHB_USERAPPL, b"halfopen");
        writer.option(OPTION_END, b"");
        writer.end()?;
        Ok(writer)
    }

    /// Describes one more interface; `link_type` is a number of the registry of link types.
    ///
    /// An empty `name` is left out. A name is cut to 65,535 bytes, the longest that fits.
    pub fn interface(
        &mut self,
        name: &str,
        resolution: Resolution,
        link_type: u16,
    ) -> io::Result<Interface> {
        self.begin(INTERFACE_DESCRIPTION);
        self.block.extend(link_type.to_le_bytes());
        self.block.extend([0; 6]); // reserved, and a snap length of "no limit"
        if !name.is_empty() {
            self.option(IF_NAME, name.as_bytes());
        }
        self.option(IF_TSRESOL, &[resolution.exponent()]);
        self.option(OPTION_END, b"");
        self.end()?;
        let interface = Interface { index: self.interfaces, resolution };
        self.interfaces += 1;
        Ok(interface)
    }

    /// Writes one frame, seen by `interface` at `at` after the UNIX epoch.
    ///
    /// Fails with [`io::ErrorKind::InvalidInput`] if the frame or the time does not fit.
    pub fn write(&mut self, interface: Interface, at: Duration, frame: &[u8]) -> io::Result<()> {
        let units = match interface.resolution {
            Resolution::Micros => at.as_micros(),
            Resolution::Nanos => at.as_nanos(),
        };
        let (Ok(units), Ok(length)) = (u64::try_from(units), u32::try_from(frame.len())) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a frame of {} bytes at {at:?} does not fit pcapng", frame.len()),
            ));
        };
        self.begin(ENHANCED_PACKET);
        self.block.extend(interface.index.to_le_bytes());
        let [low @ .., _, _, _, _] = units.to_le_bytes();
        let [_, _, _, _, high @ ..] = units.to_le_bytes();
        self.block.extend(high);
        self.block.extend(low);
        self.block.extend(length.to_le_bytes());
        self.block.extend(length.to_le_bytes());
        self.block.extend(frame);
        self.end()
    }

    /// Returns what was written to. Nothing is left to be written; flushing is the caller's.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.block.extend(kind.to_le_bytes());
        self.block.extend([0; 4]); // the length, known at the end
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.block.extend(code.to_le_bytes());
        self.block.extend(length.to_le_bytes());
        self.block.extend(&value[..usize::from(length)]);
        self.pad();
    }

    fn pad(&mut self) {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn end(&mut self) -> io::Result<()> {
        self.pad();
        let length = u32::try_from(self.block.len() + 4)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a block over 4 GiB"))?;
        self.block[4..8].copy_from_slice(&length.to_le_bytes());
        self.block.extend(length.to_le_bytes());
        self.out.write_all(&self.block)
    }
}
