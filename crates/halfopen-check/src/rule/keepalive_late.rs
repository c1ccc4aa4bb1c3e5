//! TCP's probes begin too late for a box on the way.

use core::time::Duration;

use halfopen_core::time::brief;

use super::{Rule, fate};
use crate::finding::{Finding, Level};
use crate::path::{Leg, Path, Probes};

pub(super) static RULE: Rule = Rule {
    id: "keepalive-late",
    title: "TCP keepalive begins later than at half of the path's shortest timer",
    level: Level::Warning,
    why: "A probe that comes after the box has forgotten the connection keeps nothing alive: it \
          is what meets the reset. One that comes between half of the timer and its end does, \
          unless it is lost; half leaves time for a second one.",
    fix: "Let the first probe come at half of the shortest timer on the path, or earlier.",
    source: "https://github.com/mongodb/node-mongodb-native/pull/2403",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let counting = leg.forgetting().filter(|(_, forgets)| forgets.counts_probes);
    let (gate, forgets) = counting.min_by_key(|(_, forgets)| forgets.after.value)?;
    let after = forgets.after.value;
    let (opener, opens) = leg.opener;
    let probes = opens.probes.as_ref()?;
    let Probes::After(first) = probes.value else { return None };
    // A pool that lets connections go before the box forgets them needs no probes.
    if first <= after / 2 || leg.is_kept_for(after) == Some(false) {
        return None;
    }
    let consequence = if first >= after {
        format!("it has forgotten the connection by then, and {}", fate(forgets.then))
    } else {
        "one probe that is lost is enough to lose the connection".to_owned()
    };
    let message = format!(
        "{} probes idle connections after {}, and {} forgets them after {}: {consequence}",
        opener.called(),
        brief(first),
        gate.called(),
        brief(after)
    );
    let fix =
        format!("probe after {} or earlier", brief(Duration::from_secs((after / 2).as_secs())));
    let finding = Finding::new(&RULE, probes, message, fix);
    Some(finding.with(&forgets.after, format!("{} forgets after {}", gate.called(), brief(after))))
}
