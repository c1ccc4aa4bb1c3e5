//! What every hop must obey, as checks to run on hops of one's own.
//!
//! [`check`] makes up a history from a seed – conversations, strangers, noise, pauses, restarts –
//! and puts a hop through it under several drivers. The laws are those of the [`Hop`] contract:
//!
//! * *Same seed, same history*: two hops made alike and driven alike put out the same.
//! * *Spurious timeouts change nothing*: nothing happens before `poll_timeout` says so.
//! * *A late driver gets the same fates*: only when it learns of them differs.
//! * *Progress*: what was due is done, asking changes nothing, and a drained hop stays drained.
//! * *A flow is remembered once*: what is remembered was not, what is forgotten was.
//! * *Packets stay whole*: their checksums hold on the way out.
//! * *A packet that stands for several has their fates*: cutting it up before makes no difference.
//!
//! ```
//! use halfopen_core::{laws, link::{Link, LinkConfig}};
//!
//! for seed in 0..10 {
//!     laws::check(seed, &|rng| Box::new(Link::new(LinkConfig::IDEAL, rng))).unwrap();
//! }
//! ```

use core::fmt;
use std::collections::BTreeSet;

use crate::hop::{Command, EventKind, Hop, Output, Side};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::wire::Packet;

mod chatter;

use chatter::Chatter;

/// How many things happen in a history.
const STEPS: usize = 300;

/// More deadlines than any hop has between two things that happen.
const DEADLINES_MAX: usize = 100_000;

/// A law that a hop broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The law.
    pub law: &'static str,
    /// The seed of the history.
    pub seed: u64,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken with seed {}: {}: {}", self.seed, self.law, self.seen)
    }
}

impl core::error::Error for Broken {}

/// Something that happens to a hop.
#[derive(Clone, Debug)]
enum Happening {
    Packet(Side, Packet),
    Command(Command),
}

/// What came out, and when the driver learned of it.
type Trace = Vec<(Instant, Output)>;

/// Puts the hop that `make` returns through the history of `seed`.
///
/// `make` is called several times, each time with the same stream of chance, and must return the
/// same hop.
pub fn check(seed: u64, make: &dyn Fn(Rng) -> Box<dyn Hop>) -> Result<(), Broken> {
    let mut rng = Rng::new(seed);
    let hop_rng = rng.fork();
    let driver = Driver { seed, make: &|| make(hop_rng.clone()) };

    let (history, trace) = driver.record(&mut rng)?;
    driver.expect("same seed, same history", &trace, &driver.replay(&history)?)?;
    let often = driver.replay_often(&history, &mut rng)?;
    driver.expect("spurious timeouts change nothing", &trace, &often)?;
    let late = driver.replay_late(&history);
    let fates = |trace: Trace| trace.into_iter().map(|(_, output)| output).collect::<Vec<_>>();
    driver.expect("a late driver gets the same fates", &fates(trace.clone()), &fates(late))?;
    driver.remembered_once(&trace)?;
    driver.packets_stay_whole(&trace)?;
    let cut_up = driver.replay(&cut_up(history))?;
    let law = "a packet that stands for several has their fates";
    driver.expect(law, &by_channel(cut_up), &by_channel(trace))
}

struct Driver<'a> {
    seed: u64,
    make: &'a dyn Fn() -> Box<dyn Hop>,
}

impl Driver<'_> {
    /// Makes a history up while it happens, since what is said depends on what was heard.
    fn record(&self, rng: &mut Rng) -> Result<(Vec<(Instant, Happening)>, Trace), Broken> {
        let mut chatter = Chatter::new(rng.fork());
        let mut hop = (self.make)();
        let (mut history, mut trace, mut now) = (Vec::new(), Trace::new(), Instant::EPOCH);
        for _ in 0..STEPS {
            now = now + chatter.pause();
            let heard = trace.len();
            self.run_until(hop.as_mut(), now, &mut trace)?;
            let happening = chatter.next(&trace[heard..]);
            history.push((now, happening.clone()));
            let heard = trace.len();
            happen(hop.as_mut(), now, happening, &mut trace);
            chatter.hear(&trace[heard..]);
        }
        self.run_until(hop.as_mut(), end(now), &mut trace)?;
        Ok((history, trace))
    }

    /// Drives a hop as its contract says.
    fn replay(&self, history: &[(Instant, Happening)]) -> Result<Trace, Broken> {
        let (mut hop, mut trace) = ((self.make)(), Trace::new());
        for (at, happening) in history {
            self.run_until(hop.as_mut(), *at, &mut trace)?;
            happen(hop.as_mut(), *at, happening.clone(), &mut trace);
        }
        self.run_until(hop.as_mut(), end_of(history), &mut trace)?;
        Ok(trace)
    }

    /// Drives a hop with more timeouts than it asked for.
    fn replay_often(
        &self,
        history: &[(Instant, Happening)],
        rng: &mut Rng,
    ) -> Result<Trace, Broken> {
        let (mut hop, mut trace) = ((self.make)(), Trace::new());
        let mut now = Instant::EPOCH;
        for (at, happening) in history {
            let gap = u64::try_from(at.saturating_since(now).as_nanos()).unwrap_or(u64::MAX);
            let mut stops: Vec<u64> = (0..3).map(|_| rng.below(gap.saturating_add(1))).collect();
            stops.sort_unstable();
            for stop in stops.into_iter().map(|nanos| now + Duration::from_nanos(nanos)) {
                self.run_until(hop.as_mut(), stop, &mut trace)?;
                hop.handle_timeout(stop);
                drain(hop.as_mut(), stop, &mut trace);
            }
            now = *at;
            self.run_until(hop.as_mut(), now, &mut trace)?;
            happen(hop.as_mut(), now, happening.clone(), &mut trace);
        }
        self.run_until(hop.as_mut(), end_of(history), &mut trace)?;
        Ok(trace)
    }

    /// Drives a hop without any timeout before the end.
    fn replay_late(&self, history: &[(Instant, Happening)]) -> Trace {
        let (mut hop, mut trace) = ((self.make)(), Trace::new());
        for (at, happening) in history {
            happen(hop.as_mut(), *at, happening.clone(), &mut trace);
        }
        hop.handle_timeout(end_of(history));
        drain(hop.as_mut(), end_of(history), &mut trace);
        trace
    }

    /// Meets every deadline up to `now`.
    fn run_until(&self, hop: &mut dyn Hop, now: Instant, trace: &mut Trace) -> Result<(), Broken> {
        for _ in 0..DEADLINES_MAX {
            let Some(due) = hop.poll_timeout().filter(|&due| due <= now) else { return Ok(()) };
            hop.handle_timeout(due);
            drain(hop, due, trace);
            let next = hop.poll_timeout();
            if next != hop.poll_timeout() {
                return Err(self.broken("asking for the deadline is pure", &next));
            }
            if next.is_some_and(|next| next <= due) {
                return Err(self.broken("what was due is done", &(due, next)));
            }
        }
        Err(self.broken("deadlines come to an end", &now))
    }

    fn remembered_once(&self, trace: &Trace) -> Result<(), Broken> {
        let mut remembered = BTreeSet::new();
        for (_, output) in trace {
            let Output::Event(event) = output else { continue };
            let fits = match &event.kind {
                EventKind::Remembered { flow } => remembered.insert((event.hop, *flow)),
                EventKind::Forgot { flow, .. } => remembered.remove(&(event.hop, *flow)),
                EventKind::Orphaned { .. }
                | EventKind::Exhausted { .. }
                | EventKind::Discarded { .. }
                | EventKind::Refused { .. } => true,
            };
            if !fits {
                return Err(self.broken("a flow is remembered once", event));
            }
        }
        Ok(())
    }

    fn packets_stay_whole(&self, trace: &Trace) -> Result<(), Broken> {
        let packets = trace.iter().filter_map(|(_, output)| match output {
            Output::Packet(_, packet) => Some(packet),
            Output::Event(_) => None,
        });
        match packets.into_iter().find(|packet| !packet.checksums_hold()) {
            Some(packet) => Err(self.broken("packets stay whole", packet)),
            None => Ok(()),
        }
    }

    fn expect<T: PartialEq + fmt::Debug>(
        &self,
        law: &'static str,
        expected: &[T],
        actual: &[T],
    ) -> Result<(), Broken> {
        if expected == actual {
            return Ok(());
        }
        let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
        Err(self.broken(law, &("output", same, expected.get(same), actual.get(same))))
    }

    fn broken(&self, law: &'static str, seen: &dyn fmt::Debug) -> Broken {
        Broken { law, seed: self.seed, seen: format!("{seen:?}") }
    }
}

/// Returns a history in which every packet stands for itself alone.
fn cut_up(history: Vec<(Instant, Happening)>) -> Vec<(Instant, Happening)> {
    let mut cut_up = Vec::new();
    for (at, happening) in history {
        match happening {
            Happening::Command(_) => cut_up.push((at, happening)),
            Happening::Packet(side, packet) => {
                let packets = packet.into_segments();
                cut_up.extend(packets.map(|packet| (at, Happening::Packet(side, packet))));
            }
        }
    }
    cut_up
}

/// Returns what came out, cut up, and sorted by where: what different hops did at one time has no
/// order.
fn by_channel(trace: Trace) -> Vec<(Option<usize>, Instant, Output)> {
    let mut outputs = Vec::new();
    for (at, output) in trace {
        match output {
            Output::Event(event) => outputs.push((Some(event.hop), at, Output::Event(event))),
            Output::Packet(side, packet) => {
                let packets = packet.into_segments();
                outputs.extend(packets.map(|packet| (None, at, Output::Packet(side, packet))));
            }
        }
    }
    outputs
        .sort_by_key(|(hop, _, output)| (*hop, matches!(output, Output::Packet(Side::Outside, _))));
    outputs
}

fn happen(hop: &mut dyn Hop, now: Instant, happening: Happening, trace: &mut Trace) {
    match happening {
        Happening::Packet(side, packet) => hop.handle_packet(now, side, packet),
        Happening::Command(command) => hop.handle_command(now, command),
    }
    drain(hop, now, trace);
}

fn drain(hop: &mut dyn Hop, now: Instant, trace: &mut Trace) {
    while let Some(output) = hop.poll_output() {
        trace.push((now, output));
    }
}

/// Returns a time by which most of what was begun is over.
fn end(last: Instant) -> Instant {
    last + Duration::from_hours(1)
}

fn end_of(history: &[(Instant, Happening)]) -> Instant {
    end(history.last().map_or(Instant::EPOCH, |&(at, _)| at))
}

#[cfg(test)]
mod tests;
