//! What became of connections after their pauses, and which pauses that proves.

use halfopen_core::time::{Duration, Instant};
use halfopen_pool::idle::WireIdle;

use super::{End, FIRST, Probe, ProbeId, Reply};
use crate::answer::{Fate, Sample};

/// How long after an answer the last packet of its exchange may go: TCP may delay its
/// acknowledgment so long (`include/net/tcp.h`, `TCP_DELACK_MIN`), and tells of it nowhere.
const ACKNOWLEDGED_BY: Duration = Duration::from_millis(50);
/// The same where the system does not tell of repetitions either.
const REPEATED_BY: Duration = Duration::from_millis(400);
/// For how long one that is silent may have met a path that still remembered, its first packets
/// being lost: until TCP has sent three.
const LOST_FOR: Duration = Duration::from_millis(250);

/// One connection after one pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) probe: ProbeId,
    pub(super) kept: bool,
    /// When the pause began.
    pub(super) from: Instant,
    /// When the connection was asked or ended.
    pub(super) at: Instant,
    /// How long the pause was, at least.
    pub(super) age: Duration,
    /// And at most.
    older: Duration,
    pub(super) was_asked: bool,
    /// It was asked, and the answer is late.
    pub(super) is_overdue: bool,
    pub(super) fate: Option<Fate>,
    /// Of what the fate proves: this pause is survived, or this one is fatal.
    proves: Duration,
}

/// All of them, in the order of asking.
#[derive(Debug, Default)]
pub(super) struct Trials {
    all: Vec<Trial>,
    /// Those before this one belong to an earlier round.
    round: usize,
    survived: Option<Duration>,
    slow: u32,
    /// How long a round trip takes at least.
    pub(super) rtt: Duration,
    /// The longest quiet that the wire had before an ask whose connection was idle for longer.
    disturbed: Option<Duration>,
    disturbances: u32,
}

impl Trial {
    pub(super) fn new(id: ProbeId, probe: &Probe, now: Instant, was_asked: bool) -> Self {
        let age = now.saturating_since(probe.idle_from);
        Self {
            probe: id,
            kept: probe.kept,
            from: probe.idle_from,
            at: now,
            age,
            older: now.saturating_since(probe.since),
            was_asked,
            is_overdue: false,
            fate: None,
            proves: Duration::ZERO,
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.fate.is_some_and(|fate| !fate.is_alive())
    }

    pub(super) fn is_alive(&self) -> bool {
        self.fate.is_some_and(Fate::is_alive)
    }

    /// Tells whether it ended before there was a pause to speak of.
    pub(super) fn ended_at_once(&self) -> bool {
        self.fate.is_some_and(Fate::is_idle_end) && self.age < FIRST / 2
    }

    /// Returns the pause that is fatal if this one died of it.
    pub(super) fn fatal(&self, rtt: Duration) -> Duration {
        match self.fate {
            Some(fate) if fate.is_idle_end() => self.older,
            Some(Fate::Reset | Fate::Closed) => self.proves,
            Some(_) | None => self.older + LOST_FOR + 2 * rtt,
        }
    }

    pub(super) fn sample(&self, start: Instant) -> Option<Sample> {
        let fate = self.fate?;
        let after = self.at.saturating_since(start);
        Some(Sample { pause: self.age, after, fate, probed: self.kept })
    }
}

impl Trials {
    pub(super) fn asked(&mut self, trial: Trial) {
        self.all.push(trial);
    }

    pub(super) fn overdue(&mut self, probe: ProbeId) {
        if let Some(trial) = self.waiting(probe) {
            trial.is_overdue = true;
        }
    }

    pub(super) fn replied(
        &mut self,
        probe: ProbeId,
        now: Instant,
        quiet: Option<WireIdle>,
        reply: Reply,
    ) {
        let Some(trial) = self.waiting(probe) else { return };
        let fate = match reply {
            Reply::Answered | Reply::Acknowledged => Fate::Survived,
            Reply::Reset => Fate::Reset,
            Reply::Closed => Fate::Closed,
            Reply::Silent => Fate::Silent,
        };
        trial.fate = Some(fate);
        let trial = if fate.is_alive() {
            // Both the last packet and the question take as long to reach whoever forgets.
            let least = trial.age;
            trial.proves = match quiet {
                _ if trial.kept => Duration::ZERO,
                Some(quiet) => least.min(quiet.since_any_packet).saturating_sub(ACKNOWLEDGED_BY),
                None => least.saturating_sub(REPEATED_BY),
            };
            *trial
        } else {
            trial.proves = trial.older + now.saturating_since(trial.at);
            return;
        };
        self.slow += u32::from(reply == Reply::Acknowledged);
        self.survived = self.survived.max(Some(trial.proves).filter(|it| !it.is_zero()));
        let quiet = quiet.filter(|_| !trial.kept).map(|quiet| quiet.since_any_packet);
        if let Some(quiet) = quiet.filter(|&quiet| quiet + quiet / 4 < trial.age) {
            self.disturbances += 1;
            self.disturbed = self.disturbed.max(Some(quiet));
        }
    }

    /// Notes that an idle connection ended.
    pub(super) fn ended(&mut self, trial: Trial, end: End) {
        let fate = match end {
            End::Closed => Fate::EndedClosed,
            End::Reset => Fate::EndedReset,
            End::TimedOut => Fate::EndedSilent,
        };
        self.all.push(Trial { fate: Some(fate), ..trial });
    }

    /// Begins another round: what died before does not count in it.
    pub(super) fn next_round(&mut self) {
        self.round = self.all.len();
    }

    pub(super) fn all(&self) -> &[Trial] {
        &self.all
    }

    /// Returns those of this round without TCP's probes.
    pub(super) fn plain(&self) -> impl Iterator<Item = &Trial> {
        self.all[self.round..].iter().filter(|trial| !trial.kept)
    }

    pub(super) fn twins(&self) -> impl Iterator<Item = &Trial> {
        self.all[self.round..].iter().filter(|trial| trial.kept)
    }

    /// Returns the longest pause that is known to be survived.
    pub(super) const fn survived(&self) -> Option<Duration> {
        self.survived
    }

    /// Returns those that died or seem to, of pauses that none is known to have survived.
    pub(super) fn suspects(&self) -> impl Iterator<Item = &Trial> {
        let (survived, rtt) = (self.survived.unwrap_or_default(), self.rtt);
        self.plain()
            .filter(|trial| trial.is_dead() || trial.is_overdue && trial.fate.is_none())
            .filter(|trial| !trial.ended_at_once())
            .filter(move |trial| trial.fatal(rtt) > survived)
    }

    /// Returns those that died of pauses that others survived.
    pub(super) fn doubtful(&self) -> impl Iterator<Item = &Trial> {
        let (survived, rtt) = (self.survived.unwrap_or_default(), self.rtt);
        self.plain().filter(move |trial| trial.is_dead() && trial.fatal(rtt) <= survived)
    }

    /// Returns how many died of pauses that others survived.
    pub(super) fn noise(&self) -> u32 {
        u32::try_from(self.doubtful().count()).unwrap_or(u32::MAX)
    }

    /// Returns how many answers came too late.
    pub(super) const fn slow(&self) -> u32 {
        self.slow
    }

    /// Returns how often the far end sends a packet of its own, if it does.
    pub(super) fn disturbed(&self) -> Option<Duration> {
        self.disturbed.filter(|_| self.disturbances >= 3)
    }

    fn waiting(&mut self, probe: ProbeId) -> Option<&mut Trial> {
        self.all.iter_mut().rev().find(|trial| trial.probe == probe && trial.fate.is_none())
    }
}
