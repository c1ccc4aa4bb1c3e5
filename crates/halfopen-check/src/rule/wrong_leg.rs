//! TCP keepalive is set on one connection of the path, and another one needs it.

use halfopen_core::time::brief;

use super::Rule;
use crate::finding::{Finding, Level};
use crate::path::{Leg, Path, Probes, Stated};

pub(super) static RULE: Rule = Rule {
    id: "wrong-leg",
    title: "TCP keepalive is set on a connection that no box forgets, and not on the one that one \
          does",
    level: Level::Error,
    why: "A proxy, a sidecar too, ends TCP: probes that a program sends reach it and go no \
          further. What lies behind it is another connection, with settings of its own, and a box \
          on that one sees none of them.",
    fix: "Set TCP keepalive where the connection begins that passes the box: at the proxy, such \
          as `tcpKeepalive` in an Istio DestinationRule.",
    source: "https://github.com/istio/istio/issues/36499",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    let legs: Vec<Leg<'_>> = path.legs().collect();
    let Some((here, probes)) = legs.iter().find_map(|leg| Some((leg, probed_for_nothing(leg)?)))
    else {
        return Vec::new();
    };
    let needs = |leg: &&Leg<'_>| {
        leg.written_probes().is_none()
            && leg.first_to_forget().is_some_and(|(_, forgets)| {
                forgets.counts_probes && leg.is_kept_for(forgets.after.value) == Some(true)
            })
    };
    legs.iter().filter(needs).filter_map(|there| finding(here, probes, there)).collect()
}

/// Returns a leg's probes if they are switched on and no box is there to see them.
fn probed_for_nothing<'p>(leg: &Leg<'p>) -> Option<&'p Stated<Probes>> {
    let probes = leg.written_probes()?;
    (leg.boxes.is_empty() && probes.value != Probes::Off).then_some(probes)
}

fn finding(here: &Leg<'_>, probes: &Stated<Probes>, there: &Leg<'_>) -> Option<Finding> {
    let (gate, forgets) = there.first_to_forget()?;
    let after = forgets.after.value;
    let message = format!(
        "{} probes its connections, which pass no box; those of {} pass {}, which forgets them \
         after {}, and are not probed",
        here.opener.0.called(),
        there.opener.0.called(),
        gate.called(),
        brief(after)
    );
    let fix =
        format!("let {} probe, after {} or earlier", there.opener.0.called(), brief(after / 2));
    let finding = Finding::new(&RULE, probes, message, fix);
    Some(finding.with(&forgets.after, format!("{} forgets after {}", gate.called(), brief(after))))
}
