//! A connection may be idle for longer than a box on its way remembers it.

use halfopen_core::fact::Term;
use halfopen_core::time::brief;

use super::{Rule, below, fate};
use crate::finding::{Finding, Level};
use crate::path::{Leg, Path, Probes, Stated, for_how_long};

pub(super) static RULE: Rule = Rule {
    id: "pool-outlives-box",
    title: "idle connections are kept for longer than a box on the path remembers them",
    level: Level::Error,
    why: "A NAT gateway, a network balancer or a firewall drops a connection that was idle for \
          its time, and tells nobody. The pool believes that the connection lives, since nothing \
          has arrived that says otherwise: a stale check finds nothing either. The next request \
          on it is reset, or waits for an answer until somebody gives up.",
    fix: "Let the client give up idle connections after four fifths of the box's time, or let TCP \
          probe them before half of it.",
    source: "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let (gate, forgets) = leg.first_to_forget()?;
    let (opener, opens) = leg.opener;
    let idle = opens.idle.as_ref()?;
    let after = forgets.after.value;
    // Other rules speak of probes that were meant to help, and of times that are the same.
    let as_system = |probes: &Stated<Probes>| probes.value == Probes::AsSystem;
    let probes = opens.probes.as_ref().filter(|probes| probes.is_written() || as_system(probes));
    if idle.value <= Term::After(after) || probes.is_some() {
        return None;
    }
    let message = format!(
        "{} keeps idle connections {}, and {} forgets them after {}: {}",
        opener.called(),
        for_how_long(idle.value),
        gate.called(),
        brief(after),
        fate(forgets.then)
    );
    let setting = idle.setting().map_or(String::new(), |setting| format!(" ({setting})"));
    let fix = format!("keep idle connections for {} at most{setting}", brief(below(after)));
    let finding = Finding::new(&RULE, idle, message, fix);
    Some(finding.with(&forgets.after, format!("{} forgets after {}", gate.called(), brief(after))))
}
