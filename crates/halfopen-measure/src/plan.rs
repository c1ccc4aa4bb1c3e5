//! Which connections are opened, which is asked after which pause, and what follows from it.
//!
//! A machine: it is told what happened and the time, and asked what to do and when to be woken. It
//! has no clock and no I/O.
//!
//! While all pauses are survived, the oldest idle connection is asked whenever its age reaches the
//! next pause of the schedule. As soon as one does not answer at once, nothing more is opened, and
//! `closing` closes in on the limit. `verdict` says when that is enough.

use std::collections::{BTreeSet, VecDeque};

use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};

use crate::answer::{Because, Effort, Failure, Fate, Finding, Outcome, Remark, Sample};
use crate::known::Known;
use crate::settings::{CONNECTIONS_MIN, Settings, SettingsError};

mod closing;
mod opening;
mod schedule;
mod told;
mod trial;
mod twins;
mod verdict;

use schedule::Schedule;
pub use told::{Action, AfterFin, End, ProbeId, Reply, Told};
use trial::{Trial, Trials};

/// The first pause that is tried, unless something is known.
const FIRST: Duration = Duration::from_secs(2);

/// What is to be done, what was, and what follows.
#[derive(Debug)]
pub struct Plan {
    settings: Settings,
    schedule: Schedule,
    rng: Rng,
    probes: Vec<Probe>,
    /// Idle connections without TCP's probes, the oldest first.
    idle: BTreeSet<(Instant, ProbeId)>,
    trials: Trials,
    opening: opening::Opening,
    twins: twins::Twins,
    farewells: Vec<AfterFin>,
    /// The pause that is tried next while all are survived.
    target: Duration,
    rtt: Option<Duration>,
    actions: VecDeque<Action>,
    /// When to look again, besides at openings.
    wake: Option<Instant>,
    start: Option<Instant>,
    now: Instant,
    restarts: Vec<Instant>,
    /// Whether it looks once more at what the first round left open.
    is_second: bool,
    stopped: bool,
    done: Option<(Outcome, Duration)>,
}

/// A connection.
#[derive(Clone, Copy, Debug)]
struct Probe {
    state: State,
    /// Whether TCP probes it.
    kept: bool,
    /// When it became idle: its answer had come.
    idle_from: Instant,
    /// When it was asked for that answer: the far end's timer began no earlier.
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Idle,
    Asked,
    Over,
}

/// How far a measurement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Since when.
    pub elapsed: Duration,
    /// The longest pause that was survived.
    pub survived: Option<Duration>,
    /// The shortest that is suspected to be fatal.
    pub suspected: Option<Duration>,
    /// How many connections are open.
    pub open: u32,
    /// How many were opened.
    pub opened: u32,
    /// How many it opens at most.
    pub budget: u32,
    /// How much longer it takes at most, if all goes well.
    pub left_at_most: Duration,
}

/// What a measurement is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Opening connections, and asking some.
    Opening,
    /// Waiting for connections to grow older.
    Waiting,
    /// Closing in on a limit.
    ClosingIn,
    /// Nothing: the finding is complete.
    Done,
}

impl Plan {
    /// Returns a plan that knows nothing of the path.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        Self::resume(settings, &Known::default())
    }

    /// Returns a plan that goes on from what is known: shorter pauses than the survived one are not
    /// tried again, and the fatal one is tried anew.
    pub fn resume(settings: Settings, known: &Known) -> Result<Self, SettingsError> {
        settings.check()?;
        let survived = known.survived.unwrap_or_default();
        // A little shorter, so that what was survived once shows to be survived still.
        let first = FIRST.max(survived.saturating_sub(settings.precision)).min(settings.up_to);
        let reach = known.died.map_or(settings.up_to, |died| died + 2 * settings.precision);
        let schedule = Schedule::new(&Settings { up_to: reach.max(first), ..settings }, first);
        Ok(Self {
            schedule,
            rng: Rng::new(settings.seed),
            probes: Vec::new(),
            idle: BTreeSet::new(),
            trials: Trials::default(),
            opening: opening::Opening::default(),
            twins: twins::Twins::default(),
            farewells: Vec::new(),
            target: first,
            rtt: None,
            actions: VecDeque::new(),
            wake: None,
            start: None,
            now: Instant::EPOCH,
            restarts: Vec::new(),
            is_second: false,
            stopped: false,
            done: None,
            settings,
        })
    }

    /// Takes into account what happened.
    pub fn tell(&mut self, now: Instant, told: Told) {
        self.begin(now);
        match told {
            Told::Opened { probe, rtt, greeting } => self.opened(probe, rtt, greeting),
            Told::Failed { probe, failure } => self.failed(probe, failure),
            Told::Overdue { probe, .. } => self.trials.overdue(probe),
            Told::Replied { probe, quiet, reply } => {
                self.probes[probe.index()].state = State::Over;
                self.trials.replied(probe, now, quiet, reply);
            }
            Told::Ended { probe, end } => self.ended(probe, end),
            Told::Farewell { after, .. } => self.farewells.push(after),
        }
        self.decide();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.begin(now);
        self.decide();
    }

    /// Ends the measurement: the finding is what is known by now.
    pub fn stop(&mut self, now: Instant) {
        self.begin(now);
        self.stopped = true;
        if self.done.is_none() {
            let outcome = self.outcome_when_stopped();
            self.finish(outcome);
        }
    }

    /// Returns what to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) next has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_done() {
            return None;
        }
        self.wake.into_iter().chain(self.opening_due()).min()
    }

    /// Tells whether the finding is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// Returns what is known by now.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let (outcome, took) = match &self.done {
            Some((outcome, took)) => (outcome.clone(), *took),
            None => (self.outcome_when_stopped(), self.elapsed()),
        };
        let class = self.class(&outcome);
        let unknown = self.unknown(&outcome, class);
        let start = self.start.unwrap_or(Instant::EPOCH);
        let samples: Vec<Sample> =
            self.trials.all().iter().filter_map(|trial| trial.sample(start)).collect();
        let asked = self.trials.all().iter().filter(|trial| trial.was_asked).count();
        let effort = Effort {
            opened: u32::try_from(self.probes.len()).unwrap_or(u32::MAX),
            asked: u32::try_from(asked).unwrap_or(u32::MAX),
            took,
        };
        Finding { remarks: self.remarks(), outcome, class, unknown, samples, effort }
    }

    /// Returns how far it has come.
    #[must_use]
    pub fn progress(&self, now: Instant) -> Progress {
        let elapsed = now.saturating_since(self.start.unwrap_or(now));
        let suspected = self.suspected_age();
        let stage = if self.is_done() {
            Stage::Done
        } else if suspected.is_some() {
            Stage::ClosingIn
        } else if self.opening_due().is_some() {
            Stage::Opening
        } else {
            Stage::Waiting
        };
        let by = self.answer_by(self.settings.up_to);
        let open = self.probes.iter().filter(|probe| probe.state != State::Over).count();
        Progress {
            stage,
            elapsed,
            survived: self.trials.survived(),
            suspected,
            open: u32::try_from(open).unwrap_or(u32::MAX),
            opened: u32::try_from(self.probes.len()).unwrap_or(u32::MAX),
            budget: self.settings.connections_max,
            left_at_most: by.saturating_sub(elapsed),
        }
    }

    /// Returns when at the latest, from the beginning, a limit of this length is known, on a path
    /// that does nothing else. What shows at expiry is known earlier.
    #[must_use]
    pub fn answer_by(&self, limit: Duration) -> Duration {
        self.schedule.known_by(limit, self.silent_after())
    }

    /// Returns what another round may go on with.
    #[must_use]
    pub fn known(&self) -> Known {
        match self.finding().outcome {
            Outcome::Limit(limit) => {
                Known { survived: Some(limit.survived), died: Some(limit.died) }
            }
            Outcome::AtLeast { survived } => Known { survived: Some(survived), died: None },
            Outcome::Inconclusive { survived, .. } => Known { survived, died: None },
        }
    }

    fn begin(&mut self, now: Instant) {
        self.now = now;
        self.start.get_or_insert(now);
    }

    fn elapsed(&self) -> Duration {
        self.start.map_or(Duration::ZERO, |start| self.now.saturating_since(start))
    }

    fn opened(&mut self, id: ProbeId, rtt: Duration, greeting: Duration) {
        let now = self.now;
        let rtt = self.rtt.map_or(rtt, |least| least.min(rtt));
        self.rtt = Some(rtt);
        self.trials.rtt = rtt;
        let since = Instant::from_nanos(
            now.as_nanos().saturating_sub(u64::try_from(greeting.as_nanos()).unwrap_or(u64::MAX)),
        );
        let probe = &mut self.probes[id.index()];
        *probe = Probe { state: State::Idle, idle_from: now, since, ..*probe };
        if !probe.kept {
            self.idle.insert((now, id));
        }
        self.opening.succeeded();
    }

    fn failed(&mut self, id: ProbeId, failure: Failure) {
        self.probes[id.index()].state = State::Over;
        let open = self.probes.iter().filter(|probe| probe.state == State::Idle).count();
        if self.opening.failed(failure, open) {
            // With fewer connections, pauses lie further apart.
            let open = u32::try_from(open).unwrap_or(u32::MAX);
            self.settings.connections_max = open.max(CONNECTIONS_MIN + self.settings.twins);
            self.schedule = Schedule::new(&self.settings, self.schedule.first);
        }
    }

    fn ended(&mut self, id: ProbeId, end: End) {
        let probe = &mut self.probes[id.index()];
        if probe.state != State::Idle {
            return;
        }
        probe.state = State::Over;
        self.idle.remove(&(probe.idle_from, id));
        let probe = *probe;
        self.trials.ended(Trial::new(id, &probe, self.now, false), end);
    }

    /// Decides what to do, now that everything is known.
    fn decide(&mut self) {
        if self.is_done() {
            return;
        }
        self.wake = None;
        if let Some(outcome) = self.verdict() {
            return self.finish(outcome);
        }
        self.open_due();
        self.keep_twins();
        if self.suspected_age().is_some() {
            self.close_in();
            if self.is_stuck() {
                self.go_on();
            }
        } else {
            self.march();
        }
    }

    /// Asks the oldest connections whose time has come.
    fn march(&mut self) {
        while self.target <= self.settings.up_to {
            let Some(&(idle_from, id)) = self.idle.first() else { return };
            let due = idle_from + self.target;
            if due > self.now {
                return self.wake_at(due);
            }
            self.ask(id);
            let jitter = self.rng.below(100_000_000);
            let age = self.now.saturating_since(idle_from);
            let tried = self.target.max(age.min(self.settings.up_to));
            let next = self.schedule.after(tried) + Duration::from_nanos(jitter);
            // The longest pause is tried itself, and then it is over.
            let is_last = self.target < self.settings.up_to && next > self.settings.up_to;
            self.target = if is_last { self.settings.up_to } else { next };
        }
    }

    fn ask(&mut self, id: ProbeId) {
        let probe = &mut self.probes[id.index()];
        probe.state = State::Asked;
        let probe = *probe;
        self.idle.remove(&(probe.idle_from, id));
        self.trials.asked(Trial::new(id, &probe, self.now, true));
        let (overdue_after, silent_after) = (self.overdue_after(), self.silent_after());
        self.actions.push_back(Action::Ask { probe: id, overdue_after, silent_after });
    }

    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Returns after how long an answer is late, and the question has been repeated at least once.
    fn overdue_after(&self) -> Duration {
        Duration::from_millis(330) + 3 * self.rtt.unwrap_or_default()
    }

    fn silent_after(&self) -> Duration {
        self.settings.patience + 4 * self.rtt.unwrap_or_default()
    }

    fn finish(&mut self, outcome: Outcome) {
        self.actions.clear();
        self.done = Some((outcome, self.elapsed()));
    }

    fn remarks(&self) -> Vec<Remark> {
        let start = self.start.unwrap_or(Instant::EPOCH);
        let restarts =
            self.restarts.iter().map(|at| Remark::Restart { at: at.saturating_since(start) });
        let noise = self.trials.noise();
        let noise = (noise > 0).then_some(Remark::Noise { deaths: noise });
        let slow = self.trials.slow();
        let slow = (slow > 0).then_some(Remark::Slow { answers: slow });
        let no_more = self.opening.no_more().map(|open| Remark::NoMore { open });
        restarts.chain(noise).chain(slow).chain(no_more).collect()
    }
}

impl ProbeId {
    fn index(self) -> usize {
        usize::try_from(self.0).expect("as many connections as memory holds")
    }
}
