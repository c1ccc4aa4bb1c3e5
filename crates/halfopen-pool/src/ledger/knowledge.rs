//! What is known of a path on one clock, and the cap that follows.
//!
//! # The rules
//!
//! **Without a fatal pause there is no cap.** The policy's own holds alone.
//!
//! **After a death** the cap lies where pauses were *survived*, not just below the one that was
//! fatal: the limit may be anywhere between the two. Two margins go with it. Above what survived, a
//! sixty-fourth and at most a second, since traffic on a schedule is never exactly on time. Below
//! what was fatal, an eighth and at least a second: a request takes time to reach whoever forgets.
//! A pause that is *trusted* by configuration is used although none as long was survived.
//!
//! **A far end's timer** shows itself by ending idle connections, which harms nobody. One such end
//! may be a restart and teaches nothing; two after the same pause (to a sixty-fourth and at least a
//! second), and none as long survived between them, are a timer, whose length is then known, and
//! the cap lies below it by the lower margin alone.
//!
//! **A doubtful death** is one that the pause does not explain: a longer one was survived, or it
//! was so short that it is trusted. A server that started again kills connections whatever their
//! pause, and a lost packet looks like a box that forgets. It is a *suspicion*: it puts the cap
//! below its pause, but only for a hundred times as long, so that it costs no more than a hundred
//! connections opened in vain. A second one, when the first had run out and no pause as long was
//! survived since, is no accident: the path has changed, and it counts like any death.
//!
//! **A death counts for a time**, so that a path that was mended is learnt again. If it was not,
//! the next death counts for twice as long. A pause as long survived ends it at once, and so does a
//! connection that is refused within a minute: the far end was going down.

use halfopen_core::estimate::{IdleBracket, Sample};
use halfopen_core::time::Duration;
use jiff::{SignedDuration, Timestamp};

use crate::idle::least;

/// For how many times its pause a suspicion lasts: what it can cost in connections.
const SUSPICION_PAUSES: u32 = 100;
/// How often the time for which a death counts doubles.
pub(super) const RELAPSES_MAX: u32 = 5;
/// How long before a refusal a death is excused by it.
const EXCUSED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// What a ledger's configuration says that concerns knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how long a death counts; `None` is for ever.
    pub counts_for: Option<Duration>,
    /// Pauses up to this one are used on trust.
    pub trusted: Duration,
}

/// What is known of a path on one clock.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    pub(super) bracket: IdleBracket,
    /// The circumstances of the bracket's fatal pause; there are some whenever there is one.
    pub(super) fatal: Option<Fatal>,
    pub(super) suspicion: Option<Suspicion>,
    /// The end of an idle connection with which no second one has agreed yet.
    pub(super) ended: Option<Ended>,
    /// How often a fatal pause was tried again when it no longer counted, and was fatal still.
    pub(super) relapses: u32,
    /// What was known before the last death, for as long as a refusal may excuse it.
    pub(super) before: Option<Before>,
}

/// The circumstances of a fatal pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fatal {
    pub(super) at: Timestamp,
    /// Whether it is the far end's timer, whose length is so known.
    pub(super) is_timer: bool,
}

/// A death that its pause does not explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    pub(super) pause: Duration,
    pub(super) at: Timestamp,
}

/// The end of an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) pause: Duration,
    pub(super) at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    at: Timestamp,
    bracket: IdleBracket,
    fatal: Option<Fatal>,
    relapses: u32,
}

impl Knowledge {
    /// Takes into account that a connection worked after a pause.
    pub fn survived(&mut self, pause: Duration) {
        self.bracket.record(Sample::Survived(pause));
        if self.bracket.died().is_none() {
            self.fatal = None;
            self.relapses = 0;
        }
        self.suspicion = self.suspicion.filter(|suspicion| pause < suspicion.pause);
        self.ended = self.ended.filter(|ended| pause < ended.pause);
    }

    /// Takes into account that a connection did not work after a pause, and tells whether the pause
    /// explains that.
    pub fn died(&mut self, now: Timestamp, pause: Duration, terms: Terms) -> bool {
        let is_first = self.suspicion.is_none_or(|before| before.counts(now, terms));
        if is_first && self.is_doubtful(pause, terms) {
            let pause = self.suspicion.map_or(pause, |before| before.pause.min(pause));
            self.suspicion = Some(Suspicion { pause, at: now });
            return false;
        }
        if self.before.is_none_or(|before| before.at.duration_until(now) > EXCUSED_FOR) {
            let Self { bracket, fatal, relapses, .. } = *self;
            self.before = Some(Before { at: now, bracket, fatal, relapses });
        }
        self.suspicion = None;
        if self.fatal.is_some() && self.died_in_force(now, terms).is_none() {
            self.relapses = self.relapses.saturating_add(1).min(RELAPSES_MAX);
        }
        self.learn(now, pause, false);
        true
    }

    /// Takes into account that the far end, or whoever stands before it, ended a connection after a
    /// pause while nobody used it.
    pub fn ended_idle(&mut self, now: Timestamp, pause: Duration, terms: Terms) {
        let Some(first) = self.ended else {
            self.ended = Some(Ended { pause, at: now });
            return;
        };
        // Connections that went quiet together end together in a restart: one that went quiet only
        // after the first end is another case.
        if now < later(first.at, pause) {
            return;
        }
        self.ended = Some(Ended { pause, at: now });
        let tolerance = (pause / 64).max(Duration::from_secs(1));
        let is_news = self.died_in_force(now, terms).is_none_or(|died| pause < died);
        if first.pause.abs_diff(pause) <= tolerance && is_news {
            self.learn(now, pause.min(first.pause), true);
        }
    }

    /// Takes back what deaths of the last minute taught.
    pub fn excuse(&mut self, now: Timestamp) {
        let recent = |at: Timestamp| at.duration_until(now) <= EXCUSED_FOR;
        self.suspicion = self.suspicion.filter(|suspicion| !recent(suspicion.at));
        if let Some(Before { bracket, fatal, relapses, .. }) =
            self.before.take_if(|before| recent(before.at))
        {
            (self.bracket, self.fatal, self.relapses) = (bracket, fatal, relapses);
        }
    }

    /// Returns how long a connection may be quiet; `None` is as long as it likes.
    #[must_use]
    pub fn cap(&self, now: Timestamp, terms: Terms) -> Option<Duration> {
        let suspicion = self.suspicion.filter(|suspicion| suspicion.counts(now, terms));
        let by_suspicion = suspicion.map(|suspicion| below(suspicion.pause));
        let by_death = self.died_in_force(now, terms).map(|died| {
            if self.fatal.is_some_and(|fatal| fatal.is_timer) {
                return below(died);
            }
            let survived = self.bracket.survived().unwrap_or_default();
            let punctual = survived.saturating_add((survived / 64).min(Duration::from_secs(1)));
            punctual.max(terms.trusted).min(below(died))
        });
        least(by_suspicion, by_death)
    }

    /// Returns the longest pause that was survived, and the shortest that was fatal.
    #[must_use]
    pub const fn bracket(&self) -> IdleBracket {
        self.bracket
    }

    fn is_doubtful(&self, pause: Duration, terms: Terms) -> bool {
        pause <= terms.trusted || self.bracket.survived().is_some_and(|survived| pause <= survived)
    }

    fn died_in_force(&self, now: Timestamp, terms: Terms) -> Option<Duration> {
        let counts = self.fatal.is_some_and(|Fatal { at, .. }| {
            let lasts = terms.counts_for.map(|once| once.saturating_mul(1 << self.relapses));
            lasts.is_none_or(|lasts| now < later(at, lasts))
        });
        self.bracket.died().filter(|_| counts)
    }

    fn learn(&mut self, now: Timestamp, pause: Duration, is_timer: bool) {
        self.bracket.record(Sample::Died(pause));
        self.fatal = Some(Fatal { at: now, is_timer });
    }
}

impl Suspicion {
    fn counts(self, now: Timestamp, terms: Terms) -> bool {
        let lasts = self.pause.saturating_mul(SUSPICION_PAUSES);
        now < later(self.at, least(Some(lasts), terms.counts_for).unwrap_or(lasts))
    }
}

/// Returns the longest pause that is clear of a fatal one.
fn below(fatal: Duration) -> Duration {
    fatal.saturating_sub(margin(fatal))
}

fn margin(pause: Duration) -> Duration {
    (pause / 8).max(Duration::from_secs(1))
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
