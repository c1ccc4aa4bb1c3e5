//! What is known of one path: all the connections to one server address.

use core::num::NonZeroU32;
use std::collections::{BTreeMap, VecDeque};

use halfopen_core::time::{Duration, Instant};

use crate::agents::Agents;
use crate::content::Content;
use crate::timeline::{End, Mark, Sender};

/// More pauses than this are not kept; the longest stay, since they bound the limit.
const SURVIVALS_MAX: usize = 1024;
/// A client repeats a request by itself within this time.
const REPEAT_MAX: Duration = Duration::from_secs(1);
/// Lost requests that wait for their repetition.
const PENDING_MAX: usize = 32;
/// Closings by the server that are kept to see a pattern in.
const CLOSINGS_MAX: usize = 1024;
/// Openings kept to show that the server could be reached; the latest stay.
const OPENINGS_MAX: usize = 4096;
/// Connections that could not be opened of which it is kept what was open meanwhile.
const TURNED_AWAY_MAX: usize = 256;
/// Packets of one end that took another way through the network differ by no more hops than this.
pub(crate) const DETOUR_MAX: u8 = 3;
/// Frames kept to show loss.
const LOSSES_MAX: usize = 8;

/// A pause that a flow survived, or that ended in a FIN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Witness {
    pub(crate) idle: Duration,
    pub(crate) before: Mark,
    pub(crate) after: Mark,
}

/// A request that was lost.
#[derive(Clone, Copy, Debug)]
struct Pending {
    flow: u32,
    content: Content,
    lost: Instant,
}

/// The connections of a path that are open at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) open: u32,
    /// Of these, how many the server had accepted and not yet answered.
    pub(crate) unserved: u32,
}

/// What is known of one path.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) server: End,
    pub(crate) connections: u64,
    /// Runs of client data; TLS handshakes do not count.
    pub(crate) requests: u64,
    /// Segments, and how many of them were sent again.
    pub(crate) segments: u64,
    pub(crate) retransmissions: u64,
    /// Connections that are open, and how many of these the server has not yet answered.
    open: Crowd,
    /// The most connections that were open when the server accepted one more.
    pub(crate) admitted_at: u32,
    /// The largest payload of client and server that the other end has acknowledged.
    largest_answered: [u16; 2],
    /// Pauses after which a flow still worked, by their length.
    pub(crate) survived: BTreeMap<Duration, Witness>,
    /// The longest time without data after which the server still answered a request.
    pub(crate) kept_open: Option<Witness>,
    /// Closings by the server of a connection on which nothing was under way.
    pub(crate) closings: Vec<Witness>,
    pub(crate) losses: Vec<Mark>,
    /// Times to live of packets that only the server itself can have sent.
    pub(crate) ttls: [u8; 4],
    pub(crate) answer_us: Option<NonZeroU32>,
    /// When the server was last heard on two different flows: the latest, and the latest of
    /// another flow than that.
    heard: [Option<(u32, Mark)>; 2],
    /// When the server accepted connections, in order.
    openings: VecDeque<Mark>,
    pending: Vec<Pending>,
    pub(crate) agents: Agents,
    /// Pauses survived that nobody has asked for yet, up to so many.
    pub(crate) fresh: Vec<Duration>,
    pub(crate) fresh_max: usize,
    /// What was open when a connection could not be opened, by the frame that shows it.
    turned_away: BTreeMap<u64, Crowd>,
    /// Connections that the client closed long after the server had.
    pub(crate) closed_late: u64,
}

impl Route {
    pub(crate) fn new(server: End) -> Self {
        Self {
            server,
            connections: 0,
            requests: 0,
            segments: 0,
            retransmissions: 0,
            open: Crowd { open: 0, unserved: 0 },
            admitted_at: 0,
            largest_answered: [0; 2],
            survived: BTreeMap::new(),
            kept_open: None,
            closings: Vec::new(),
            losses: Vec::new(),
            ttls: [0; 4],
            answer_us: None,
            heard: [None; 2],
            openings: VecDeque::new(),
            pending: Vec::new(),
            agents: Agents::default(),
            fresh: Vec::new(),
            fresh_max: 0,
            turned_away: BTreeMap::new(),
            closed_late: 0,
        }
    }

    /// Takes note of one more connection that is open.
    pub(crate) fn admit(&mut self) {
        self.admitted_at = self.admitted_at.max(self.open.open);
        self.open.open += 1;
        self.open.unserved += 1;
    }

    /// Takes note that a connection got its first response.
    pub(crate) fn serve(&mut self) {
        self.open.unserved = self.open.unserved.saturating_sub(1);
    }

    /// Takes note that a connection is open no more; `served` if it ever got a response.
    pub(crate) fn leave(&mut self, served: bool) {
        self.open.open = self.open.open.saturating_sub(1);
        if !served {
            self.serve();
        }
    }

    /// Takes note of what is open as a connection cannot be opened, as `mark` shows.
    pub(crate) fn record_turned_away(&mut self, mark: Mark) {
        if self.turned_away.len() < TURNED_AWAY_MAX {
            self.turned_away.entry(mark.frame()).or_insert(self.open);
        }
    }

    /// Returns what was open as the connection could not be opened which `frame` shows.
    pub(crate) fn turned_away(&self, frame: u64) -> Option<Crowd> {
        self.turned_away.get(&frame).copied()
    }

    pub(crate) fn largest_answered(&self, sender: Sender) -> u16 {
        self.largest_answered[sender as usize]
    }

    pub(crate) fn record_answered(&mut self, sender: Sender, largest: u16) {
        let known = &mut self.largest_answered[sender as usize];
        *known = (*known).max(largest);
    }

    pub(crate) fn record_survival(&mut self, witness: Witness) {
        if self.fresh.len() < self.fresh_max {
            self.fresh.push(witness.idle);
        }
        self.survived.entry(witness.idle).or_insert(witness);
        if self.survived.len() > SURVIVALS_MAX {
            self.survived.pop_first();
        }
    }

    pub(crate) fn record_kept_open(&mut self, witness: Witness) {
        if self.kept_open.is_none_or(|longest| longest.idle < witness.idle) {
            self.kept_open = Some(witness);
        }
    }

    pub(crate) fn record_closing(&mut self, witness: Witness) {
        if self.closings.len() < CLOSINGS_MAX {
            self.closings.push(witness);
        }
    }

    pub(crate) fn record_loss(&mut self, mark: Mark) {
        if self.losses.len() < LOSSES_MAX {
            self.losses.push(mark);
        }
    }

    /// Takes note of a packet of the server; `ttl` is `None` if a box may have forged it.
    pub(crate) fn hear(&mut self, flow: u32, mark: Mark, ttl: Option<u8>) {
        if self.heard[0].is_some_and(|(latest, _)| latest != flow) {
            self.heard[1] = self.heard[0];
        }
        self.heard[0] = Some((flow, mark));
        if let Some(ttl) = ttl.filter(|ttl| self.ttls[0] != *ttl && !self.ttls.contains(ttl)) {
            self.ttls.rotate_right(1);
            self.ttls[0] = ttl;
        }
    }

    /// Tells whether the server's packets arrive with this time to live, as far as is known: they
    /// have done so, or they arrive by routes of different length.
    pub(crate) fn arrives_with(&self, ttl: u8) -> bool {
        let known = || self.ttls.into_iter().filter(|&ttl| ttl != 0);
        let (Some(least), Some(most)) = (known().min(), known().max()) else { return false };
        let spread = most - least;
        let vary = (1..=DETOUR_MAX).contains(&spread);
        known().any(|known| known == ttl) || vary && (least..=most + spread).contains(&ttl)
    }

    /// Returns when the server was last heard on a flow other than `flow`.
    pub(crate) fn heard_besides(&self, flow: u32) -> Option<Mark> {
        let mut heard = self.heard.iter().flatten();
        heard.find(|(other, _)| *other != flow).map(|&(_, mark)| mark)
    }

    /// Takes note that the server accepted a connection.
    pub(crate) fn record_opening(&mut self, mark: Mark) {
        if self.openings.len() == OPENINGS_MAX {
            self.openings.pop_front();
        }
        self.openings.push_back(mark);
    }

    /// Returns when the server accepted connections, in order: of very many, the latest.
    pub(crate) fn openings(&self) -> impl Iterator<Item = Mark> {
        self.openings.iter().copied()
    }

    /// Returns the first opening at `from` or later.
    pub(crate) fn opening_since(&self, from: Instant) -> Option<Mark> {
        let index = self.openings.partition_point(|opening| opening.at() < from);
        self.openings.get(index).copied()
    }

    /// Returns the longest pause that a flow survived.
    pub(crate) fn longest_survived(&self) -> Option<&Witness> {
        self.survived.last_key_value().map(|(_, witness)| witness)
    }

    /// Takes note of a lost request, so that its repetition is known when it comes.
    pub(crate) fn record_lost(&mut self, flow: u32, content: Content, lost: Mark) {
        if self.pending.len() == PENDING_MAX {
            self.pending.remove(0);
        }
        self.pending.push(Pending { flow, content, lost: lost.at() });
    }

    /// Takes note that a lost request was longer than what had been sent when it was lost.
    pub(crate) fn lengthen_lost(&mut self, flow: u32, content: Content) {
        if let Some(lost) = self.pending.iter_mut().rfind(|lost| lost.flow == flow) {
            lost.content = content;
        }
    }

    /// Returns the flow whose lost request a request on `flow`, set about at `began`, repeats.
    pub(crate) fn repetition(&mut self, flow: u32, content: Content, began: Mark) -> Option<u32> {
        let soon = |since: Instant| {
            began.at() >= since && began.at().saturating_since(since) <= REPEAT_MAX
        };
        let found = self.pending.iter().position(|lost| {
            let same = if lost.content.readable && content.readable {
                lost.content == content
            } else {
                lost.content.len == content.len
            };
            lost.flow != flow && same && soon(lost.lost)
        })?;
        Some(self.pending.swap_remove(found).flow)
    }

    /// Forgets which connection something was seen on: its place is another's from now on.
    pub(crate) fn forget_flow(&mut self, flow: u32) {
        self.pending.retain(|lost| lost.flow != flow);
        for (heard, _) in self.heard.iter_mut().flatten().filter(|(heard, _)| *heard == flow) {
            *heard = u32::MAX;
        }
    }
}
