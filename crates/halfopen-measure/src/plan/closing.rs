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
/// How many deaths it takes.
pub(super) const DEATHS_MIN: usize = 3;
/// How long after one that grew older than the limit the next one is asked.
const PACE: Duration = Duration::from_millis(250);
/// How long a connection of the right age is waited for.
const WAIT_MAX: Duration = Duration::from_secs(6);
/// By how much the later of two connections was opened later, if age and not order ended the first.
const APART: Duration = Duration::from_millis(300);

impl Plan {
    /// Returns the shortest pause that is suspected to be fatal.
    pub(super) fn suspected_age(&self) -> Option<Duration> {
        self.trials.suspects().map(|trial| trial.age).min()
    }

    /// Returns how narrow what is open has to become.
    pub(super) fn fine(&self) -> Duration {
        self.settings.precision / 5
    }

    pub(super) fn close_in(&mut self) {
        let Some(suspected) = self.suspected_age() else { return };
        let survived = self.trials.survived().unwrap_or_default();
        let open = suspected.saturating_sub(survived);
        if open > self.fine() {
            self.divide(survived, suspected);
        }
        self.cross(suspected);
        self.control(survived);
        let deaths = self.trials.suspects().count();
        if deaths >= DEATHS_MIN && open <= self.settings.precision {
            self.ask_twins(suspected);
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
        let last = self.trials.plain().filter(|it| it.was_asked && it.age >= suspected);
        let next = last.map(|trial| trial.at + PACE).max();
        if let Some(next) = next.filter(|&next| next > self.now) {
            return self.wake_at(next);
        }
        // The youngest of those that are old enough is the last that was opened.
        let old = |&&(from, _): &&(Instant, ProbeId)| self.now.saturating_since(from) >= suspected;
        let found = self.idle.iter().take_while(old).last().map(|&(_, id)| id);
        match found {
            Some(id) => self.ask(id),
            None => self.await_age(suspected, Duration::MAX),
        }
    }

    /// Asks connections that are younger than what was survived: if they died, too, it was no
    /// timer.
    fn control(&mut self, survived: Duration) {
        const CONTROLS: usize = 3;
        let Some(first) = self.trials.suspects().map(|trial| trial.at).min() else { return };
        let since: Vec<&Trial> = self.trials.plain().filter(|trial| trial.at > first).collect();
        let lived = since.iter().any(|trial| trial.is_alive());
        let pending = since.iter().any(|trial| trial.fate.is_none() && !trial.is_overdue);
        let asked = since.iter().filter(|trial| trial.age < survived && trial.was_asked).count();
        if lived || pending || asked >= CONTROLS {
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
        let opened = self.opening.last().unwrap_or(Instant::EPOCH);
        let dead = self.trials.suspects().filter(|trial| trial.was_asked);
        let last_dead = dead.map(|trial| trial.from).max();
        let alive = self.trials.plain().filter(|trial| trial.is_alive() && trial.at >= opened);
        let first_alive = alive.map(|trial| trial.from).min();
        let by_asking = first_alive
            .zip(last_dead)
            .is_some_and(|(alive, dead)| dead.saturating_since(alive) >= APART);
        by_asking && self.trials.suspects().count() >= DEATHS_MIN || self.ended_in_step()
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
