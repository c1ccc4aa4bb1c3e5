//! A client that is set up as `halfopen diagnose` advises for a path.

use halfopen_capture::Closings;
use halfopen_core::cause::{Cause, Culprit};
use halfopen_core::client::{Behaviour, Client};
use halfopen_core::profile::Profile;
use halfopen_core::time::Duration;
use halfopen_diagnosis::advice::{Recognised, Situation, advise};
use halfopen_diagnosis::matching::{Limit, Observed, limits};

/// Returns what a client does once it is set up as advised for a path through a product. It stays
/// as it is by default if the product never forgets, if the client gives its connections up in time
/// by itself, or if it has no setting that is advised.
pub(crate) fn advised(client: &Client, product: &Profile) -> Behaviour {
    cured(client, product).unwrap_or_else(|| client.behaviour.clone())
}

fn cured(client: &Client, product: &Profile) -> Option<Behaviour> {
    let (cause, limits) = seen_of(product)?;
    let known = Recognised::named(client.clone());
    let situation = Situation { cause, limits: &limits, client: Some(&known), repeats: false };
    let advice = advise(&situation)?;
    let cap = advice.cap?.value;
    let is_late = client.behaviour.idle_max.is_none_or(|idle_max| idle_max > cap);
    let settings = advice.steps.iter().filter_map(|step| step.setting.as_ref());
    let names = settings
        .filter_map(|setting| client.cures.iter().find(|cure| cure.setting == *setting))
        .map(|cure| cure.name.as_str());
    // What is left to a client without settings: not to keep the connection.
    let mut cured = names.chain(["close"]).filter_map(|name| client.cured(name, cap));
    cured.next().filter(|_| is_late)
}

/// Returns what a diagnosis finds of a product's timer: a connection that survived for a second
/// less, and one that did not survive it.
fn seen_of(product: &Profile) -> Option<(Cause, Vec<Limit>)> {
    let nothing =
        Observed { deaths: &[], culprit: Culprit::Unknown, survived: None, closings: None };
    if let Some(balancer) = product.balancer() {
        let timer = balancer.idle_timeout;
        let closings = Closings { count: 2, shortest: timer, longest: timer };
        return Some((Cause::CloseRace, limits(&Observed { closings: Some(closings), ..nothing })));
    }
    let timer = product.gateway(Vec::new())?.idle.timers.tcp_established?;
    let survived = Some(timer.saturating_sub(Duration::from_secs(1)));
    let seen = Observed { deaths: &[(None, timer)], culprit: Culprit::Hop, survived, ..nothing };
    Some((Cause::IdleExpiry, limits(&seen)))
}
