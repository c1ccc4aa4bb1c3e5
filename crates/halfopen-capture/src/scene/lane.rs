//! One connection of a scene.

use std::collections::VecDeque;

use halfopen_core::flow::FlowKey;
use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::tcp::{Flags, Header};

use super::{Packet, Run, Segment, Wanted, relative};
use crate::points::Place;
use crate::tracker::PAUSE_MIN;

/// So many packets before and after a frame of evidence are kept.
const BEFORE: usize = 4;
const AFTER: usize = 6;
/// Packets kept of one connection.
const PACKETS_MAX: usize = 60;
/// Runs kept of one connection; beyond, those with the shortest pause between them become one.
const RUNS_MAX: usize = 128;
/// A packet that is shown again within this time is the same; if it carries an IP identification,
/// within the longer one.
const ECHO_MAX: Duration = Duration::from_millis(2);
const UNIQUE_ECHO_MAX: Duration = Duration::from_secs(1);

/// A connection, looked at once more.
#[derive(Debug)]
pub struct Lane {
    /// Which.
    pub flow: FlowKey,
    /// When it was active, in order of time.
    pub runs: Vec<Run>,
    /// Its packets around the evidence, in order of time.
    pub packets: Vec<Packet>,
    point: Option<usize>,
    evidence: Vec<Place>,
    /// How many frames of the evidence have come.
    shown: usize,
    /// Another connection has taken the name.
    over: bool,
    /// The sequence numbers that the client's and the server's are counted from.
    bases: [Option<Seq>; 2],
    /// The latest packets that are not kept.
    recent: VecDeque<Packet>,
    /// How many packets are still to be kept.
    due: usize,
    left_out: bool,
    last: Option<Glance>,
}

/// A packet as it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    pub(super) place: Place,
    pub(super) at: Instant,
    pub(super) from_client: bool,
    /// The header, and how many bytes of payload follow it; `None` if it is an ICMP error.
    pub(super) tcp: Option<(Header, usize)>,
    pub(super) ttl: u8,
    /// What no other packet of its sender has.
    pub(super) unique: Option<u16>,
}

impl Lane {
    pub(super) fn new(wanted: Wanted) -> Self {
        let Wanted { flow, point, mut evidence } = wanted;
        // A frame may show several things.
        evidence.sort_unstable();
        evidence.dedup();
        Self {
            flow,
            runs: Vec::new(),
            packets: Vec::new(),
            point,
            evidence,
            shown: 0,
            over: false,
            bases: [None; 2],
            recent: VecDeque::with_capacity(BEFORE),
            due: 0,
            left_out: false,
            last: None,
        }
    }

    pub(super) fn take(&mut self, seen: &Glance, point: usize) {
        if self.over || self.point.is_some_and(|mine| mine != point) {
            return;
        }
        self.point = Some(point);
        let shows = self.evidence.contains(&seen.place);
        if !shows && self.last.is_some_and(|last| seen.repeats(&last)) {
            return;
        }
        if self.starts_anew(seen) {
            if self.shown == self.evidence.len() {
                self.over = true;
                return;
            }
            self.begin_again();
        }
        self.learn_bases(seen);
        self.last = Some(*seen);
        self.lengthen_runs(seen);
        self.keep_if_near(seen, shows);
    }

    /// Tells whether a SYN opens another connection under the same name.
    fn starts_anew(&self, seen: &Glance) -> bool {
        let opens = |tcp: Header| tcp.flags.has(Flags::SYN) && !tcp.flags.has(Flags::ACK);
        let Some((tcp, _)) = seen.tcp.filter(|&(tcp, _)| opens(tcp)) else { return false };
        !self.runs.is_empty() && self.bases[sender(seen)] != Some(tcp.seq)
    }

    fn begin_again(&mut self) {
        self.runs.clear();
        self.packets.clear();
        self.recent.clear();
        (self.bases, self.due, self.left_out) = ([None; 2], 0, false);
    }

    /// Without a SYN, what comes first is counted from one, as Wireshark does.
    fn learn_bases(&mut self, seen: &Glance) {
        let Some((tcp, _)) = seen.tcp else { return };
        let from = sender(seen);
        let before = |number: Seq| Seq(number.0.wrapping_sub(1));
        let first = if tcp.flags.has(Flags::SYN) { tcp.seq } else { before(tcp.seq) };
        self.bases[from].get_or_insert(first);
        if tcp.flags.has(Flags::ACK) {
            self.bases[1 - from].get_or_insert(before(tcp.ack));
        }
    }

    fn lengthen_runs(&mut self, seen: &Glance) {
        let near = |run: &&mut Run| seen.at.saturating_since(run.to) < PAUSE_MIN;
        if let Some(run) = self.runs.last_mut().filter(near) {
            run.add(seen);
            return;
        }
        self.runs.push(Run::new(seen));
        if self.runs.len() > RUNS_MAX {
            self.merge_nearest();
        }
    }

    fn merge_nearest(&mut self) {
        let gap = |pair: &[Run]| pair[1].from.saturating_since(pair[0].to);
        let gaps = self.runs.windows(2).map(gap).enumerate();
        if let Some((index, _)) = gaps.min_by_key(|&(_, gap)| gap) {
            let later = self.runs.remove(index + 1);
            self.runs[index].join(&later);
        }
    }

    fn keep_if_near(&mut self, seen: &Glance, shows: bool) {
        let packet = self.packet(seen);
        if shows {
            self.shown += 1;
            self.due = AFTER + 1;
            while let Some(packet) = self.recent.pop_front() {
                self.keep(packet);
            }
        }
        if self.due > 0 {
            self.due -= 1;
            self.keep(packet);
            return;
        }
        if self.recent.len() == BEFORE {
            self.recent.pop_front();
            self.left_out = true;
        }
        self.recent.push_back(packet);
    }

    fn keep(&mut self, mut packet: Packet) {
        if self.packets.len() < PACKETS_MAX {
            packet.after_gap = core::mem::take(&mut self.left_out);
            self.packets.push(packet);
        }
    }

    fn packet(&self, seen: &Glance) -> Packet {
        let from = sender(seen);
        let segment = seen.tcp.map(|(tcp, len)| Segment {
            flags: tcp.flags,
            seq: relative(tcp.seq, self.bases[from]),
            ack: tcp.flags.has(Flags::ACK).then(|| relative(tcp.ack, self.bases[1 - from])),
            len: u32::try_from(len).unwrap_or(u32::MAX),
            ttl: seen.ttl,
        });
        let Glance { place, at, from_client, .. } = *seen;
        Packet { place, at, from_client, segment, after_gap: false }
    }
}

impl Glance {
    /// Tells whether a capture shows the packet `other` again.
    fn repeats(&self, other: &Self) -> bool {
        let header = |seen: &Self| {
            let (tcp, len) = seen.tcp?;
            Some((seen.from_client, tcp.seq, tcp.ack, tcp.flags, len, seen.unique))
        };
        let within = if self.unique.is_some() { UNIQUE_ECHO_MAX } else { ECHO_MAX };
        let soon = self.at.saturating_since(other.at) < within;
        self.tcp.is_some() && soon && header(self) == header(other)
    }
}

impl Run {
    fn new(seen: &Glance) -> Self {
        let (at, place) = (seen.at, seen.place);
        let mut run = Self {
            from: at,
            to: at,
            first: place,
            last: place,
            packets: 0,
            bytes: [0; 2],
            flags: Flags(0),
        };
        run.add(seen);
        run
    }

    fn add(&mut self, seen: &Glance) {
        self.to = self.to.max(seen.at);
        self.last = seen.place;
        self.packets += 1;
        if let Some((tcp, len)) = seen.tcp {
            self.flags = Flags(self.flags.0 | tcp.flags.0);
            self.bytes[sender(seen)] += len as u64;
        }
    }

    fn join(&mut self, later: &Self) {
        self.to = later.to;
        self.last = later.last;
        self.packets += later.packets;
        self.bytes = [self.bytes[0] + later.bytes[0], self.bytes[1] + later.bytes[1]];
        self.flags = Flags(self.flags.0 | later.flags.0);
    }
}

/// Returns the sender's place in what is kept of both ends.
fn sender(seen: &Glance) -> usize {
    usize::from(!seen.from_client)
}
