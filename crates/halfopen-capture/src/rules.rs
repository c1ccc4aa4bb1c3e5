//! The rules. Each knows one way in which a flow can end, and no flow satisfies two.

mod client_gave_up;
mod close_race;
mod fin_at_expiry;
mod forgotten_in_flight;
mod inconclusive;
mod large_lost;
mod late_close;
mod left_half_closed;
mod lost_state;
mod peer_abort;
mod peer_close;
mod refused;
mod reset_at_expiry;
mod reset_on_reuse;
mod silent_drop;
mod unreachable;
mod used_after_close;

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::verdict::Verdict;

use crate::case::Case;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name in reports and docs.
    pub id: &'static str,
    judge: fn(&Case<'_>) -> Option<Verdict>,
}

/// All rules, in the order of a flow's life.
pub const RULES: &[Rule] = &[
    Rule { id: "refused", judge: refused::judge },
    Rule { id: "unreachable", judge: unreachable::judge },
    Rule { id: "reset-on-reuse", judge: reset_on_reuse::judge },
    Rule { id: "silent-drop", judge: silent_drop::judge },
    Rule { id: "reset-at-expiry", judge: reset_at_expiry::judge },
    Rule { id: "fin-at-expiry", judge: fin_at_expiry::judge },
    Rule { id: "forgotten-in-flight", judge: forgotten_in_flight::judge },
    Rule { id: "lost-state", judge: lost_state::judge },
    Rule { id: "large-lost", judge: large_lost::judge },
    Rule { id: "close-race", judge: close_race::judge },
    Rule { id: "used-after-close", judge: used_after_close::judge },
    Rule { id: "peer-close", judge: peer_close::judge },
    Rule { id: "peer-abort", judge: peer_abort::judge },
    Rule { id: "late-close", judge: late_close::judge },
    Rule { id: "left-half-closed", judge: left_half_closed::judge },
    Rule { id: "client-gave-up", judge: client_gave_up::judge },
    Rule { id: "inconclusive", judge: inconclusive::judge },
];

/// Judges a flow.
pub(crate) fn judge(case: &Case<'_>) -> Verdict {
    let mut matches = RULES.iter().filter_map(|rule| Some((rule.id, (rule.judge)(case)?)));
    let Some((id, verdict)) = matches.next() else {
        return case.verdict(Finding::Healthy, Culprit::Unknown, Harm::None, None, Vec::new());
    };
    debug_assert_eq!(matches.next().map(|(other, _)| (id, other)), None, "no flow satisfies two");
    verdict
}

#[cfg(test)]
mod tests;
