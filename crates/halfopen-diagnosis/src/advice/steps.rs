//! What helps.

use halfopen_core::cause::Cause;
use halfopen_core::client::Cure;
use halfopen_core::time::Duration;

use super::{Cap, Recognised, Situation, Step};
use crate::matching::{Fit, Shows};

/// Returns what helps, the best first.
pub(super) fn steps(situation: &Situation<'_>, cap: Option<&Cap>) -> Vec<Step> {
    let value = cap.map(|cap| cap.value);
    let mut steps = match situation.cause {
        Cause::IdleExpiry => expiry(situation, value),
        Cause::IdleExpiryInFlight => vec![probes(situation, value)],
        Cause::CloseRace => close_race(situation, value),
        Cause::StateLoss | Cause::PeerAbort | Cause::PeerClose | Cause::ServerRestart => {
            vec![repeat(situation.client)]
        }
        Cause::None
        | Cause::PacketLoss
        | Cause::MtuBlackHole
        | Cause::HalfClosedLeak
        | Cause::PortExhaustion
        | Cause::Refused
        | Cause::Unreachable
        | Cause::Inconclusive => Vec::new(),
    };
    if situation.repeats && !steps.is_empty() {
        steps.push(keys(situation.client));
    }
    steps
}

fn expiry(situation: &Situation<'_>, value: Option<Duration>) -> Vec<Step> {
    let mut steps = vec![idle_cap(situation.client, value)];
    let can_probe = situation.client.is_none_or(|client| cure(client, "keepalive").is_some());
    if can_probe && may_heed_keepalive(situation) {
        steps.push(probes(situation, value));
    }
    steps
}

fn close_race(situation: &Situation<'_>, value: Option<Duration>) -> Vec<Step> {
    let far_end = situation.limits.iter().find(|limit| limit.shows == Shows::FarEndCloses);
    let mut steps = vec![idle_cap(situation.client, value)];
    let own = "or let the far end keep idle connections for longer than the client does";
    let mut longer = Step::new(own);
    let settable = |fit: &&Fit| fit.setting.is_some();
    if let Some(fit) = far_end.and_then(|limit| limit.fits.iter().find(settable)) {
        longer.setting.clone_from(&fit.setting);
        longer.note = Some(format!("if it is {}", fit.title));
        longer.source = Some(fit.source.clone());
    }
    steps.push(longer);
    steps.push(repeat(situation.client));
    steps
}

/// Tells whether a box that fits starts its timer again for keepalive probes, or none is known.
fn may_heed_keepalive(situation: &Situation<'_>) -> bool {
    let mut fits = situation.limits.iter().flat_map(|limit| &limit.fits).peekable();
    fits.peek().is_none() || fits.any(|fit| fit.heeds_keepalive)
}

fn idle_cap(client: Option<&Recognised>, value: Option<Duration>) -> Step {
    let what = match value {
        Some(value) => {
            format!("let the client give up connections that were idle for {}", said(value))
        }
        None => "let the client give up idle connections before the path forgets them; measure \
                 the path's limit first, for this does not show where it lies"
            .to_owned(),
    };
    match client.and_then(|client| cure(client, "idle-limit")) {
        Some((client, cure)) => with(Step::new(what), client, cure, value),
        None => without_setting(Step::new(what), client, "idle-limit"),
    }
}

fn probes(situation: &Situation<'_>, value: Option<Duration>) -> Step {
    let what = match value {
        Some(value) => format!("let TCP keepalive probe idle connections every {}", said(value)),
        None => "let TCP keepalive probe idle connections more often than the path forgets them"
            .to_owned(),
    };
    let what = if situation.cause == Cause::IdleExpiry { format!("or {what}") } else { what };
    match situation.client.and_then(|client| cure(client, "keepalive")) {
        Some((client, cure)) => with(Step::new(what), client, cure, value),
        None => without_setting(Step::new(what), situation.client, "keepalive"),
    }
}

fn repeat(client: Option<&Recognised>) -> Step {
    let what = "let the client repeat, once and on a new connection, what may be repeated: \
                idempotent requests, and others that carry a key by which the server knows them";
    match client.and_then(|client| cure(client, "key").or_else(|| cure(client, "retry"))) {
        Some((client, cure)) => with(Step::new(what), client, cure, None),
        None => Step::new(what),
    }
}

fn keys(client: Option<&Recognised>) -> Step {
    let what = "the client repeats lost requests by itself: give every request that must not be \
                done twice a key by which the server knows a repetition, or stop the client from \
                repeating it";
    let found = client.and_then(|it| cure(it, "no-second-post").or_else(|| cure(it, "key")));
    match found {
        Some((client, cure)) => with(Step::new(what), client, cure, None),
        None => Step::new(what),
    }
}

fn cure<'a>(known: &'a Recognised, name: &str) -> Option<(&'a Recognised, &'a Cure)> {
    known.client.cures.iter().find(|cure| cure.name == name).map(|cure| (known, cure))
}

fn with(step: Step, known: &Recognised, cure: &Cure, value: Option<Duration>) -> Step {
    let fact = known.client.fact(&format!("cures.{}", cure.name));
    // A snippet without its value would be one to copy and get wrong.
    let needs = ["idle-limit", "keepalive"].contains(&cure.name.as_str());
    let snippet = match value {
        Some(value) => cure.written(value),
        None => cure.snippet.clone().filter(|_| !needs),
    };
    Step {
        setting: Some(cure.setting.clone()),
        snippet: snippet.map(|text| text.trim().to_owned()),
        note: fact.and_then(|fact| fact.note.clone()),
        source: fact.map(|fact| fact.source.clone()),
        ..step
    }
}

/// Says so if the client has no such setting.
fn without_setting(mut step: Step, client: Option<&Recognised>, cure: &str) -> Step {
    let Some(known) = client else { return step };
    let fact = known.client.fact(&format!("no-cures.{cure}"));
    let title = &known.client.title;
    step.note = Some(match fact {
        Some(fact) => format!("{title}: {}", fact.value),
        None => format!("no such setting of {title} is known"),
    });
    step.source = fact.map(|fact| fact.source.clone());
    step
}

/// Returns a duration in words.
fn said(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{} s", duration.as_secs())
    }
}
