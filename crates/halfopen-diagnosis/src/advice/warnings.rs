//! What does not help here, or harms.

use halfopen_core::cause::Cause;
use halfopen_core::fact::Source;

use super::{Situation, Warning};
use crate::matching::Fit;

/// Returns what does not help here, or harms.
pub(super) fn warnings(situation: &Situation<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if matches!(situation.cause, Cause::IdleExpiry | Cause::IdleExpiryInFlight) {
        warnings.push(keepalive_without_time());
    }
    if matches!(situation.cause, Cause::IdleExpiry | Cause::CloseRace) {
        warnings.extend(deaf_to_keepalive(situation));
        warnings.push(lifetime(situation));
    }
    if situation.cause == Cause::IdleExpiryInFlight {
        warnings.push(Warning {
            what: "a cap on idle connections alone".to_owned(),
            why: "the connection is forgotten while a request waits on it, and is not idle for \
                  the client"
                .to_owned(),
            source: None,
        });
    }
    warnings.push(second_post());
    warnings.extend(no_cures(situation));
    warnings
}

fn keepalive_without_time() -> Warning {
    Warning {
        what: "SO_KEEPALIVE without an idle time".to_owned(),
        why: "the first probe goes out after two hours unless TCP_KEEPIDLE says otherwise, for \
              that is the shortest default that the standard allows"
            .to_owned(),
        source: Some(page("https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4")),
    }
}

/// Names what fits and counts bytes or requests, for which a probe is nothing.
fn deaf_to_keepalive(situation: &Situation<'_>) -> Option<Warning> {
    let fits = situation.limits.iter().flat_map(|limit| &limit.fits);
    let deaf: Vec<&Fit> = fits.filter(|fit| !fit.heeds_keepalive).collect();
    let first = deaf.first()?;
    let titles: Vec<&str> = deaf.iter().map(|fit| fit.title.as_str()).collect();
    Some(Warning {
        what: format!("TCP keepalive against {}", titles.join(", ")),
        why: "its timer is one of requests or bytes, which probes do not start again".to_owned(),
        source: Some(first.source.clone()),
    })
}

fn lifetime(situation: &Situation<'_>) -> Warning {
    let fact = situation.client.and_then(|client| client.client.fact("lifetime"));
    let setting = fact.and_then(|fact| fact.setting.as_deref());
    Warning {
        what: match setting {
            Some(setting) => format!("a limit on a connection's age alone ({setting})"),
            None => "a limit on a connection's age alone".to_owned(),
        },
        why: "a connection much younger than that can have been idle for too long".to_owned(),
        source: fact.map(|fact| fact.source.clone()),
    }
}

fn second_post() -> Warning {
    Warning {
        what: "repeating a POST that carries no key".to_owned(),
        why:
            "who gets no response cannot know whether the request was done; a payment may be made \
              twice"
                .to_owned(),
        source: Some(page("https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2")),
    }
}

/// Returns what the client's file says is no cure.
fn no_cures(situation: &Situation<'_>) -> Vec<Warning> {
    let facts = situation.client.into_iter().flat_map(|known| &known.client.facts);
    let named = facts.filter_map(|fact| Some((fact.key.strip_prefix("no-cures.")?, fact)));
    let others = named.filter(|(name, _)| !["idle-limit", "keepalive"].contains(name));
    others
        .map(|(name, fact)| Warning {
            what: name.replace('-', " "),
            why: fact.value.clone(),
            source: Some(fact.source.clone()),
        })
        .collect()
}

fn page(url: &str) -> Source {
    Source { url: url.to_owned(), read: "2026-11-22".to_owned(), note: None }
}
