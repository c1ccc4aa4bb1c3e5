//! What a pool may take from a finding.

use halfopen_core::cause::Mechanism;
use halfopen_core::time::Duration;
use halfopen_pool::idle::WireIdle;
use halfopen_pool::ledger::{Ledger, Outcome as Met};
use halfopen_pool::name::PathName;
use jiff::{SignedDuration, Timestamp};

use super::{Class, Finding, Limit, Outcome};

impl Finding {
    /// Teaches a pool's ledger what was found of a path, as of `now`. What is inconclusive teaches
    /// what was survived.
    pub fn teach(&self, now: Timestamp, path: &PathName, ledger: &mut Ledger) {
        match &self.outcome {
            Outcome::Limit(limit) => self.teach_limit(now, path, ledger, limit),
            Outcome::AtLeast { survived }
            | Outcome::Inconclusive { survived: Some(survived), .. } => {
                ledger.record(now, path, WireIdle::unprobed(*survived), Met::Survived);
            }
            Outcome::Inconclusive { survived: None, .. } => {}
        }
    }

    fn teach_limit(&self, now: Timestamp, path: &PathName, ledger: &mut Ledger, limit: &Limit) {
        ledger.record(now, path, WireIdle::unprobed(limit.survived), Met::Survived);
        let quiet = match self.class {
            // Where probes went to and fro and it died all the same, it is data that counts.
            Class::Data => WireIdle { since_any_packet: Duration::ZERO, since_data: limit.died },
            Class::Packets | Class::Unknown => WireIdle::unprobed(limit.died),
        };
        let met = match limit.mechanism {
            Mechanism::ResetOnReuse => Met::ResetOnUse,
            Mechanism::SilentDrop => Met::SilentOnUse,
            Mechanism::ResetAtExpiry => Met::ResetIdle,
            Mechanism::FinAtExpiry => Met::ClosedIdle,
        };
        if matches!(met, Met::ClosedIdle | Met::ResetIdle) {
            // The ledger believes in a timer when it has seen it twice, a pause apart.
            let pause = SignedDuration::try_from(limit.died).unwrap_or_default();
            let before = now.checked_sub(pause).unwrap_or(Timestamp::MIN);
            ledger.record(before, path, quiet, met);
        }
        ledger.record(now, path, quiet, met);
    }
}
