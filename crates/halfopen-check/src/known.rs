//! What data knows of products: parts as they are by default.

use core::time::Duration;

use halfopen_core::client::{Client, Hint};
use halfopen_core::fact::{Fact, Term};
use halfopen_core::idle::{OnExpiry, OnOrphan};
use halfopen_core::profile::Profile;
use halfopen_core::server::{Hint as ServerHint, Server};
use halfopen_core::sheet::{Kind, Sheet};

use crate::path::{Accepts, Forgets, Opens, Part, Probes, Role, Stated, Then};
use crate::place::Place;

/// Returns a client of `clients/` or `sheets/` as it is by default.
pub(crate) fn client(product: &str, name: &str, place: &Place) -> Option<Part> {
    if let Some(sheet) = sheet(product, Kind::Client) {
        return Some(of_sheet(&sheet, Role::Client, name, place));
    }
    let client = Client::shipped(product)?;
    let mut part = Part::new(Role::Client, name, &client.title, place.clone());
    let stated = |key: &str| client.fact(key);
    let behaviour = &client.behaviour;
    let probes = behaviour.keepalive.map_or(Probes::Off, |probes| Probes::After(probes.idle));
    part.opens = Some(Opens {
        idle: stated("idle-max").and_then(|fact| term(fact, place)),
        probes: stated("keepalive").map(|fact| Stated::default(probes, place.clone(), fact)),
        heeds_hint: !matches!(behaviour.hint, Hint::Ignored),
        ..Opens::default()
    });
    Some(part)
}

/// Returns a box of `profiles/` or `sheets/` as it is by default.
pub(crate) fn gate(product: &str, name: &str, place: &Place) -> Option<Part> {
    if let Some(sheet) = sheet(product, Kind::Box) {
        return Some(of_sheet(&sheet, Role::Gate, name, place));
    }
    let profile = Profile::shipped(product)?;
    let idle = profile.gateway(Vec::new())?.idle;
    let after = profile.fact("timers.tcp-established")?;
    let then = match (idle.on_expiry, idle.on_orphan_inside) {
        (OnExpiry::Reset(_) | OnExpiry::Fin(_), _) => Then::Tells,
        (OnExpiry::Silent, OnOrphan::Reset) => Then::ResetsNext,
        (OnExpiry::Silent, OnOrphan::Drop | OnOrphan::Adopt | OnOrphan::Unreachable) => {
            Then::Silent
        }
    };
    let mut part = Part::new(Role::Gate, name, &profile.title, place.clone());
    part.forgets = Some(Forgets {
        after: time(after, place)?,
        counts_probes: idle.refresh.by_empty_segments,
        then,
        ports: profile.fact("per-destination").and_then(|fact| number(fact, place)),
    });
    Some(part)
}

/// Returns a proxy of `profiles/` or `sheets/` as it is by default.
pub(crate) fn proxy(product: &str, role: Role, name: &str, place: &Place) -> Option<Part> {
    if let Some(sheet) = sheet(product, Kind::Proxy) {
        return Some(of_sheet(&sheet, role, name, place));
    }
    let profile = Profile::shipped(product)?;
    profile.balancer()?;
    let idle = profile.fact("idle-timeout")?;
    let mut part = Part::new(role, name, &profile.title, place.clone());
    // One timer is for both sides, and for the wait for a response.
    part.accepts =
        Some(Accepts { idle: term(idle, place), wait: time(idle, place), ..Accepts::default() });
    part.opens = Some(Opens { idle: term(idle, place), ..Opens::default() });
    Some(part)
}

/// Returns a server of `servers/` or `sheets/` as it is by default.
pub(crate) fn server(product: &str, name: &str, place: &Place) -> Option<Part> {
    if let Some(sheet) = sheet(product, Kind::Server) {
        return Some(of_sheet(&sheet, Role::Server, name, place));
    }
    let server = Server::shipped(product)?;
    let mut part = Part::new(Role::Server, name, &server.title, place.clone());
    part.accepts = Some(Accepts {
        idle: server.fact("keep-alive").and_then(|fact| term(fact, place)),
        hints: server.hint != ServerHint::Never,
        ..Accepts::default()
    });
    Some(part)
}

/// Returns a value of a sheet.
pub(crate) fn fact(product: &str, key: &str) -> Option<Fact> {
    Sheet::shipped(product)?.fact(key).cloned()
}

fn sheet(product: &str, kind: Kind) -> Option<Sheet> {
    Sheet::shipped(product).filter(|sheet| sheet.kind == kind)
}

fn of_sheet(sheet: &Sheet, role: Role, name: &str, place: &Place) -> Part {
    let mut part = Part::new(role, name, &sheet.title, place.clone());
    let fact = |key: &str| sheet.fact(key);
    part.forgets =
        fact("forgets.after").and_then(|after| time(after, place)).map(|after| Forgets {
            after,
            counts_probes: fact("forgets.counts-probes").is_some_and(|fact| fact.value == "true"),
            then: match fact("forgets.then").map(|fact| fact.value.as_str()) {
                Some("reset-next") => Then::ResetsNext,
                Some("fin" | "reset") => Then::Tells,
                Some(_) | None => Then::Silent,
            },
            ports: None,
        });
    let accepts = matches!(sheet.kind, Kind::Proxy | Kind::Server);
    part.accepts = accepts.then(|| Accepts {
        idle: fact("accepts.idle").and_then(|fact| term(fact, place)),
        wait: fact("accepts.wait").and_then(|fact| time(fact, place)),
        probes: fact("accepts.keepalive").and_then(|fact| probes(fact, place)),
        hints: false,
    });
    let opens = matches!(sheet.kind, Kind::Proxy | Kind::Client);
    part.opens = opens.then(|| Opens {
        idle: fact("opens.idle").and_then(|fact| term(fact, place)),
        probes: fact("opens.keepalive").and_then(|fact| probes(fact, place)),
        connections: fact("opens.connections").and_then(|fact| number(fact, place)),
        ..Opens::default()
    });
    part
}

fn term(fact: &Fact, place: &Place) -> Option<Stated<Term>> {
    Some(Stated::default(fact.term()?, place.clone(), fact))
}

fn time(fact: &Fact, place: &Place) -> Option<Stated<Duration>> {
    match fact.term()? {
        Term::After(time) => Some(Stated::default(time, place.clone(), fact)),
        Term::Never => None,
    }
}

fn number(fact: &Fact, place: &Place) -> Option<Stated<u64>> {
    Some(Stated::default(fact.value.replace('_', "").parse().ok()?, place.clone(), fact))
}

fn probes(fact: &Fact, place: &Place) -> Option<Stated<Probes>> {
    let probes = if fact.value == "system" {
        Probes::AsSystem
    } else {
        match fact.term()? {
            Term::After(idle) => Probes::After(idle),
            Term::Never => Probes::Off,
        }
    };
    Some(Stated::default(probes, place.clone(), fact))
}
