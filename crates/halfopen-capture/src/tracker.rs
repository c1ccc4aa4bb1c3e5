//! From packets to timelines, in bounded memory.

mod batch;
mod forget;
mod index;
mod observe;
mod remarks;
mod twins;

use std::collections::BTreeMap;

use halfopen_core::flow::{FlowKey, Protocol};
use halfopen_core::time::Instant;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::Flags;

use crate::clock::{Clock, Moment};
use crate::route::Route;
use crate::sample::Sample;
use crate::sighting::{Facts, Sighting};
use crate::timeline::{Carries, End, Mark, Sender, Timeline};
use forget::Vacancies;
use index::{Hash, Index};
use twins::Twins;

pub(crate) use observe::{LEFT_MIN, PAUSE_MIN};

/// How much a tracker may remember.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. When there are more, one that has ended well makes room, else the
    /// capture's later connections are counted and not judged.
    pub flows: usize,
    /// Server addresses.
    pub paths: usize,
}

impl Default for Limits {
    /// A million connections and a hundred thousand servers: about 300 MiB at the worst.
    fn default() -> Self {
        Self { flows: 1_000_000, paths: 100_000 }
    }
}

/// The path of a timeline that is forgotten: its place is free.
pub(crate) const VACANT: u32 = u32::MAX;

/// So many places are looked at for one that can be reused; a new connection costs no more.
const PLACES_TRIED: usize = 32;

/// What a tracker has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// IP packets.
    pub packets: u64,
    /// TCP segments.
    pub segments: u64,
    /// Segments that the capture shows twice.
    pub duplicates: u64,
    /// Time stamps that went back or were absurd.
    pub absurd_times: u64,
    /// Connections.
    pub connections: u64,
    /// Segments that found no room for their connection.
    pub untracked: u64,
}

/// Turns packets into timelines.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    clock: Clock,
    index: Index,
    pub(crate) timelines: Vec<Timeline>,
    pub(crate) routes: Vec<Route>,
    route_of: BTreeMap<End, u32>,
    twins: Twins,
    /// Where the search for a place to reuse goes on.
    hand: usize,
    counts: Counts,
    last: Option<Instant>,
    pub(crate) vacancies: Vacancies,
    /// What another point's capture is compared by; `None` if there is none.
    pub(crate) sample: Option<Box<Sample>>,
}

impl Tracker {
    /// Returns a tracker that has seen nothing.
    ///
    /// `seed` keeps those who write captures from choosing addresses that make the table slow; it
    /// has no influence on what is found.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            clock: Clock::default(),
            index: Index::new(seed),
            timelines: Vec::new(),
            routes: Vec::new(),
            route_of: BTreeMap::new(),
            twins: Twins::default(),
            hand: 0,
            counts: Counts::default(),
            last: None,
            vacancies: Vacancies::default(),
            sample: None,
        }
    }

    /// Takes the next packet of the capture: frame `number`, stamped `stamp`.
    pub fn take(&mut self, number: u64, stamp: Option<Instant>, view: View<'_>) {
        self.take_all([(number, stamp, view)]);
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        Counts { absurd_times: self.clock.absurd, ..self.counts }
    }

    /// Returns the time of the last frame.
    #[must_use]
    pub const fn last_time(&self) -> Option<Instant> {
        self.last
    }

    /// Counts a packet and returns its moment.
    #[inline]
    fn read_clock(&mut self, stamp: Option<Instant>) -> Moment {
        self.counts.packets += 1;
        let moment = self.clock.read(stamp);
        self.last = self.last.max(Some(moment.at));
        moment
    }

    /// Takes a segment, whose timeline is probably at `place`.
    fn take_segment(&mut self, seen: &Sighting<'_>, hash: Hash, place: Option<u32>) {
        self.counts.segments += 1;
        let linked = |place: &u32| self.timelines[*place as usize].linked;
        let here = place.filter(linked).and_then(|place| self.sender(place, seen.src, seen.dst));
        let found = here.zip(place).map(|(from, place)| (place, from));
        let found = found.or_else(|| self.find(hash, seen.src, seen.dst));
        let (index, from) = match found {
            Some((index, from)) if !self.starts_anew(index, seen) => (index, from),
            Some(_) | None => {
                let Some(opened) = self.open(found.map(|(index, _)| index), seen) else {
                    self.counts.untracked += 1;
                    return;
                };
                opened
            }
        };
        let timeline = &mut self.timelines[index as usize];
        let route = &mut self.routes[timeline.path as usize];
        let observed = timeline.observe(index, from, seen, route);
        self.counts.duplicates += u64::from(observed.duplicate);
        if let Some(sample) = self.sample.as_deref_mut().filter(|_| !observed.duplicate)
            && !timeline.twin
        {
            sample.take(from, seen);
        }
        if let Some(repeated) = observed.repeats {
            self.timelines[repeated as usize].repeated = true;
        }
    }

    fn take_icmp(&mut self, view: View<'_>, mark: Mark) {
        let Some(icmp) = view.icmp() else { return };
        let (unreachable, next_mtu) = (icmp.is_unreachable(), icmp.next_mtu());
        let telling = unreachable || next_mtu.is_some();
        let Some(quoted) = view.quoted().filter(|_| telling).and_then(|view| view.flow()) else {
            return;
        };
        let FlowKey { protocol, initiator, responder } = quoted;
        if protocol == Protocol::Tcp
            && let Some((index, _)) = self.find_ends(End::new(initiator), End::new(responder))
        {
            let ending = self.timelines[index as usize].ending.get_or_insert_default();
            match next_mtu {
                Some(mtu) => ending.too_big.get_or_insert((mark, mtu)).0,
                None => *ending.unreachable.get_or_insert(mark),
            };
        }
    }

    /// Tells whether a SYN opens a new connection under the name of an old one, rather than being
    /// the old one's again.
    fn starts_anew(&self, index: u32, seen: &Sighting<'_>) -> bool {
        let opens = seen.is(Flags::SYN) && !seen.is(Flags::ACK);
        opens && self.timelines[index as usize].isn() != Some(seen.tcp.seq)
    }

    /// Makes a timeline for the connection of a segment, and tells who sent that.
    fn open(&mut self, old: Option<u32>, seen: &Sighting<'_>) -> Option<(u32, Sender)> {
        let (client, server) = self.roles(seen);
        let path = self.route(server)?;
        let timeline = Timeline::open(client, path, seen);
        if let Some(old) = old {
            self.unlink(old);
            let Timeline { path, worked, .. } = self.timelines[old as usize];
            if self.timelines[old as usize].is_open() {
                self.routes[path as usize].leave(worked);
            }
        }
        let index = self.place(timeline)?;
        self.link(index);
        self.counts.connections += 1;
        if self.timelines[index as usize].opening_seen && self.twins.is_twin(seen) {
            self.timelines[index as usize].twin = true;
        } else {
            self.routes[path as usize].connections += 1;
        }
        if self.timelines[index as usize].established {
            self.routes[path as usize].admit();
        }
        Some((index, self.timelines[index as usize].last_from))
    }

    /// Tells which end is the client. Without a SYN, the server is the end that is known as one,
    /// else the one with the lower port.
    fn roles(&self, seen: &Sighting<'_>) -> (End, End) {
        let from_client = match (seen.is(Flags::SYN), seen.is(Flags::ACK)) {
            (true, false) => true,
            (true, true) => false,
            (false, _) => {
                let known = |end: End| self.route_of.contains_key(&end);
                match (known(seen.src), known(seen.dst)) {
                    (true, false) => false,
                    (false, true) => true,
                    _ => seen.src.port() >= seen.dst.port(),
                }
            }
        };
        if from_client { (seen.src, seen.dst) } else { (seen.dst, seen.src) }
    }

    fn route(&mut self, server: End) -> Option<u32> {
        if let Some(&index) = self.route_of.get(&server) {
            return Some(index);
        }
        let index = self.place_route(server)?;
        self.route_of.insert(server, index);
        Some(index)
    }

    /// Puts a timeline where there is room; when there is none, in place of a boring one.
    fn place(&mut self, timeline: Timeline) -> Option<u32> {
        if let Some(index) = self.vacancies.timelines.pop() {
            self.timelines[index as usize] = timeline;
            return Some(index);
        }
        if self.timelines.len() < self.limits.flows {
            let index = u32::try_from(self.timelines.len()).ok()?;
            self.timelines.push(timeline);
            return Some(index);
        }
        let tries = self.timelines.len().min(PLACES_TRIED);
        for _ in 0..tries {
            let index = self.hand;
            self.hand = (self.hand + 1) % self.timelines.len();
            if self.timelines[index].ended_well() {
                let index_u32 = u32::try_from(index).ok()?;
                self.unlink(index_u32);
                self.timelines[index] = timeline;
                return Some(index_u32);
            }
        }
        None
    }

    /// Tells whether a segment with something in it is old on a connection that is known, or came
    /// by under another name; `None` if it has nothing in it, or nothing is known.
    pub(crate) fn has_seen(&self, facts: &Facts) -> Option<bool> {
        let length = facts.seq_len();
        if length == 0 {
            return None;
        }
        let Some((index, from)) = self.find_ends(facts.src, facts.dst) else {
            return self.sample.as_ref()?.has(&facts.tcp, facts.len).then_some(true);
        };
        Some(self.timelines[index as usize].half(from).has_seen(facts.tcp.seq, length))
    }

    /// Returns where the timeline is of the connection between two ends, and which of its ends
    /// `src` is.
    #[inline]
    fn find(&self, hash: Hash, src: End, dst: End) -> Option<(u32, Sender)> {
        let mut from = None;
        let found = self.index.find(hash, |index| {
            from = self.sender(index, src, dst);
            from.is_some()
        });
        found.zip(from)
    }

    /// Returns which end of the connection at a place `src` is, if `dst` is the other.
    #[inline]
    fn sender(&self, index: u32, src: End, dst: End) -> Option<Sender> {
        let timeline = &self.timelines[index as usize];
        let server = self.routes[timeline.path as usize].server;
        let from_client = timeline.client == src;
        let (from, client, other) =
            if from_client { (Sender::Client, src, dst) } else { (Sender::Server, dst, src) };
        (timeline.client == client && server == other).then_some(from)
    }

    fn find_ends(&self, a: End, b: End) -> Option<(u32, Sender)> {
        self.find(self.index.hash(a, b), a, b)
    }

    fn link(&mut self, index: u32) {
        self.timelines[index as usize].linked = true;
        self.index.insert(self.hash_of(index), index);
    }

    fn unlink(&mut self, index: u32) {
        self.timelines[index as usize].linked = false;
        self.index.remove(self.hash_of(index), index);
    }

    fn hash_of(&self, index: u32) -> Hash {
        let timeline = &self.timelines[index as usize];
        self.index.hash(timeline.client, self.routes[timeline.path as usize].server)
    }
}

impl Timeline {
    fn open(client: End, path: u32, seen: &Sighting<'_>) -> Self {
        let opened = seen.is(Flags::SYN) && !seen.is(Flags::ACK);
        Self {
            client,
            path,
            era: seen.era,
            last: seen.mark,
            last_from: if seen.src == client { Sender::Client } else { Sender::Server },
            last_carries: Carries::Nothing,
            syn: seen.tcp.seq,
            opening_seen: opened,
            established: !opened,
            repeated: false,
            twin: false,
            linked: false,
            halves: Default::default(),
            request: None,
            data_at: seen.mark,
            worked: false,
            series: None,
            pause: None,
            ending: None,
        }
    }

    /// Tells whether nothing about the flow could still interest a rule: both ends have closed,
    /// nobody reset it and no request was lost.
    fn ended_well(&self) -> bool {
        let closed = self.server_fin().is_some() && self.client_fin().is_some();
        closed && self.reset().is_none() && self.lost_request().is_none() && self.series.is_none()
    }
}
