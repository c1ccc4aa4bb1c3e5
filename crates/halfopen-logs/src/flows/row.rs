//! One record of a flow log, field by field, from a text or from a table.

use std::net::{IpAddr, Ipv4Addr};

use halfopen_core::time::{Duration, Instant};

use crate::record::{Blank, Traffic, What};

/// A field that is read, and all those that are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Skipped,
    Interface,
    Source,
    Destination,
    SourcePort,
    DestinationPort,
    Protocol,
    Packets,
    Bytes,
    Start,
    End,
    Action,
    Status,
    Flags,
    PacketSource,
    PacketDestination,
    Direction,
    Path,
}

impl Field {
    /// Returns the field of a name: with hyphens in a header, with underscores in Parquet.
    pub(super) fn named(name: &str) -> Self {
        match name {
            // A transit gateway's log says which of its attachments it was.
            "interface-id" | "interface_id" | "tgw-attachment-id" | "tgw_attachment_id" => {
                Self::Interface
            }
            "srcaddr" => Self::Source,
            "dstaddr" => Self::Destination,
            "srcport" => Self::SourcePort,
            "dstport" => Self::DestinationPort,
            "protocol" => Self::Protocol,
            "packets" => Self::Packets,
            "bytes" => Self::Bytes,
            "start" => Self::Start,
            "end" => Self::End,
            "action" => Self::Action,
            "log-status" | "log_status" => Self::Status,
            "tcp-flags" | "tcp_flags" => Self::Flags,
            "pkt-srcaddr" | "pkt_srcaddr" => Self::PacketSource,
            "pkt-dstaddr" | "pkt_dstaddr" => Self::PacketDestination,
            "flow-direction" | "flow_direction" => Self::Direction,
            "traffic-path" | "traffic_path" => Self::Path,
            _ => Self::Skipped,
        }
    }
}

/// What has been read of a record.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    interface: Option<&'a str>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    packet_source: Option<IpAddr>,
    packet_destination: Option<IpAddr>,
    source_port: u16,
    destination_port: u16,
    protocol: u8,
    packets: u64,
    bytes: u64,
    start: Option<u64>,
    end: Option<u64>,
    accepted: Option<bool>,
    flags: Option<u8>,
    egress: Option<bool>,
    path: Option<u8>,
    blank: Option<Skipped>,
}

#[derive(Clone, Copy, Debug)]
struct Skipped(bool);

impl<'a> Row<'a> {
    /// Tells whether these fields are enough to say what passed, and when.
    pub(super) fn is_whole(fields: &[Field]) -> bool {
        let any = |of: [Field; 2]| of.iter().any(|field| fields.contains(field));
        any([Field::Source, Field::PacketSource])
            && any([Field::Destination, Field::PacketDestination])
            && any([Field::Start, Field::End])
    }

    /// Sets a field to a word; `-` is a field without a value. Returns `None` if the word is none
    /// of that field.
    pub(super) fn set(&mut self, field: Field, word: &'a [u8]) -> Option<()> {
        if word == b"-" || field == Field::Skipped {
            return Some(());
        }
        match field {
            Field::Interface => self.interface = Some(core::str::from_utf8(word).ok()?),
            Field::Source => self.source = Some(address(word)?),
            Field::Destination => self.destination = Some(address(word)?),
            Field::PacketSource => self.packet_source = Some(address(word)?),
            Field::PacketDestination => self.packet_destination = Some(address(word)?),
            Field::Action => {
                self.accepted = match word {
                    b"ACCEPT" => Some(true),
                    b"REJECT" => Some(false),
                    _ => return None,
                }
            }
            Field::Status => {
                self.blank = match word {
                    b"OK" => None,
                    b"NODATA" => Some(Skipped(false)),
                    b"SKIPDATA" => Some(Skipped(true)),
                    _ => return None,
                }
            }
            Field::Direction => {
                self.egress = match word {
                    b"egress" => Some(true),
                    b"ingress" => Some(false),
                    _ => return None,
                }
            }
            Field::Skipped
            | Field::SourcePort
            | Field::DestinationPort
            | Field::Protocol
            | Field::Packets
            | Field::Bytes
            | Field::Start
            | Field::End
            | Field::Flags
            | Field::Path => self.set_number(field, number(word)?)?,
        }
        Some(())
    }

    /// Sets a field that is a number; returns `None` if it is none of that field.
    pub(super) fn set_number(&mut self, field: Field, number: u64) -> Option<()> {
        match field {
            Field::SourcePort => self.source_port = u16::try_from(number).ok()?,
            Field::DestinationPort => self.destination_port = u16::try_from(number).ok()?,
            Field::Protocol => self.protocol = u8::try_from(number).ok()?,
            Field::Packets => self.packets = number,
            Field::Bytes => self.bytes = number,
            Field::Start => self.start = Some(number),
            Field::End => self.end = Some(number),
            Field::Flags => self.flags = Some(u8::try_from(number).ok()?),
            Field::Path => self.path = Some(u8::try_from(number).ok()?),
            Field::Skipped => {}
            Field::Interface
            | Field::Source
            | Field::Destination
            | Field::PacketSource
            | Field::PacketDestination
            | Field::Action
            | Field::Status
            | Field::Direction => return None,
        }
        Some(())
    }

    /// Returns what the record says, and from when; `None` if it says too little.
    pub(super) fn finish(self) -> Option<(Instant, What)> {
        let start = self.start.or(self.end)?;
        let (at, until) = (seconds(start)?, seconds(self.end.unwrap_or(start))?);
        let interface = self.interface.map(Box::from);
        if let Some(Skipped(skipped)) = self.blank {
            return Some((at, What::Blank(Blank { until, skipped, interface })));
        }
        Some((
            at,
            What::Traffic(Traffic {
                until,
                source: (self.source.or(self.packet_source)?, self.source_port),
                destination: (self.destination.or(self.packet_destination)?, self.destination_port),
                packet_source: self.packet_source,
                packet_destination: self.packet_destination,
                protocol: self.protocol,
                packets: self.packets,
                bytes: self.bytes,
                tcp_flags: self.flags,
                accepted: self.accepted,
                egress: self.egress,
                path: self.path,
                interface,
            }),
        ))
    }
}

fn seconds(since_epoch: u64) -> Option<Instant> {
    let nanos = Duration::from_secs(since_epoch).as_nanos();
    u64::try_from(nanos).ok().map(Instant::from_nanos)
}

fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 19 {
        return None;
    }
    word.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'))
    })
}

/// Reads an address; an IPv4 one, as nearly all are, without a detour.
fn address(word: &[u8]) -> Option<IpAddr> {
    ipv4(word).map(IpAddr::V4).or_else(|| {
        let text = core::str::from_utf8(word).ok()?;
        text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
    })
}

fn ipv4(word: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = word.split(|&byte| byte == b'.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() <= 3)?;
        *octet = u8::try_from(number(part)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}
