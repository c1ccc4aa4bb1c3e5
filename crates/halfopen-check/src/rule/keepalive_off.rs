//! TCP keepalive is switched off where only it would help.

use halfopen_core::time::brief;

use super::{Rule, fate};
use crate::finding::{Finding, Level};
use crate::path::{Leg, Path, Probes};

pub(super) static RULE: Rule = Rule {
    id: "keepalive-off",
    title: "TCP keepalive is switched off before a box that forgets idle connections",
    level: Level::Error,
    why: "A connection that waits for a slow query or a long call is idle as well, and no limit \
          of a pool ends that. TCP's probes are what keeps a box from forgetting it, and the \
          configuration switches them off.",
    fix: "Switch TCP keepalive on, with a time of half of the shortest timer on the path.",
    source: "https://github.com/aws/aws-sdk-java-v2/pull/2373",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let probes = leg.written_probes()?;
    let (gate, forgets) = leg.first_to_forget()?;
    let after = forgets.after.value;
    let is_due = probes.value == Probes::Off && forgets.counts_probes;
    if !is_due || leg.is_kept_for(after) == Some(false) {
        return None;
    }
    let message = format!(
        "{} does not probe idle connections, and {} forgets them after {}: {}",
        leg.opener.0.called(),
        gate.called(),
        brief(after),
        fate(forgets.then)
    );
    let fix = format!("switch TCP keepalive on, with an idle time of {} or less", brief(after / 2));
    let finding = Finding::new(&RULE, probes, message, fix);
    Some(finding.with(&forgets.after, format!("{} forgets after {}", gate.called(), brief(after))))
}
