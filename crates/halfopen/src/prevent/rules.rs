//! From what the user says to rules: which connections are guarded, and how.

use std::fs;
use std::net::ToSocketAddrs as _;
use std::path::Path;

use halfopen_core::fact::Fact;
use halfopen_core::profile::Profile;
use halfopen_core::profile::keepalive::{Keepalive, probe_after, shortest_refreshed};
use halfopen_core::sheet::Sheet;
use halfopen_core::time::Duration;
use halfopen_live::guard::Mode;
use halfopen_live::guard::limits::{Destination, Limits, Rules};
use halfopen_pool::ledger::{Ledger, LedgerConfig};
use jiff::Timestamp;

use super::GuardFailure;
use crate::cli::prevent::guard;
use crate::output;

/// Returns whether anything is to be changed.
pub(super) const fn mode(order: &guard::Rules) -> Mode {
    if order.dry_run { Mode::DryRun } else { Mode::Change }
}

/// Returns the rules.
pub(super) fn rules(order: &guard::Rules) -> Result<Rules, GuardFailure> {
    let idle = idle(order)?;
    let limits = |idle: Duration| {
        let mut limits = Limits::new(idle)?;
        if let Some(interval) = order.interval {
            limits = limits.with_interval(interval)?;
        }
        order.count.map_or(Ok(limits), |count| limits.with_count(count))
    };
    let mut rules = Rules::default();
    if order.to.is_empty() {
        rules.guarded.push((Destination::ANY, limits(idle)?));
    }
    if let Some(path) = &order.ledger {
        for (name, idle) in read_ledger(path)? {
            match resolve(&name) {
                Ok(found) => {
                    let limits = limits(idle)?;
                    rules.guarded.extend(found.into_iter().map(|one| (one, limits)));
                }
                Err(failure) => output::remark(&format!("left out: {failure}")),
            }
        }
    }
    for to in &order.to {
        let limits = limits(to.idle.unwrap_or(idle))?;
        rules.guarded.extend(resolve(&to.destination)?.into_iter().map(|one| (one, limits)));
    }
    for except in &order.except {
        rules.spared.extend(resolve(except)?);
    }
    Ok(rules)
}

/// Returns the longest silence, where nobody says otherwise.
fn idle(order: &guard::Rules) -> Result<Duration, GuardFailure> {
    match (&order.profile, order.idle) {
        (Some(name), _) => of_product(name),
        (None, Some(idle)) => Ok(idle),
        (None, None) => Ok(probe_after(shortest_refreshed())),
    }
}

/// Returns the same for a product that has a profile, or a sheet at least.
fn of_product(name: &str) -> Result<Duration, GuardFailure> {
    let setting = |fact: Option<&Fact>| fact.and_then(|fact| fact.setting.clone());
    let (title, keepalive, setting) = if let Some(profile) = Profile::shipped(name) {
        let setting = setting(profile.fact("idle-timeout"));
        (profile.title.clone(), Some(profile.keepalive()), setting)
    } else if let Some(sheet) = Sheet::shipped(name) {
        let setting = setting(sheet.fact("forgets.after"));
        (sheet.title.clone(), sheet.keepalive(), setting)
    } else {
        return Err(GuardFailure::NoProfile(name.to_owned()));
    };
    match keepalive {
        Some(Keepalive::Refreshes { timer }) => Ok(probe_after(timer)),
        Some(Keepalive::Ignored { timer }) => Err(GuardFailure::Deaf { title, timer, setting }),
        Some(Keepalive::Needless) => Err(GuardFailure::Needless(title)),
        None => Err(GuardFailure::NoProfile(name.to_owned())),
    }
}

/// Returns the paths of a ledger that forget connections, each with the silence that is surely
/// survived.
fn read_ledger(path: &Path) -> Result<Vec<(String, Duration)>, GuardFailure> {
    let opened = |error| GuardFailure::Open { path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(opened)?;
    let now = Timestamp::now();
    let ledger = Ledger::parse(&text, now, LedgerConfig::default());
    let ledger = ledger.map_err(|error| GuardFailure::Ledger { path: path.to_owned(), error })?;
    let mut found = Vec::new();
    for name in ledger.paths() {
        let cap = ledger.cap(now, name);
        if let Some(survived) = cap.packets {
            // A second is the shortest that keepalive can do.
            let idle = probe_after(survived).max(Duration::from_secs(1));
            found.push((host_and_port(&name.destination), idle));
        } else if cap.data.is_some() {
            output::remark(&format!("{name} counts bytes: keepalive does not help there"));
        }
    }
    Ok(found)
}

/// Returns host and port of a URL without a path, as a ledger has them.
fn host_and_port(destination: &str) -> String {
    let (scheme, authority) = destination.split_once("://").unwrap_or(("", destination));
    let authority = authority.trim_end_matches('/');
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    match scheme {
        "http" if !has_port => format!("{authority}:80"),
        "https" if !has_port => format!("{authority}:443"),
        _ => authority.to_owned(),
    }
}

/// Returns the destinations that a text names: a network, or a host with all its addresses.
fn resolve(text: &str) -> Result<Vec<Destination>, GuardFailure> {
    if let Ok(destination) = text.parse() {
        return Ok(vec![destination]);
    }
    let addresses = text.to_socket_addrs();
    let failed = |error| GuardFailure::NoDestination { destination: text.to_owned(), error };
    Ok(addresses.map_err(failed)?.map(Destination::from).collect())
}

#[cfg(test)]
mod tests {
    use halfopen_pool::idle::WireIdle;
    use halfopen_pool::ledger::Outcome as LedgerOutcome;
    use halfopen_pool::name::PathName;

    use super::*;

    fn order() -> guard::Rules {
        guard::Rules {
            idle: None,
            profile: None,
            ledger: None,
            interval: None,
            count: None,
            to: Vec::new(),
            except: Vec::new(),
            dry_run: false,
        }
    }

    fn profile(name: &str) -> Result<Rules, GuardFailure> {
        rules(&guard::Rules { profile: Some(name.to_owned()), ..order() })
    }

    #[test]
    fn without_a_word_half_of_the_shortest_timer_is_kept_to_everywhere() {
        let (destination, limits) = rules(&order()).unwrap().guarded[0];
        assert_eq!(destination, Destination::ANY);
        assert_eq!(limits.idle(), Duration::from_mins(2), "the help says so");
    }

    #[test]
    fn of_a_gateway_it_is_half_of_its_timer() {
        let (_, limits) = profile("aws-nat-gateway").unwrap().guarded[0];
        assert_eq!(limits.idle(), Duration::from_secs(175));
    }

    #[test]
    fn a_product_that_nothing_models_is_known_by_its_sheet() {
        let (_, limits) = profile("azure-firewall").unwrap().guarded[0];
        let Some(Keepalive::Refreshes { timer }) =
            Sheet::shipped("azure-firewall").unwrap().keepalive()
        else {
            panic!("its sheet says so")
        };
        assert_eq!(limits.idle(), probe_after(timer));
        // Of a server nothing on the way is known.
        assert!(profile("redis").unwrap_err().hint().unwrap().contains("azure-firewall"));
    }

    #[test]
    fn where_keepalive_cannot_help_it_says_so_and_what_does() {
        let failure = profile("aws-alb").unwrap_err();
        assert!(failure.to_string().contains("counts bytes"), "{failure}");
        let hint = failure.hint().unwrap();
        assert!(hint.contains("idle for 48.0 s") && hint.contains("idle_timeout"), "{hint}");
        let failure = profile("aws-global-accelerator").unwrap_err();
        assert!(failure.to_string().contains("AWS Global Accelerator"), "{failure}");
        let hint = failure.hint().unwrap();
        assert!(!hint.contains("longer timer"), "its timer is fixed: {hint}");
        assert!(profile("aws-nat").unwrap_err().hint().unwrap().contains("aws-nat-gateway"));
    }

    #[test]
    fn a_ledgers_paths_are_kept_below_half_of_what_they_survive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("paths.toml");
        let (now, to) = (Timestamp::now(), PathName::to("http://127.0.0.1:8080"));
        let mut ledger = Ledger::new(LedgerConfig::default());
        let quiet = |seconds| WireIdle::unprobed(Duration::from_secs(seconds));
        ledger.record(now, &to, quiet(200), LedgerOutcome::Survived);
        ledger.record(now, &to, quiet(350), LedgerOutcome::ResetOnUse);
        fs::write(&path, ledger.to_text()).unwrap();
        let rules = rules(&guard::Rules { ledger: Some(path), ..order() }).unwrap();
        assert_eq!(rules.guarded.len(), 2, "{rules:?}");
        let (destination, limits) = rules.guarded[1];
        assert_eq!(destination.to_string(), "127.0.0.1/32:8080");
        assert!(limits.idle() <= Duration::from_secs(100), "{limits}");
    }

    #[test]
    fn a_url_has_the_port_of_its_scheme() {
        assert_eq!(host_and_port("http://pay.test"), "pay.test:80");
        assert_eq!(host_and_port("https://[::1]"), "[::1]:443");
        assert_eq!(host_and_port("https://[::1]:8443"), "[::1]:8443");
        assert_eq!(host_and_port("db.test:5432"), "db.test:5432");
    }
}
