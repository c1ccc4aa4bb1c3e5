//! Connections that TCP's keepalive probes keep: they tell whether probes start the timer again.

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;

use super::{Action, Plan, ProbeId, State};
use crate::answer::{Class, Outcome};

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Twins {
    /// The pause up to which the probes are set.
    set_for: Duration,
}

/// Returns probes that come several times before any pause that is not known to be survived.
pub(super) fn keepalive(survived: Option<Duration>) -> Keepalive {
    let often = survived.unwrap_or_default() / 4;
    let often = Duration::from_secs(often.as_secs().clamp(1, 60));
    Keepalive { idle: often, interval: often.min(Duration::from_secs(5)), count: 6 }
}

impl Plan {
    /// Has the probes come less often as longer pauses are known to be survived.
    pub(super) fn keep_twins(&mut self) {
        let survived = self.trials.survived().unwrap_or_default();
        if survived < 2 * self.twins.set_for.max(Duration::from_secs(4)) {
            return;
        }
        self.twins.set_for = survived;
        let keepalive = keepalive(Some(survived));
        for probe in self.idle_twins() {
            self.actions.push_back(Action::Keepalive { probe, keepalive });
        }
    }

    /// Asks the twins that are older than any pause that may be the limit.
    pub(super) fn ask_twins(&mut self, limit: Duration) {
        let margin = self.settings.precision / 4;
        let old = |probe: &ProbeId| {
            let probe = self.probes[probe.index()];
            self.now.saturating_since(probe.idle_from) > limit + margin
        };
        let twins: Vec<ProbeId> = self.idle_twins().into_iter().filter(old).collect();
        for twin in twins {
            self.ask(twin);
        }
    }

    fn idle_twins(&self) -> Vec<ProbeId> {
        let twins = self.probes.iter().zip(0..);
        let twins = twins.filter(|(probe, _)| probe.kept && probe.state == State::Idle);
        twins.map(|(_, id)| ProbeId(id)).collect()
    }

    /// Returns whether probes start the timer again, as far as twins show it.
    pub(super) fn class(&self, outcome: &Outcome) -> Class {
        let Outcome::Limit(limit) = outcome else { return Class::Unknown };
        let older = |age: Duration| age >= limit.died;
        if self.trials.twins().any(|twin| twin.is_alive() && older(twin.age)) {
            Class::Packets
        } else if self.trials.twins().filter(|twin| twin.is_dead()).count() >= 2 {
            Class::Data
        } else {
            Class::Unknown
        }
    }
}
