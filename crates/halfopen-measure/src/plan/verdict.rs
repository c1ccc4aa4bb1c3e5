//! When enough is known, and what it means.
//!
//! A limit is accused only if connections died of pauses that none survived, others died of such
//! pauses though they were opened later than one that lived (so that it was age and not order that
//! ended them), and those below it live. All else has another name.

use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::time::{Duration, Instant};

use super::closing::DEATHS_MIN;
use super::schedule::Schedule;
use super::trial::Trial;
use super::{AfterFin, Because, Fate, Outcome, Plan, ProbeId, State};
use crate::answer::{Class, Limit, Unknown};
use crate::settings::Settings;

/// After so many restarts it is given up.
const RESTARTS_MAX: usize = 2;
/// So many deaths of pauses that others survived are no accident.
const DOUBTFUL_MAX: usize = 5;
/// What ends within this time ends together.
const TOGETHER: Duration = Duration::from_millis(500);
/// How much later than other ends at expiry one may be that was repeated on the way.
const REPEATED: Duration = Duration::from_millis(300);
/// How long others are given to end by themselves, when one has.
const IN_STEP: Duration = Duration::from_millis(1_500);
/// How long the acknowledgment of our FIN is waited for.
const FAREWELL: Duration = Duration::from_secs(2);

impl Plan {
    /// Returns the outcome, if it is known.
    pub(super) fn verdict(&mut self) -> Option<Outcome> {
        if let Some(failure) = self.opening.hopeless() {
            let because = Because::CannotAsk(failure.clone());
            return Some(Outcome::Inconclusive { because, survived: None });
        }
        if self.closes_after_answer() {
            let because = Because::CannotAsk(super::Failure::ClosesAfterAnswer);
            return Some(Outcome::Inconclusive { because, survived: None });
        }
        if self.is_restart() {
            self.restarts.push(self.now);
            if self.restarts.len() > RESTARTS_MAX {
                let times = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
                return Some(self.inconclusive(Because::Restarted { times }));
            }
            self.begin_again();
            return None;
        }
        if let Some(because) = self.disorder() {
            return Some(self.inconclusive(because));
        }
        if self.suspected_age().is_some() {
            self.verdict_on_suspects()
        } else {
            self.verdict_on_survivors()
        }
    }

    /// Returns what can be said if it ends here.
    pub(super) fn outcome_when_stopped(&self) -> Outcome {
        let suspects = self.trials.suspects().filter(|trial| trial.is_dead()).count();
        if suspects >= DEATHS_MIN
            && self.is_corroborated()
            && let Some(limit) = self.limit()
        {
            return Outcome::Limit(limit);
        }
        match self.trials.survived() {
            Some(survived) => Outcome::AtLeast { survived },
            None => self.inconclusive(Because::Stopped),
        }
    }

    /// Returns what cannot be known.
    pub(super) fn unknown(&self, outcome: &Outcome, class: Class) -> Vec<Unknown> {
        let mut unknown = Vec::new();
        if let Outcome::Limit(limit) = outcome {
            match limit.closer {
                Culprit::Peer => unknown.push(Unknown::BeyondPeer),
                Culprit::Unknown => unknown.push(Unknown::Closer),
                Culprit::Hop | Culprit::Client => {}
            }
            match class {
                Class::Unknown => unknown.push(Unknown::Class),
                Class::Packets => unknown.push(Unknown::Direction),
                Class::Data => {}
            }
            if limit.died.saturating_sub(limit.survived) > self.settings.precision {
                unknown.push(Unknown::Precision);
            }
        } else if self.stopped {
            unknown.push(Unknown::Stopped);
        }
        unknown.extend(self.trials.disturbed().map(|every| Unknown::FarEndProbes { every }));
        unknown
    }

    fn inconclusive(&self, because: Because) -> Outcome {
        Outcome::Inconclusive { because, survived: self.trials.survived() }
    }

    fn closes_after_answer(&self) -> bool {
        let at_once = self.trials.all().iter().filter(|trial| trial.ended_at_once());
        self.trials.survived().is_none() && at_once.count() > DEATHS_MIN
    }

    /// Tells whether connections died whatever their age.
    fn is_restart(&self) -> bool {
        self.ended_together() || self.controls_died()
    }

    /// Tells whether idle connections of very different ages ended together.
    fn ended_together(&self) -> bool {
        let ends: Vec<&Trial> = {
            let ends = self.trials.plain();
            ends.filter(|trial| trial.fate.is_some_and(Fate::is_idle_end)).collect()
        };
        let Some(last) = ends.last().map(|trial| trial.at) else { return false };
        let together = || ends.iter().filter(|it| last.saturating_since(it.at) <= TOGETHER);
        let ages = (together().map(|it| it.age).min(), together().map(|it| it.age).max());
        let spread = ages.0.zip(ages.1).map(|(least, most)| most.saturating_sub(least));
        together().count() > DOUBTFUL_MAX && spread > Some(3 * TOGETHER)
    }

    /// Tells whether connections died that were younger than what was survived, and none lives that
    /// was there before.
    fn controls_died(&self) -> bool {
        let Some(first) = self.first_suspicion() else { return false };
        let survived = self.trials.survived().unwrap_or_default();
        let dead = self.trials.plain().filter(|it| it.was_asked && it.at > first && it.is_dead());
        dead.filter(|trial| trial.age < survived).count() >= DEATHS_MIN && !self.still_lives(first)
    }

    /// Returns when the first one died that counts in this round.
    pub(super) fn first_suspicion(&self) -> Option<Instant> {
        let suspects = self.trials.suspects().map(|trial| trial.at).min()?;
        // Those that died of what others had survived may have been the first.
        let survived = self.trials.plain().filter(|it| it.is_alive()).map(|trial| trial.at);
        let lived = survived.filter(|&at| at < suspects).max().unwrap_or(Instant::EPOCH);
        let dead = self.trials.doubtful().map(|trial| trial.at).filter(|&at| at > lived);
        Some(dead.min().map_or(suspects, |dead| dead.min(suspects)))
    }

    /// Tells whether one lived after `first` that was there already when the last one before had
    /// lived: no restart came in between.
    pub(super) fn still_lives(&self, first: Instant) -> bool {
        let alive = || self.trials.plain().filter(|trial| trial.is_alive());
        let before = alive().map(|trial| trial.at).filter(|&at| at < first).max();
        let before = before.unwrap_or(first);
        alive().any(|trial| trial.at > first && trial.from < before)
    }

    /// Leaves all connections alone and opens others.
    fn begin_again(&mut self) {
        self.trials.next_round();
        for (probe, id) in self.probes.iter_mut().zip(0..) {
            if probe.state == State::Idle {
                self.actions.push_back(super::Action::Close { probe: ProbeId(id) });
                probe.state = State::Over;
            }
        }
        self.idle.clear();
        self.opening.again();
        self.target = self.schedule.first.max(self.trials.survived().unwrap_or_default());
        self.wake_at(self.now);
    }

    /// Returns why deaths of pauses that others survived are no accident, if so many are there.
    fn disorder(&self) -> Option<Because> {
        let dead: Vec<&Trial> = self.trials.doubtful().collect();
        let asked = self.trials.plain().filter(|trial| trial.was_asked).count();
        if dead.len() < DOUBTFUL_MAX.max(asked / 20) {
            return None;
        }
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let first_death = dead.iter().map(|trial| trial.at).min()?;
        if !self.still_lives(first_death) {
            return None; // It is no matter of order, nor of chance.
        }
        let alive = || self.trials.plain().filter(|trial| trial.is_alive());
        // Whoever lives was opened later than all that had died by then.
        let in_order = dead.iter().all(|dead| {
            alive().filter(|alive| alive.at >= dead.at).all(|alive| alive.from > dead.from)
        });
        Some(if in_order {
            let open = self.probes.iter().filter(|probe| probe.idle_from <= first_death);
            Because::Evicted { open: count(open.count()) }
        } else {
            Because::Erratic { deaths: count(dead.len()), asked: count(asked) }
        })
    }

    fn verdict_on_suspects(&mut self) -> Option<Outcome> {
        let open = self.trials.plain().any(|trial| trial.fate.is_none() && !trial.is_overdue);
        let is_pending = open || self.trials.twins().any(|twin| twin.fate.is_none());
        let deaths = self.trials.suspects().filter(|trial| trial.is_dead()).count();
        // Who dies of pauses that others survive makes every other death worth less.
        let needed = DEATHS_MIN * (1 + self.trials.doubtful().count());
        let seems = self.trials.suspects().count();
        let narrow = self.limit().is_some_and(|limit| {
            limit.died.saturating_sub(limit.survived) <= self.settings.precision
        });
        if let Some(first) = self.first_end().filter(|_| !self.ended_in_step())
            && self.now < first + IN_STEP
        {
            self.wake_at(first + IN_STEP);
            return None;
        }
        let enough = self.is_corroborated() && deaths >= 2 && seems >= needed;
        if enough && !is_pending && narrow && self.is_first_dead() {
            let limit = self.limit()?;
            if limit.mechanism == Mechanism::FinAtExpiry && self.farewells.is_empty() {
                let first = self.trials.suspects().map(|trial| trial.at).min()?;
                if self.now < first + FAREWELL {
                    self.wake_at(first + FAREWELL);
                    return None;
                }
            }
            if let Some(later) = self.may_still_end(&limit) {
                self.wake_at(later);
                return None;
            }
            return Some(Outcome::Limit(limit));
        }
        None
    }

    /// Returns until when connections are watched that come of age without being asked: those that
    /// were asked are those that did not end by themselves, be it that the news of it was lost.
    fn may_still_end(&self, limit: &Limit) -> Option<Instant> {
        let age = limit.died + 2 * self.rtt.unwrap_or_default();
        let passed = self.idle.iter().filter(|(from, _)| *from + age < self.now).count();
        if self.first_end().is_some() || passed > DOUBTFUL_MAX {
            return None;
        }
        let enough = self.idle.iter().map(|(from, _)| *from + age).nth(DOUBTFUL_MAX)?;
        Some(enough).filter(|at| at.saturating_since(self.now) <= FAREWELL && *at > self.now)
    }

    /// Tells whether nothing is left to be asked, waited for or opened.
    pub(super) fn is_stuck(&self) -> bool {
        let is_open = self.trials.all().iter().any(|trial| trial.fate.is_none());
        !is_open && self.wake.is_none() && self.opening_due().is_none()
    }

    /// Looks once more at the pauses that are open, if some are, or says what is known.
    pub(super) fn go_on(&mut self) {
        let deaths = self.trials.suspects().filter(|trial| trial.is_dead()).count();
        let limit = self.limit();
        if let Some(limit) = limit.as_ref().filter(|_| deaths > 1 && !self.is_second) {
            self.is_second = true;
            let reach = limit.died + 2 * self.settings.precision;
            let narrow = Settings { up_to: reach, ..self.settings };
            self.schedule = Schedule::new(&narrow, limit.survived.max(super::FIRST));
            return self.begin_again();
        }
        let corroborated = deaths >= DEATHS_MIN && self.is_corroborated();
        let outcome = limit.filter(|_| corroborated).map_or_else(
            || {
                let deaths = u32::try_from(deaths).unwrap_or(u32::MAX);
                self.inconclusive(Because::TooFew { deaths })
            },
            Outcome::Limit,
        );
        self.finish(outcome);
    }

    /// Tells whether the one that died youngest is known to be dead.
    fn is_first_dead(&self) -> bool {
        self.trials.suspects().min_by_key(|trial| trial.age).is_some_and(Trial::is_dead)
    }

    fn verdict_on_survivors(&self) -> Option<Outcome> {
        let is_open = |trial: &Trial| trial.fate.is_none();
        if self.trials.plain().any(is_open) {
            return None;
        }
        let over = self.target > self.settings.up_to;
        let none_left = self.idle.is_empty()
            && self.opening_due().is_none()
            && !self.probes.iter().any(|probe| probe.state == State::Opening);
        if !over && !none_left {
            return None;
        }
        let deaths = self.trials.all().iter().filter(|it| it.is_dead() && !it.kept).count();
        let is_left_open = self.is_second && deaths > self.trials.doubtful().count();
        let survived = self.trials.survived().filter(|_| over || !is_left_open);
        Some(survived.map_or_else(
            || {
                let deaths = u32::try_from(deaths).unwrap_or(u32::MAX);
                self.inconclusive(Because::TooFew { deaths })
            },
            |survived| Outcome::AtLeast { survived },
        ))
    }

    /// Returns the limit that the suspects show.
    pub(super) fn limit(&self) -> Option<Limit> {
        let rtt = self.trials.rtt;
        let dead = || self.trials.suspects().filter(|trial| trial.is_dead());
        let died = dead().map(|trial| trial.fatal(rtt)).min()?;
        let mut survived = self.trials.survived().unwrap_or_default();
        if self.ended_in_step() {
            let ends = dead().filter(|trial| trial.fate.is_some_and(Fate::is_idle_end));
            let least = ends.map(|trial| trial.age).min().unwrap_or_default();
            survived = survived.max(least.saturating_sub(REPEATED + 2 * rtt));
        }
        let mechanism = self.mechanism();
        let closer = match mechanism {
            Mechanism::SilentDrop => Culprit::Hop,
            Mechanism::FinAtExpiry => self.who_closed(),
            Mechanism::ResetOnReuse | Mechanism::ResetAtExpiry => Culprit::Unknown,
        };
        let deaths = u32::try_from(dead().count()).unwrap_or(u32::MAX);
        Some(Limit { survived, died, mechanism, closer, deaths })
    }

    /// Returns how the suspects mostly died. Ends at expiry may be lost on the way, and then show
    /// otherwise.
    fn mechanism(&self) -> Mechanism {
        let count = |is: fn(Fate) -> bool| {
            self.trials.suspects().filter(|trial| trial.fate.is_some_and(is)).count()
        };
        let resets = count(|fate| fate == Fate::EndedReset);
        let fins = count(|fate| matches!(fate, Fate::EndedClosed | Fate::Closed));
        let on_use = count(|fate| fate == Fate::Reset);
        let silent = count(|fate| fate == Fate::Silent);
        if resets.max(fins) >= 2 && (resets + fins) * 4 > on_use + silent {
            if resets > fins { Mechanism::ResetAtExpiry } else { Mechanism::FinAtExpiry }
        } else if on_use > silent {
            Mechanism::ResetOnReuse
        } else {
            Mechanism::SilentDrop
        }
    }

    fn who_closed(&self) -> Culprit {
        let count = |after| self.farewells.iter().filter(|&&it| it == after).count();
        let (acknowledged, silent) = (count(AfterFin::Acknowledged), count(AfterFin::Silent));
        let other = count(AfterFin::Reset);
        if acknowledged > silent + other {
            Culprit::Peer
        } else if silent > acknowledged + other {
            Culprit::Hop
        } else {
            Culprit::Unknown
        }
    }
}
