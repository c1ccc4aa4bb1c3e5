//! The classic capture format (draft-ietf-opsawg-pcap).

use std::io;

use crate::tap::Resolution;
use crate::time::Duration;

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// No packet is longer, so none is cut. The value is tcpdump's default.
const SNAP_LENGTH: u32 = 262_144;

/// Writes a classic capture, little-endian.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    resolution: Resolution,
}

impl<W: io::Write> Writer<W> {
    /// Writes the file header; `link_type` is a number of the registry of link types.
    pub fn new(mut out: W, resolution: Resolution, link_type: u16) -> io::Result<Self> {
        let magic = match resolution {
            Resolution::Micros => MAGIC_MICROS,
            Resolution::Nanos => MAGIC_NANOS,
        };
        let mut header = Vec::with_capacity(24);
        header.extend(magic.to_le_bytes());
        header.extend(2_u16.to_le_bytes());
        header.extend(4_u16.to_le_bytes());
        header.extend([0; 8]); // time zone and accuracy, both always zero
        header.extend(SNAP_LENGTH.to_le_bytes());
        header.extend(u32::from(link_type).to_le_bytes());
        out.write_all(&header)?;
        Ok(Self { out, resolution })
    }

    /// Writes one frame, seen `at` after the UNIX epoch.
    ///
    /// Fails with [`io::ErrorKind::InvalidInput`] if the frame is longer than the file's snap
    /// length or if the time is beyond the year 2106, where the format's seconds end.
    pub fn write(&mut self, at: Duration, frame: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(at.as_secs());
        let length = u32::try_from(frame.len()).ok().filter(|&length| length <= SNAP_LENGTH);
        let (Ok(seconds), Some(length)) = (seconds, length) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a frame of {} bytes at {at:?} does not fit pcap", frame.len()),
            ));
        };
        let part = match self.resolution {
            Resolution::Micros => at.subsec_micros(),
            Resolution::Nanos => at.subsec_nanos(),
        };
        let mut header = [0; 16];
        for (field, value) in header.chunks_exact_mut(4).zip([seconds, part, length, length]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        self.out.write_all(&header)?;
        self.out.write_all(frame)
    }

    /// Returns what was written to. Nothing is left to be written; flushing is the caller's.
    pub fn into_inner(self) -> W {
        self.out
    }
}
