//! Taps: places where packets are watched as they pass, and captures written of them.
//!
//! A tap sees and changes nothing. [`Path::tap`](crate::path::Path::tap) puts one into any gap of
//! a path; a [`Recorder`] is a tap that writes pcap or pcapng to whatever is [`io::Write`]. What
//! it writes depends on the packets, their times and its [`Config`] alone: the bytes are
//! little-endian on every machine, so equal histories make equal files.

use core::fmt;
use std::io;

use crate::hop::Side;
use crate::time::{Duration, Instant};
use crate::wire::Packet;

pub mod pcap;
pub mod pcapng;

/// Something that watches packets pass.
pub trait Tap: fmt::Debug + Send {
    /// Sees a packet on its way toward a side.
    fn see(&mut self, now: Instant, toward: Side, packet: &Packet);
}

/// How a capture is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file format.
    pub format: Format,
    /// How fine the time stamps are; finer parts of the time are cut off, not rounded.
    pub resolution: Resolution,
    /// What comes before the IP header.
    pub link_type: LinkType,
    /// The UNIX time of [`Instant::EPOCH`].
    pub epoch: Duration,
    /// The name of the place, which pcapng keeps as the interface's name.
    pub name: String,
}

/// The default UNIX time of a driver's epoch: 2024-01-01 00:00:00 UTC.
pub const EPOCH: Duration = Duration::from_hours(24 * 19_723);

impl Default for Config {
    /// A pcapng file of raw IP packets in nanoseconds from [`EPOCH`].
    fn default() -> Self {
        Self {
            format: Format::Pcapng,
            resolution: Resolution::Nanos,
            link_type: LinkType::Raw,
            epoch: EPOCH,
            name: String::new(),
        }
    }
}

/// A capture file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic one (draft-ietf-opsawg-pcap).
    Pcap,
    /// The block-structured one (draft-ietf-opsawg-pcapng).
    Pcapng,
}

/// How fine a capture's time stamps are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl Resolution {
    /// Returns the decimal exponent of a second's part: 6 or 9.
    pub(crate) const fn exponent(self) -> u8 {
        match self {
            Self::Micros => 6,
            Self::Nanos => 9,
        }
    }
}

/// What comes before the IP header of each packet in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// Nothing: `LINKTYPE_RAW`.
    Raw,
    /// An Ethernet header between two locally administered addresses, `02:00:00:00:00:01` on the
    /// inside and `02:00:00:00:00:02` on the outside.
    Ethernet,
}

impl LinkType {
    /// Returns the number in the registry of link types (draft-ietf-opsawg-pcaplinktype).
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::Raw => 101,
            Self::Ethernet => 1,
        }
    }
}

/// A tap that writes a capture.
///
/// It stops at the first error, which [`finish`](Self::finish) returns: a full disk must not
/// change what the packets do.
#[derive(Debug)]
pub struct Recorder<W> {
    encoder: Encoder<W>,
    link_type: LinkType,
    epoch: Duration,
    frame: Vec<u8>,
    failure: Option<io::Error>,
}

#[derive(Debug)]
enum Encoder<W> {
    Pcap(pcap::Writer<W>),
    Pcapng(pcapng::Writer<W>, pcapng::Interface),
}

impl<W: io::Write> Recorder<W> {
    /// Writes the file's header to `out` and returns the recorder of the packets.
    pub fn new(out: W, config: &Config) -> io::Result<Self> {
        let encoder = match config.format {
            Format::Pcap => {
                Encoder::Pcap(pcap::Writer::new(out, config.resolution, config.link_type.number())?)
            }
            Format::Pcapng => {
                let mut writer = pcapng::Writer::new(out)?;
                let number = config.link_type.number();
                let interface = writer.interface(&config.name, config.resolution, number)?;
                Encoder::Pcapng(writer, interface)
            }
        };
        let (link_type, epoch) = (config.link_type, config.epoch);
        Ok(Self { encoder, link_type, epoch, frame: Vec::new(), failure: None })
    }

    /// Writes one packet, on its way toward a side.
    pub fn record(&mut self, now: Instant, toward: Side, packet: &Packet) -> io::Result<()> {
        let at = self.epoch + now.saturating_since(Instant::EPOCH);
        let bytes = match self.link_type {
            LinkType::Raw => packet.bytes(),
            LinkType::Ethernet => {
                self.frame.clear();
                self.frame.extend(ethernet_header(toward, packet.view().is_v6()));
                self.frame.extend(packet.bytes());
                &self.frame
            }
        };
        match &mut self.encoder {
            Encoder::Pcap(writer) => writer.write(at, bytes),
            Encoder::Pcapng(writer, interface) => writer.write(*interface, at, bytes),
        }
    }

    /// Flushes and returns what was written to, or the first error met on the way.
    pub fn finish(self) -> io::Result<W> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let mut out = match self.encoder {
            Encoder::Pcap(writer) => writer.into_inner(),
            Encoder::Pcapng(writer, _) => writer.into_inner(),
        };
        out.flush()?;
        Ok(out)
    }
}

impl<W: io::Write + fmt::Debug + Send> Tap for Recorder<W> {
    fn see(&mut self, now: Instant, toward: Side, packet: &Packet) {
        if self.failure.is_none() {
            self.failure = self.record(now, toward, packet).err();
        }
    }
}

fn ethernet_header(toward: Side, v6: bool) -> [u8; 14] {
    let (src, dst) = match toward {
        Side::Outside => (1, 2),
        Side::Inside => (2, 1),
    };
    let [high, low] = if v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    [0x02, 0, 0, 0, 0, dst, 0x02, 0, 0, 0, 0, src, high, low]
}

#[cfg(test)]
mod tests;
