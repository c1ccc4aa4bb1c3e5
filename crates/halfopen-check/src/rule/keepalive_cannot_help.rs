//! TCP keepalive is relied on where only bytes of data count.

use core::time::Duration;

use halfopen_core::fact::Term;
use halfopen_core::time::brief;

use super::{Rule, below};
use crate::finding::{Finding, Level};
use crate::path::{Basis, Leg, Part, Path, Probes, Stated};

pub(super) static RULE: Rule = Rule {
    id: "keepalive-cannot-help",
    title: "TCP keepalive stands against a timer for which probes do not count",
    level: Level::Error,
    why: "An HTTP balancer, a proxy and AWS Global Accelerator end TCP themselves and count \
          bytes: a probe carries none, so it starts no timer again. The connection is closed as \
          if there were no keepalive, and the next request can meet that.",
    fix: "Let the client give up idle connections before the timer ends, or send bytes: a ping of \
          the protocol.",
    source: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/\
             edit-load-balancer-attributes.html",
    find,
};

/// A timer that probes are to hold and do not: whose it is, and how long.
pub(super) struct Deaf<'p> {
    part: &'p Part,
    time: Duration,
    place: &'p crate::place::Place,
    basis: &'p Basis,
}

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

/// Returns the timer for which written probes come in time and do not count, if the connection is
/// kept for as long and nothing else on the leg explains the probes.
pub(super) fn relied_on<'p>(leg: &Leg<'p>) -> Option<Deaf<'p>> {
    let Probes::After(first) = leg.written_probes()?.value else { return None };
    if leg.forgetting().any(|(_, forgets)| forgets.counts_probes) {
        return None;
    }
    let boxes = leg.forgetting().map(|(part, forgets)| {
        let Stated { value, place, basis } = &forgets.after;
        Deaf { part, time: *value, place, basis }
    });
    let acceptor = leg.acceptor.and_then(|(part, accepts)| {
        let Stated { value, place, basis } = accepts.idle.as_ref()?;
        let Term::After(time) = *value else { return None };
        Some(Deaf { part, time, place, basis })
    });
    let first_to_end = boxes.chain(acceptor).min_by_key(|deaf| deaf.time)?;
    let is_relied_on =
        first < first_to_end.time && leg.is_kept_for(first_to_end.time) == Some(true);
    is_relied_on.then_some(first_to_end)
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let Deaf { part, time, place, basis } = relied_on(leg)?;
    let probes = leg.written_probes()?;
    let message = format!(
        "{} probes idle connections, and {} ends them after {} all the same: probes carry no bytes",
        leg.opener.0.called(),
        part.called(),
        brief(time)
    );
    let fix = format!("keep idle connections for {} at most", brief(below(time)));
    let timer = Stated { value: (), place: place.clone(), basis: basis.clone() };
    let related = format!("{} ends them after {}", part.called(), brief(time));
    Some(Finding::new(&RULE, probes, message, fix).with(&timer, related))
}
