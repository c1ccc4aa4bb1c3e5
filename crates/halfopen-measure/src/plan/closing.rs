//! Closing in on a limit, once a connection seems to have died of its pause.
//!
//! The connections that are idle have all ages below the suspected one. Several are asked at once
//! where they divide what is open into equal parts, and so again until it is as narrow as can be.
//! Meanwhile others are asked as they grow *older* than the suspected pause, each a little later
//! and opened later than the one before: a timer ends these, too, and what ended the first for
//! another reason does not.

use halfopen_core::time::{Duration, Instant};

use super::trial::Trial;
use super::{Fate, Plan, ProbeId};

/// How many are asked at once to divide what is open.
const PARTS: u32 = 9;
/// How many are asked when one is late, before others are spent.
const WITNESSES: usize = 2;
/// How many deaths it takes.
pub(super) const DEATHS_MIN: usize = 3;
/// How long after one that grew older than the limit the next one is asked.
const PACE: Duration = Duration::from_millis(250);
/// How long the news that a connection ended may be under way, beside the round trip.
const SELF_ENDED: Duration = Duration::from_millis(50);
/// How long a connection of the right age is waited for.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// By how much the later of two connections was opened later, if age and not order ended the first.
const APART: Duration = Duration::from_millis(300);

impl Plan {
    /// Returns the shortest pause that is suspected to be fatal.
    pub(super) fn suspected_age(&self) -> Option<Duration> {
        self.trials.suspects().map(|trial| trial.age).min()
    }

    /// Returns when the first of them ended by itself.
    pub(super) fn first_end(&self) -> Option<Instant> {
        let ends = self.trials.suspects().filter(|it| it.fate.is_some_and(Fate::is_idle_end));
        ends.map(|trial| trial.at).min()
    }

    /// Returns how narrow what is open has to become.
    pub(super) fn fine(&self) -> Duration {
        self.settings.precision / 4
    }

    pub(super) fn close_in(&mut self) {
        let Some(suspected) = self.suspected_age() else { return };
        if self.may_be_lost() {
            return self.ask_witnesses(suspected);
        }
        let survived = self.trials.survived().unwrap_or_default();
        let open = suspected.saturating_sub(survived);
        if self.first_end().is_some() {
            // What ends by itself says when. Whoever is asked shortly before may hear of it by a
            // reset, and say less.
            let clear = suspected.saturating_sub(self.settings.precision / 2);
            if clear > survived + self.fine() {
                self.divide(survived, clear);
            }
        } else if open > self.fine() {
            self.divide(survived, suspected);
        }
        self.cross(suspected);
        self.control(survived);
        let deaths = self.trials.suspects().count();
        if deaths >= DEATHS_MIN && open <= self.settings.precision {
            self.ask_twins(suspected);
        }
    }

    /// Tells whether all that is known is that answers are late, and of too few to exclude chance.
    fn may_be_lost(&self) -> bool {
        let is_late = |trial: &Trial| !trial.is_dead() && !trial.kept;
        self.trials.suspects().count() <= WITNESSES && self.trials.suspects().all(is_late)
    }

    /// Asks connections that are older still, so that few are spent where packets were lost.
    fn ask_witnesses(&mut self, suspected: Duration) {
        let asked = self.trials.plain().filter(|it| it.was_asked && it.age >= suspected).count();
        for _ in asked..=WITNESSES {
            if let Some(&(from, id)) = self.idle.first()
                && self.now.saturating_since(from) >= suspected
            {
                self.ask(id);
            }
        }
        if asked <= WITNESSES {
            self.cross(suspected);
        }
    }

    /// Asks connections that divide the pauses between these into parts.
    fn divide(&mut self, survived: Duration, suspected: Duration) {
        let within = |age: Duration| survived < age && age < suspected;
        let is_pending = |trial: &Trial| trial.fate.is_none() && !trial.is_overdue;
        if self.trials.plain().any(|trial| is_pending(trial) && within(trial.age)) {
            return;
        }
        let open = suspected.saturating_sub(survived);
        let part = open / PARTS;
        let mut chosen: Vec<ProbeId> = Vec::new();
        for number in 1..PARTS {
            let age = survived + part * number;
            let Some(id) = self.aged(age, part.max(self.fine()) / 2) else { continue };
            if !chosen.contains(&id) {
                chosen.push(id);
            }
        }
        if chosen.is_empty() {
            return self.await_age(survived + open / 2, suspected);
        }
        for id in chosen {
            self.ask(id);
        }
    }

    /// Asks a connection that has just grown older than the suspected pause.
    fn cross(&mut self, suspected: Duration) {
        if self.is_corroborated() {
            return;
        }
        // What ends by itself at that age is given the time to do so.
        let suspected = suspected + self.rtt.unwrap_or_default() * 3 / 2 + SELF_ENDED;
        let last = self.trials.plain().filter(|it| it.was_asked && it.age >= suspected);
        let next = last.map(|trial| trial.at + PACE).max();
        if let Some(next) = next.filter(|&next| next > self.now) {
            return self.wake_at(next);
        }
        let deaths = self.trials.suspects().count();
        let from = match self.first_witness() {
            _ if deaths < DEATHS_MIN => Instant::EPOCH,
            Some(witness) => witness + APART,
            None => return,
        };
        // The youngest of those that are old enough is the last that was opened.
        let mut later = self.idle.range((from, ProbeId(0))..);
        let old = |&&(from, _): &&(Instant, ProbeId)| self.now.saturating_since(from) >= suspected;
        if let Some(&(_, id)) = later.clone().take_while(old).last() {
            return self.ask(id);
        }
        let at = later.next().map(|&(from, _)| from + suspected);
        if let Some(at) = at.filter(|&at| at <= self.now + WAIT_MAX) {
            self.wake_at(at);
        }
    }

    /// Returns when the first opened of those became idle that are known to live although others
    /// had died and nothing was opened any more.
    fn first_witness(&self) -> Option<Instant> {
        let first = self.first_suspicion().filter(|&first| self.still_lives(first))?;
        let opened = self.opening.last().map_or(first, |last| last.max(first));
        let alive = self.trials.plain().filter(|it| it.is_alive() && it.at >= opened);
        alive.map(|trial| trial.from).min()
    }

    /// Asks connections that are younger than what was survived: if they died, too, it was no
    /// timer.
    fn control(&mut self, survived: Duration) {
        const CONTROLS: usize = 3;
        let Some(first) = self.first_suspicion() else { return };
        let opened = self.opening.last().unwrap_or(first);
        let since: Vec<&Trial> = self.trials.plain().filter(|trial| trial.at > first).collect();
        let lived = self.still_lives(first)
            && since.iter().any(|trial| trial.is_alive() && trial.at >= opened);
        let asked = since.iter().filter(|trial| trial.age < survived && trial.was_asked).count();
        if lived || asked >= CONTROLS {
            return;
        }
        let young = |&&(from, _): &&(Instant, ProbeId)| {
            self.now.saturating_since(from) + self.fine() < survived
        };
        let chosen: Vec<ProbeId> =
            self.idle.iter().filter(young).map(|&(_, id)| id).take(CONTROLS - asked).collect();
        for id in chosen {
            self.ask(id);
        }
    }

    /// Returns the idle connection whose age is nearest to `age`, if it is within `tolerance`.
    fn aged(&self, age: Duration, tolerance: Duration) -> Option<ProbeId> {
        let elapsed = Duration::from_nanos(self.now.as_nanos());
        let from = Instant::EPOCH + elapsed.saturating_sub(age);
        let after = self.idle.range((from, ProbeId(0))..).next();
        let before = self.idle.range(..(from, ProbeId(0))).next_back();
        let off = |of: &(Instant, ProbeId)| of.0.as_nanos().abs_diff(from.as_nanos());
        let near = before.into_iter().chain(after).min_by_key(|of| off(of))?;
        (Duration::from_nanos(off(near)) <= tolerance).then_some(near.1)
    }

    /// Waits for a connection that is younger to reach `age`, and not longer than it may take.
    fn await_age(&mut self, age: Duration, below: Duration) {
        if let Some(at) = self.reaches(age).filter(|_| age < below) {
            self.wake_at(at);
        }
    }

    /// Returns when an idle connection that is younger reaches `age`, if that is soon.
    pub(super) fn reaches(&self, age: Duration) -> Option<Instant> {
        let mut younger = self.idle.iter().map(|&(from, _)| from + age);
        younger.find(|&at| at > self.now).filter(|&at| at.saturating_since(self.now) <= WAIT_MAX)
    }

    /// Tells whether enough died that nothing but their age explains it: of two connections that
    /// were asked after the last one was opened, the one that was opened *later* died, of the
    /// longer pause. A full table loses those first that were opened first.
    pub(super) fn is_corroborated(&self) -> bool {
        let dead = self.trials.suspects().filter(|trial| trial.was_asked);
        let last_dead = dead.map(|trial| trial.from).max();
        let is_later = self
            .first_witness()
            .zip(last_dead)
            .is_some_and(|(alive, dead)| dead.saturating_since(alive) >= APART);
        is_later && self.trials.suspects().count() >= DEATHS_MIN || self.ended_in_step()
    }

    /// Tells whether idle connections ended each at the same age, at times of their own.
    pub(super) fn ended_in_step(&self) -> bool {
        const STEP: Duration = Duration::from_millis(320);
        let ends = || {
            let suspects = self.trials.suspects();
            suspects.filter(|trial| trial.fate.is_some_and(Fate::is_idle_end))
        };
        let Some(least) = ends().map(|trial| trial.age).min() else { return false };
        let in_step: Vec<&Trial> = ends().filter(|trial| trial.age <= least + STEP).collect();
        let times = || in_step.iter().map(|trial| trial.at);
        let spread = times().min().zip(times().max());
        let spread = spread.map(|(begin, end)| end.saturating_since(begin));
        // Connections that end together end at ages as different as their beginnings.
        in_step.len() > DEATHS_MIN
            && spread >= Some(2 * STEP)
            && in_step.len() * 2 >= ends().count()
    }
}
