use super::*;
use crate::matching::{Observed, limits};
use halfopen_capture::Closings;
use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::client::Client;
use halfopen_core::time::Duration;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn client(name: &str) -> Recognised {
    Recognised::named(Client::shipped(name).expect(name))
}

fn forgotten(mechanism: Mechanism, survived: Option<u64>, died: u64) -> Vec<Limit> {
    limits(&Observed {
        deaths: &[(Some(mechanism), secs(died))],
        culprit: Culprit::Hop,
        survived: survived.map(secs),
        closings: None,
    })
}

fn situation<'a>(limits: &'a [Limit], client: Option<&'a Recognised>) -> Situation<'a> {
    Situation { cause: Cause::IdleExpiry, limits, client, repeats: false }
}

fn value(limits: &[Limit]) -> Option<Duration> {
    cap::cap(&situation(limits, None)).map(|cap| cap.value)
}

#[test]
fn a_cap_is_four_fifths_of_the_smallest_timer_that_is_known_or_fits() {
    let reset = Mechanism::ResetOnReuse;
    assert_eq!(value(&forgotten(reset, Some(346), 354)), Some(secs(276)));
    assert_eq!(value(&forgotten(reset, None, 1200)), Some(secs(192)), "of 4 min");
    assert_eq!(value(&forgotten(reset, Some(100), 1200)), Some(secs(80)), "what is sure");
    assert_eq!(value(&forgotten(reset, Some(2), 1200)), Some(secs(192)), "2 s say nothing");
    assert_eq!(value(&forgotten(reset, Some(10), 20)), Some(secs(8)), "nothing fits");
    assert_eq!(value(&forgotten(reset, Some(2), 20)), Some(secs(1)), "nothing else is known");
    assert_eq!(value(&forgotten(reset, None, 20)), None);
}

#[test]
fn the_incidents_client_gets_its_own_setting_and_a_snippet_with_the_value() {
    let limits = forgotten(Mechanism::ResetOnReuse, Some(346), 354);
    let client = client("apache-httpclient-4");
    let advice = advise(&situation(&limits, Some(&client))).unwrap();
    let step = &advice.steps[0];
    assert_eq!(step.setting.as_deref(), Some("setKeepAliveStrategy"));
    assert!(step.snippet.as_ref().unwrap().contains("Math.min(hint, 276000)"), "{step:?}");
    assert!(step.source.is_some());
    let warned: Vec<&str> = advice.warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert_eq!(
        warned,
        [
            "SO_KEEPALIVE without an idle time",
            "a limit on a connection's age alone (setConnectionTimeToLive)",
            "repeating a POST that carries no key",
            "stale check",
        ]
    );
}

#[test]
fn a_client_without_an_idle_limit_is_told_so_and_gets_probes() {
    let limits = forgotten(Mechanism::ResetOnReuse, Some(346), 354);
    let client = client("python-requests");
    let advice = advise(&situation(&limits, Some(&client))).unwrap();
    assert!(advice.steps[0].note.as_ref().unwrap().contains("there is no setting"));
    assert!(advice.steps[1].snippet.as_ref().unwrap().contains("TCP_KEEPIDLE, 276"));
}

#[test]
fn probes_are_not_advised_against_a_timer_that_does_not_know_them() {
    let closings = Some(Closings { count: 2, shortest: secs(60), longest: secs(60) });
    let seen = Observed { deaths: &[], culprit: Culprit::Peer, survived: None, closings };
    let limits = limits(&seen);
    let race = Situation { cause: Cause::CloseRace, ..situation(&limits, None) };
    let advice = advise(&race).unwrap();
    assert_eq!(advice.cap.as_ref().unwrap().value, secs(48));
    assert!(advice.steps.iter().all(|step| !step.what.contains("probe")), "{advice:?}");
    let deaf = advice.warnings.iter().find(|it| it.what.starts_with("TCP keepalive against"));
    assert!(deaf.unwrap().what.contains("AWS Application Load Balancer"), "{deaf:?}");
}

#[test]
fn a_request_that_waits_is_kept_alive_by_probes_and_by_no_cap() {
    let limits = forgotten(Mechanism::ResetOnReuse, Some(346), 354);
    let waiting = Situation { cause: Cause::IdleExpiryInFlight, ..situation(&limits, None) };
    let advice = advise(&waiting).unwrap();
    assert_eq!(advice.steps.len(), 1);
    assert!(advice.steps[0].what.contains("every 276 s"), "{advice:?}");
    assert!(advice.warnings.iter().any(|it| it.what == "a cap on idle connections alone"));
}

#[test]
fn a_client_that_repeats_by_itself_is_told_how_to_stop() {
    let limits = forgotten(Mechanism::ResetOnReuse, Some(346), 354);
    let client = client("jdk-httpurlconnection");
    let masking = Situation { repeats: true, ..situation(&limits, Some(&client)) };
    let advice = advise(&masking).unwrap();
    let last = advice.steps.last().unwrap();
    assert_eq!(last.setting.as_deref(), Some("-Dsun.net.http.retryPost=false"));
}

#[test]
fn where_nothing_is_wrong_nothing_is_advised() {
    assert!(advise(&Situation { cause: Cause::None, ..situation(&[], None) }).is_none());
}

#[test]
fn a_client_is_recognised_by_what_it_says_of_itself() {
    let named = |agent: &str| {
        let known = Recognised::by_user_agent(agent)?;
        Some((known.client.name, known.version.unwrap_or_default()))
    };
    let some = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
    assert_eq!(
        named("Apache-HttpClient/4.5.14 (Java/17.0.13)"),
        some("apache-httpclient-4", "4.5.14")
    );
    assert_eq!(named("Java-http-client/17.0.15"), some("jdk-http-client", "17.0.15"));
    assert_eq!(named("Java/1.8.0_402"), some("jdk-httpurlconnection", "1.8.0_402"));
    assert_eq!(named("python-requests/2.31.0"), some("python-requests", "2.31.0"));
    assert_eq!(named("Python/3.12 aiohttp/3.9.1"), some("python-aiohttp", "3.9.1"));
    assert_eq!(named("Go-http-client/1.1"), some("go-net-http", ""), "HTTP's version");
    assert_eq!(named("node"), some("undici", ""));
    assert_eq!(named("nodeproxy/1.0"), None);
    assert_eq!(named("Mozilla/5.0"), None);
    assert_eq!(named(""), None);
}
