//! More connections than a translating box has ports for.

use super::Rule;
use crate::finding::{Finding, Level};
use crate::path::{Leg, Path};

pub(super) static RULE: Rule = Rule {
    id: "port-exhaustion",
    title: "clients may open more connections to one destination than a box has ports",
    level: Level::Error,
    why: "A box that translates addresses needs a port of its own for each connection to one \
          destination. When they are used up, no connection can be opened any more, whatever the \
          server says; it looks like a server that is down, and goes away by itself.",
    fix: "Reuse connections and limit the pool; give the box more addresses or ports; or spread \
          requests over several addresses of the server.",
    source: "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let wanted = leg.opener.1.connections.as_ref()?;
    let limits =
        leg.forgetting().filter_map(|(part, forgets)| Some((part, forgets.ports.as_ref()?)));
    let (gate, ports) = limits.min_by_key(|(_, ports)| ports.value)?;
    if wanted.value <= ports.value {
        return None;
    }
    let message = format!(
        "{} may open {} connections to one destination, and {} has ports for {}",
        leg.opener.0.called(),
        wanted.value,
        gate.called(),
        ports.value
    );
    let setting = ports.setting().map_or(String::new(), |setting| format!(" ({setting})"));
    let fix =
        format!("limit the pools to {} in all, or give the box more ports{setting}", ports.value);
    let finding = Finding::new(&RULE, wanted, message, fix);
    Some(finding.with(ports, format!("{} has ports for {}", gate.called(), ports.value)))
}
