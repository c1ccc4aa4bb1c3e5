//! One segment as a capture shows it.

use core::ops::Deref;

use halfopen_core::seq::Seq;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::{Flags, Header};

use crate::timeline::{Carries, End, Half, Mark};

/// What a segment says by itself: neither its connection nor the clock need be known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) src: End,
    pub(crate) dst: End,
    pub(crate) tcp: Header,
    /// How long the payload was.
    pub(crate) len: u32,
    /// A number that the same packet has when a capture shows it again, and a retransmission has
    /// not.
    pub(crate) fingerprint: u32,
    /// What in the packet changes with each sending, so that the same value is the same packet
    /// however late it comes.
    pub(crate) counter: Option<Counter>,
    /// The first block that it acknowledges selectively.
    sack: Option<(Seq, Seq)>,
    pub(crate) ip_id: Option<u16>,
    pub(crate) ttl: u8,
    /// No router may cut the packet up.
    dont_fragment: bool,
}

/// One segment as a capture shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) mark: Mark,
    pub(crate) era: u32,
    /// The payload as far as it is there.
    pub(crate) payload: &'a [u8],
}

impl Deref for Sighting<'_> {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        self.facts
    }
}

/// What a sender counts on with each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// The IPv4 identification.
    Identification(u16),
    /// The timestamp (RFC 7323), which moves with time.
    Timestamp(u32),
}

/// The longest encrypted notice: a TLS record of an HTTP/2 frame of eight bytes (RFC 9113 section
/// 6.7) with its headers of five and nine bytes, its type and its tag of sixteen.
const ENCRYPTED_NOTICE_MAX: u32 = 5 + 9 + 8 + 1 + 16;
/// The longest farewell of a protocol in the clear.
const FAREWELL_MAX: u32 = 8;
/// Odd numbers with their bits well spread (of the golden ratio and of the square root of 2).
const MIX_HEAD: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX_REST: u64 = 0x6a09_e667_f3bc_c909;

impl Facts {
    /// Reads the segment of which `tcp` is the header.
    #[inline]
    pub(crate) fn new(view: View<'_>, tcp: Header) -> Self {
        let len = u32::try_from(view.payload_len()).unwrap_or(u32::MAX);
        let (src, dst) = End::of_segment(view, &tcp);
        let ip_id = view.ip_id();
        let options = view.tcp_options();
        let counter = match (ip_id, options.timestamps) {
            (Some(id @ 1..), _) => Some(Counter::Identification(id)),
            (_, stamps) => stamps.map(|(value, _)| Counter::Timestamp(value)),
        };
        Self {
            src,
            dst,
            tcp,
            len,
            fingerprint: fingerprint(&tcp, len, counter),
            counter,
            sack: options.sack,
            ip_id,
            ttl: view.ttl(),
            dont_fragment: view.dont_fragment(),
        }
    }

    pub(crate) fn is(&self, flags: Flags) -> bool {
        self.tcp.flags.has(flags)
    }

    /// Returns the sequence number after the segment.
    pub(crate) fn end(&self) -> Seq {
        self.tcp.seq + self.seq_len()
    }

    /// Returns how many bytes must get through at once: none if a router may cut the packet up.
    pub(crate) fn len_at_once(&self) -> u16 {
        if self.dont_fragment { u16::try_from(self.len).unwrap_or(u16::MAX) } else { 0 }
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
        self.len <= 1 && sent.next() == Some(self.tcp.seq + 1)
    }

    /// Tells whether the segment reports data that came twice (RFC 2883): its first block lies
    /// below what it acknowledges.
    pub(crate) fn reports_duplicate(&self) -> bool {
        self.sack.is_some_and(|(_, to)| !to.after(self.tcp.ack))
    }

    /// Tells whether the segment reports that something is missing before what came (RFC 2018).
    pub(crate) fn reports_hole(&self) -> bool {
        self.sack.is_some_and(|(_, to)| to.after(self.tcp.ack))
    }
}

impl Sighting<'_> {
    /// Tells whether data that begins a run of the client's can ask for a response.
    ///
    /// What is no request: TLS handshakes, changes of cipher and alerts (RFC 8446 section 5.1);
    /// encrypted records too short for more than an alert or a frame of HTTP/2 that acknowledges;
    /// and the few bytes by which a client takes its leave (`COM_QUIT`, `Terminate`, `DISCONNECT`).
    pub(crate) fn asks(&self) -> bool {
        match self.payload {
            [0x14..=0x16, 3, ..] => false,
            [0x17, 3, ..] => self.len > ENCRYPTED_NOTICE_MAX,
            _ => self.len > FAREWELL_MAX,
        }
    }
}

fn fingerprint(tcp: &Header, len: u32, counter: Option<Counter>) -> u32 {
    let unique = match counter {
        Some(Counter::Identification(id)) => id.into(),
        Some(Counter::Timestamp(stamp)) => stamp,
        None => 0,
    };
    let head = u64::from(tcp.seq.0) << 32 | u64::from(tcp.ack.0);
    let rest = u64::from(tcp.flags.0) << 48 | u64::from(tcp.window) << 32 | u64::from(len);
    let mixed = (head ^ u64::from(unique).rotate_left(17)).wrapping_mul(MIX_HEAD)
        ^ rest.wrapping_mul(MIX_REST);
    u32::try_from(mixed >> 32).unwrap_or(0) | 1 // zero stands for none
}
