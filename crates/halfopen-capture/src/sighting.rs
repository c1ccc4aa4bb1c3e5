//! One segment as a capture shows it.

use halfopen_core::seq::Seq;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::{Flags, Header};

use crate::clock::Moment;
use crate::timeline::{Carries, End, Half, Mark};

/// One segment as a capture shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'a> {
    pub(crate) mark: Mark,
    pub(crate) era: u32,
    pub(crate) src: End,
    pub(crate) dst: End,
    pub(crate) tcp: Header,
    pub(crate) ttl: u8,
    pub(crate) ip_id: Option<u16>,
    /// The payload as far as it is there, and how long it was.
    pub(crate) payload: &'a [u8],
    pub(crate) len: u32,
    view: View<'a>,
}

impl<'a> Sighting<'a> {
    /// Reads a segment; `None` for what is not TCP or whose header is not there.
    pub(crate) fn read(view: View<'a>, frame: u64, moment: Moment) -> Option<Self> {
        let tcp = view.tcp()?;
        Some(Self {
            mark: Mark { at: moment.at, frame },
            era: moment.era,
            src: End::new(view.src(), tcp.src_port),
            dst: End::new(view.dst(), tcp.dst_port),
            tcp,
            ttl: view.ttl(),
            ip_id: view.ip_id(),
            payload: view.payload(),
            len: u32::try_from(view.payload_len()).unwrap_or(u32::MAX),
            view,
        })
    }

    pub(crate) fn is(&self, flags: Flags) -> bool {
        self.tcp.flags.has(flags)
    }

    /// Returns the sequence number after the segment.
    pub(crate) fn end(&self) -> Seq {
        self.tcp.seq + self.seq_len()
    }

    pub(crate) fn seq_len(&self) -> u32 {
        self.tcp.seq_len(self.len as usize)
    }

    /// Tells what the segment asks the other end to take, given what its sender has sent before.
    pub(crate) fn carries(&self, sent: &Half) -> Carries {
        let flags = self.tcp.flags;
        if flags.has(Flags::SYN) {
            Carries::Syn
        } else if flags.has(Flags::FIN) {
            Carries::Fin
        } else if self.is_probe(sent) {
            Carries::Probe
        } else if self.len > 0 {
            Carries::Data
        } else {
            Carries::Nothing
        }
    }

    /// A keepalive probe repeats the byte before the next one, or sends none from there
    /// (RFC 9293 section 3.8.4).
    fn is_probe(&self, sent: &Half) -> bool {
        self.len <= 1 && sent.next == Some(self.tcp.seq + 1)
    }

    /// Returns a number that the same packet has when a capture shows it again, and a
    /// retransmission has not: Linux counts the identification up, and timestamps move.
    pub(crate) fn fingerprint(&self) -> u32 {
        let tcp = &self.tcp;
        let stamp = self.view.tcp_options().timestamps.map_or(0, |(value, _)| value);
        let id = u32::from(self.ip_id.unwrap_or(0));
        let words = [
            tcp.seq.0,
            tcp.ack.0,
            u32::from(tcp.flags.0) << 16 | u32::from(tcp.window),
            self.len,
            id,
            stamp,
        ];
        let mixed = words.iter().fold(0x811c_9dc5_u32, |hash, &word| {
            (hash ^ word).wrapping_mul(0x9e37_79b1).rotate_left(13)
        });
        mixed | 1 // zero stands for none
    }

    /// Tells whether something in the packet changes with each sending, so that an equal
    /// fingerprint is the same packet however late it comes.
    pub(crate) fn is_unique(&self) -> bool {
        self.ip_id.is_some_and(|id| id != 0) || self.view.tcp_options().timestamps.is_some()
    }

    /// Tells whether the segment reports data that came twice (RFC 2883): its first block lies
    /// below what it acknowledges.
    pub(crate) fn reports_duplicate(&self) -> bool {
        self.view.tcp_options().sack.is_some_and(|(_, to)| !to.after(self.tcp.ack))
    }
}
