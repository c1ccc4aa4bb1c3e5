//! The header by which a kernel and a machine beside it tell each other what is still to be done
//! to a packet.
//!
//! It is the header without extensions of virtual network devices, `struct virtio_net_hdr` of
//! `linux/virtio_net.h` (VIRTIO 1.2 section 5.1.6), in the machine's byte order, as TUN devices
//! have it before each packet.

use core::num::NonZeroU16;

use super::checksum;
use super::view::{TCP, UDP};
use super::{Malformed, Offload, Packet, View};

/// The length of the header, in bytes.
pub const HEADER: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: from `csum_start` on, what is there is to be summed up, and the
/// checksum stored `csum_offset` bytes further on.
const NEEDS_CHECKSUM: u8 = 1;

/// `VIRTIO_NET_HDR_GSO_NONE`, `VIRTIO_NET_HDR_GSO_TCPV4`, `VIRTIO_NET_HDR_GSO_TCPV6`.
const WHOLE: u8 = 0;
const TCP_OVER_V4: u8 = 1;
const TCP_OVER_V6: u8 = 4;
/// `VIRTIO_NET_HDR_GSO_ECN`: the segments are of one that has CWR.
const WITH_CWR: u8 = 0x80;

/// The fields of the header.
#[derive(Clone, Copy, Debug, Default)]
struct Fields {
    flags: u8,
    segmentation: u8,
    header_len: u16,
    segment_size: u16,
    sum_start: u16,
    sum_offset: u16,
}

impl Fields {
    fn read(header: [u8; HEADER]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        Self {
            flags: header[0],
            segmentation: header[1],
            header_len: word(2),
            segment_size: word(4),
            sum_start: word(6),
            sum_offset: word(8),
        }
    }

    fn write(self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..2].copy_from_slice(&[self.flags, self.segmentation]);
        let words = [self.header_len, self.segment_size, self.sum_start, self.sum_offset];
        for (place, word) in header[2..].as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        header
    }
}

/// Checks a packet that came with this header, and takes it over.
pub fn parse(header: [u8; HEADER], mut bytes: Vec<u8>) -> Result<Packet, Malformed> {
    let fields = Fields::read(header);
    let segmentation = fields.segmentation & !WITH_CWR;
    if fields.flags & NEEDS_CHECKSUM == 0 {
        // Whoever leaves a packet to be cut up leaves the checksums too.
        let whole = segmentation == WHOLE;
        return if whole { Packet::parse(bytes) } else { Err(Malformed::Offload) };
    }
    let view = View::parse(&bytes, bytes.len())?;
    let start = usize::from(fields.sum_start);
    if transport_sum(view) != Some((fields.sum_start, fields.sum_offset)) {
        sum_up(&mut bytes, start, start + usize::from(fields.sum_offset))?;
        return if segmentation == WHOLE { Packet::parse(bytes) } else { Err(Malformed::Offload) };
    }
    let offload = match (segmentation, view.is_v6(), NonZeroU16::new(fields.segment_size)) {
        (WHOLE, _, _) => Offload::Checksum,
        (TCP_OVER_V4, false, Some(size)) | (TCP_OVER_V6, true, Some(size)) => {
            Offload::Segmentation(size)
        }
        _ => return Err(Malformed::Offload),
    };
    Packet::parse_offloaded(bytes, offload)
}

/// Returns the header that tells what is still to be done to a packet.
#[must_use]
pub fn header(packet: &Packet) -> [u8; HEADER] {
    let view = packet.view();
    let Some((sum_start, sum_offset)) =
        transport_sum(view).filter(|_| packet.offload() != Offload::Nothing)
    else {
        return [0; HEADER];
    };
    let summed = Fields { flags: NEEDS_CHECKSUM, sum_start, sum_offset, ..Fields::default() };
    let fields = match packet.offload() {
        Offload::Nothing | Offload::Checksum => summed,
        Offload::Segmentation(size) => Fields {
            segmentation: if view.is_v6() { TCP_OVER_V6 } else { TCP_OVER_V4 },
            header_len: view.layout.payload,
            segment_size: size.get(),
            ..summed
        },
    };
    fields.write()
}

/// Returns where the transport header starts and where in it the checksum is, if it is one that
/// can be left to be computed.
fn transport_sum(view: View<'_>) -> Option<(u16, u16)> {
    let offset = match view.layout.protocol {
        TCP => 16,
        UDP => 6,
        _ => return None,
    };
    let readable = view.layout.payload > view.layout.transport && view.layout.fragment.is_none();
    readable.then_some((view.layout.transport, offset))
}

/// Computes a checksum of any protocol.
fn sum_up(bytes: &mut [u8], start: usize, at: usize) -> Result<(), Malformed> {
    let sum = !checksum::sum(0, bytes.get(start..).ok_or(Malformed::Offload)?);
    let field = bytes.get_mut(at..at + 2).ok_or(Malformed::Offload)?;
    field.copy_from_slice(&sum.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::wire::tcp::{Flags, Segment};
    use crate::wire::{icmp, udp};

    #[test]
    fn what_is_said_is_understood() {
        let mut rng = Rng::new(5);
        for round in 0..2_000 {
            let ends = if rng.chance(0.5) {
                ["[fd00::1]:7", "[fd00::2]:8"]
            } else {
                ["10.0.0.1:7", "10.0.0.2:8"]
            };
            let [src, dst] = ends.map(|end| end.parse().unwrap());
            let payload = vec![7; rng.index(3_000)];
            let size = NonZeroU16::new(1_000).unwrap();
            let (packet, offload) = if rng.chance(0.5) {
                let segment = Segment { payload: &payload, ..Segment::new(src, dst, Flags::ACK) };
                (
                    segment.into_packet(),
                    *rng.pick(&[Offload::Segmentation(size), Offload::Checksum, Offload::Nothing]),
                )
            } else {
                (
                    udp::datagram(src, dst, &payload),
                    *rng.pick(&[Offload::Checksum, Offload::Nothing]),
                )
            };
            let packet = Packet::parse_offloaded(packet.into_bytes(), offload).unwrap();
            let again = parse(header(&packet), packet.bytes().to_vec());
            assert_eq!(again.as_ref(), Ok(&packet), "round {round}");
        }
    }

    #[test]
    fn a_checksum_of_another_protocol_is_computed_on_the_way_in() {
        let [src, dst] = ["fd00::1", "fd00::2"].map(|end| end.parse().unwrap());
        let whole = icmp::echo(src, dst, false, 1, 1);
        let mut bytes = whole.bytes().to_vec();
        let sum = checksum::pseudo_header(src, dst, 58, bytes.len() - 40);
        bytes[42..44].copy_from_slice(&sum.to_be_bytes());
        let fields =
            Fields { flags: NEEDS_CHECKSUM, sum_start: 40, sum_offset: 2, ..Fields::default() };
        assert_eq!(parse(fields.write(), bytes.clone()), Ok(whole));
        let beyond = Fields { sum_offset: 7, ..fields };
        assert_eq!(parse(beyond.write(), bytes), Err(Malformed::Offload));
    }

    #[test]
    fn what_is_to_be_cut_up_must_be_of_the_protocol_that_is_named() {
        let [src, dst] = ["10.0.0.1:7", "10.0.0.2:8"].map(|end| end.parse().unwrap());
        let segment = Segment { payload: &[0; 3_000], ..Segment::new(src, dst, Flags::ACK) };
        let bytes = segment.into_packet().into_bytes();
        let good = Fields {
            flags: NEEDS_CHECKSUM,
            segmentation: TCP_OVER_V4,
            segment_size: 1_000,
            sum_start: 20,
            sum_offset: 16,
            ..Fields::default()
        };
        assert_eq!(parse(good.write(), bytes.clone()).map(|packet| packet.count()), Ok(3));
        for bad in [
            Fields { segmentation: TCP_OVER_V6, ..good },
            Fields { segmentation: 3, ..good },
            Fields { segment_size: 0, ..good },
            Fields { flags: 0, ..good },
            Fields { sum_start: 24, ..good },
            Fields { sum_start: u16::MAX, ..good },
        ] {
            assert_eq!(parse(bad.write(), bytes.clone()), Err(Malformed::Offload), "{bad:?}");
        }
    }
}
