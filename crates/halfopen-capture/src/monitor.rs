//! Judging without end: the packets of an interface, for as long as they come.
//!
//! A capture is judged when it has been read. An interface has no end, so each connection is judged
//! once, as soon as nothing that could still come would change what is said of it, and forgotten
//! when it is over. What a path is known for – pauses survived, deaths – grows old and is forgotten
//! too, so that a timer that somebody changed does not contradict itself for ever.

mod book;
mod due;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_core::cause::{Cause, Finding};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::Verdict;
use halfopen_core::wire::View;

use crate::case::Case;
use crate::infer::PathReport;
use crate::rules;
use crate::timeline::{Mark, Timeline};
use crate::tracker::{Counts, Limits, Tracker, VACANT};
use book::Book;
use due::Due;

/// A call looks at so many places at least, and at this share of them: ten seconds for a large
/// table, if it is called four times a second.
const PLACES_MIN: usize = 4096;
const PLACES_SHARE: usize = 40;
/// From this many sixteenths of its limit on, the table makes room.
const FULL_SIXTEENTHS: usize = 15;

/// For how long a monitor remembers.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A connection without packets is given up after this.
    pub idle: Duration,
    /// A path's pauses and deaths are forgotten after this.
    pub memory: Duration,
    /// An idle time after which connections are held to be at risk on every path, besides what a
    /// path has shown.
    pub limit: Option<Duration>,
}

impl Default for Patience {
    /// Six days and a day, and no limit.
    ///
    /// Six days are longer than Linux's conntrack remembers an idle connection by default, five
    /// days (Documentation/networking/nf_conntrack-sysctl.rst).
    fn default() -> Self {
        let day = Duration::from_hours(24);
        Self { idle: day * 6, memory: day, limit: None }
    }
}

/// What came to light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A connection ended badly.
    Ended {
        /// What became of it.
        verdict: Verdict,
        /// What that says about its path, given what happened there before.
        cause: Cause,
    },
    /// A connection worked after a pause.
    Survived {
        /// The server.
        server: SocketAddr,
        /// How long it paused.
        idle: Duration,
    },
    /// It is better known for how long a path remembers idle connections.
    Narrowed {
        /// The server.
        server: SocketAddr,
        /// The longest pause shorter than `died` that a connection survived.
        survived: Option<Duration>,
        /// The shortest pause that a connection died of.
        died: Duration,
    },
}

/// What a monitor holds, and what it had to let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Connections that it remembers now.
    pub connections: usize,
    /// Servers that it remembers now.
    pub paths: usize,
    /// Connections that it forgot unjudged to make room.
    pub evicted: u64,
    /// Paths that it forgot to make room for others.
    pub evicted_paths: u64,
}

/// Judges connections while they come and go.
#[derive(Debug)]
pub struct Monitor {
    tracker: Tracker,
    limits: Limits,
    patience: Patience,
    books: Vec<Book>,
    /// Connections that were judged while they went on, and what they were judged by: the first of
    /// the packets that nobody answered, else the last data.
    told: BTreeMap<u32, Mark>,
    /// The place that is looked at next.
    hand: usize,
    /// The longest quiet seen since the hand was at the start, and in the round before.
    quietest: [Duration; 2],
    evicted: u64,
    evicted_paths: u64,
}

impl Monitor {
    /// Returns a monitor that has seen nothing. For `seed` see [`Tracker::new`].
    #[must_use]
    pub fn new(limits: Limits, patience: Patience, seed: u64) -> Self {
        let mut tracker = Tracker::new(limits, seed);
        tracker.report_survivals();
        Self {
            tracker,
            limits,
            patience,
            books: Vec::new(),
            told: BTreeMap::new(),
            hand: 0,
            quietest: [patience.idle; 2],
            evicted: 0,
            evicted_paths: 0,
        }
    }

    /// Takes the next packet, stamped `stamp`.
    pub fn take(&mut self, number: u64, stamp: Option<Instant>, view: View<'_>) {
        self.tracker.take(number, stamp, view);
    }

    /// Takes the next packets: the number, the stamp and the content of each.
    pub fn take_all<'a>(
        &mut self,
        packets: impl IntoIterator<Item = (u64, Option<Instant>, View<'a>)>,
    ) {
        self.tracker.take_all(packets);
    }

    /// Tells what has come to light by `now`, on the clock of the packets' stamps.
    ///
    /// It looks at a part of the table; called four times a second, it is through within ten
    /// seconds. What ended is judged five seconds later, fifteen if a request was lost, since the
    /// client may send that again.
    pub fn settle(&mut self, now: Instant, news: &mut Vec<News>) {
        self.books.resize_with(self.tracker.routes.len(), Book::default);
        self.hear_survivals(news);
        let places = self.tracker.timelines.len();
        for _ in 0..places.min((places / PLACES_SHARE).max(PLACES_MIN)) {
            if self.hand >= self.tracker.timelines.len() {
                break;
            }
            self.look(now, news);
            self.hand += 1;
        }
        if self.hand >= places {
            self.end_round(now);
        }
    }

    /// Returns what is wrong with each path, the worst first.
    #[must_use]
    pub fn paths(&self) -> Vec<PathReport> {
        let known = self.tracker.routes.iter().zip(&self.books);
        let of_server = |server| self.tracker.knows_route(server);
        let mut paths: Vec<PathReport> = known
            .filter(|(route, _)| route.connections > 0 && of_server(route.server))
            .map(|(route, book)| book.report(route))
            .collect();
        paths.sort_by_key(PathReport::rank);
        paths
    }

    /// Returns how many open connections to each server are idle for longer than is known to be
    /// safe there; servers without any are left out.
    pub fn at_risk(&self) -> impl Iterator<Item = (SocketAddr, u64)> {
        let known = self.tracker.routes.iter().zip(&self.books);
        known
            .filter(|(_, book)| book.at_risk > 0)
            .map(|(route, book)| (route.server.address(), book.at_risk))
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.tracker.counts()
    }

    /// Returns what it holds, and what it had to let go.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        Holdings {
            connections: self.tracker.occupied(),
            paths: self.tracker.known_routes(),
            evicted: self.evicted,
            evicted_paths: self.evicted_paths,
        }
    }

    fn hear_survivals(&mut self, news: &mut Vec<News>) {
        for (route, book) in self.tracker.routes.iter_mut().zip(&mut self.books) {
            let server = route.server.address();
            let fresh = core::mem::take(&mut route.fresh);
            let narrows = fresh.iter().any(|&idle| book.is_narrowed_by(idle));
            news.extend(fresh.into_iter().map(|idle| News::Survived { server, idle }));
            if narrows {
                book.narrow(route, news);
            }
        }
    }

    /// Looks at the connection at the hand: is it over, and what became of it?
    fn look(&mut self, now: Instant, news: &mut Vec<News>) {
        let timeline = &self.tracker.timelines[self.hand];
        if timeline.path == VACANT {
            return;
        }
        let index = u32::try_from(self.hand).unwrap_or(u32::MAX);
        let quiet = now.saturating_since(timeline.last.at());
        self.quietest[0] = self.quietest[0].max(quiet);
        let case = self.case(index);
        match due::due(&case, now, self.patience.idle) {
            Due::Later if self.is_crowded() && self.is_dispensable(timeline, quiet) => {
                self.forget(index);
                self.evicted += 1;
            }
            Due::Later => self.weigh(quiet),
            Due::Tell => self.tell(index, news),
            Due::Over => {
                self.tell(index, news);
                self.forget(index);
            }
        }
    }

    fn case(&self, index: u32) -> Case<'_> {
        let timeline = &self.tracker.timelines[index as usize];
        let route = &self.tracker.routes[timeline.path as usize];
        let until = self.tracker.last_time().unwrap_or(Instant::EPOCH);
        Case { timeline, index, route, until }
    }

    /// Counts the connection at the hand if its next packet may find it forgotten.
    fn weigh(&mut self, quiet: Duration) {
        let timeline = &self.tracker.timelines[self.hand];
        let open = timeline.established && !timeline.half_closed() && timeline.reset().is_none();
        let book = &mut self.books[timeline.path as usize];
        let limit = book.died().into_iter().chain(self.patience.limit).min();
        if open && !timeline.twin && limit.is_some_and(|limit| quiet >= limit) {
            book.counting += 1;
        }
    }

    /// Judges a connection, unless that was done, and tells if something is wrong with it.
    fn tell(&mut self, index: u32, news: &mut Vec<News>) {
        let timeline = &self.tracker.timelines[index as usize];
        let judged_by = timeline.series.map_or(timeline.data_at, |series| series.first);
        if timeline.twin || self.told.get(&index) == Some(&judged_by) {
            return;
        }
        self.told.insert(index, judged_by);
        let case = self.case(index);
        let (verdict, maybe_twice) = (rules::judge(&case), case.maybe_twice());
        if verdict.finding != Finding::Healthy {
            let path = self.tracker.timelines[index as usize].path as usize;
            self.books[path].maybe_twice += u64::from(maybe_twice);
            self.books[path].take(verdict, &self.tracker.routes[path], news);
        }
    }

    fn forget(&mut self, index: u32) {
        self.told.remove(&index);
        let timeline = &self.tracker.timelines[index as usize];
        let again = timeline.series.map_or(0, |series| series.sends.saturating_sub(1));
        self.books[timeline.path as usize].in_vain += u64::from(again);
        self.tracker.forget(index);
    }

    fn is_crowded(&self) -> bool {
        self.tracker.occupied() > self.limits.flows / 16 * FULL_SIXTEENTHS
    }

    /// Tells whether a connection has to make room: it never opened, or it is among the quietest.
    fn is_dispensable(&self, timeline: &Timeline, quiet: Duration) -> bool {
        !timeline.established && quiet >= due::AFTER_END || quiet >= self.quietest[1] / 2
    }

    /// All places have been looked at.
    fn end_round(&mut self, now: Instant) {
        self.hand = 0;
        self.quietest = [Duration::ZERO, self.quietest[0]];
        for (route, book) in self.tracker.routes.iter_mut().zip(&mut self.books) {
            book.at_risk = core::mem::take(&mut book.counting);
            book.age(route, now, self.patience.memory);
        }
        if self.tracker.known_routes() > self.limits.paths / 16 * FULL_SIXTEENTHS {
            self.forget_paths();
        }
    }

    /// Forgets the paths that no connection is on.
    fn forget_paths(&mut self) {
        let mut in_use = vec![false; self.tracker.routes.len()];
        for timeline in self.tracker.timelines.iter().filter(|one| one.path != VACANT) {
            in_use[timeline.path as usize] = true;
        }
        for (path, _) in in_use.iter().enumerate().filter(|(_, in_use)| !**in_use) {
            if self.tracker.forget_route(path) {
                self.books[path] = Book::default();
                self.evicted_paths += 1;
            }
        }
    }
}
