use halfopen_core::cause::{Cause, Harm};

use super::*;

fn shipped(name: &str) -> Scenario {
    Scenario::shipped(name).unwrap()
}

#[test]
fn the_truth_of_every_scenario_that_ships_is_what_it_expects() {
    for name in Scenario::names() {
        let scenario = shipped(name);
        let truth = reproduce(&scenario, scenario.seed).unwrap().truth(&scenario);
        let expected = scenario.expect;
        assert_eq!(
            (truth.cause, truth.harm, truth.failures),
            (expected.cause, expected.harm, expected.failures.into()),
            "{name}: {truth:?}"
        );
        if expected.culprit.is_some() {
            assert_eq!(truth.culprit, expected.culprit, "{name}");
        }
        if expected.mechanism.is_some() {
            assert_eq!(truth.mechanism, expected.mechanism, "{name}");
        }
    }
}

#[test]
fn of_the_incidents_second_burst_nine_requests_reach_the_far_end() {
    let run = reproduce(&shipped("incident"), 0).unwrap();
    let second: Vec<&Request> = run.requests.iter().filter(|it| it.burst == 2).collect();
    let lost: Vec<u32> =
        second.iter().filter(|it| it.outcome().is_lost()).map(|it| it.number).collect();
    assert_eq!(lost, [11]);
    let received = |number| run.deeds.iter().any(|deed| deed.act == Act::Received(number));
    assert!(!received(11));
    assert!((12..=20).all(received));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for name in ["incident", "packet-loss"] {
        let scenario = shipped(name);
        let captures = |seed| {
            let run = reproduce(&scenario, seed).unwrap();
            run.sights.into_iter().map(|sight| sight.capture).collect::<Vec<_>>()
        };
        assert_eq!(captures(7), captures(7));
    }
}

#[test]
fn who_watches_sockets_changes_nothing_and_sees_them_established_until_the_reset() {
    let scenario = shipped("incident");
    let (unseen, seen) = (reproduce(&scenario, 0).unwrap(), watched(&scenario, 0).unwrap());
    let captures = |run: &Reproduction| -> Vec<Vec<u8>> {
        run.sights.iter().map(|sight| sight.capture.clone()).collect()
    };
    assert_eq!(captures(&unseen), captures(&seen));
    let last =
        seen.sockets.iter().rfind(|table| table.at < Instant::EPOCH + Duration::from_mins(20));
    let connection = last.unwrap().rows[0].connection.unwrap();
    assert_eq!(connection.info.state, halfopen_core::tcp::State::Established);
}

#[test]
fn the_pool_and_the_gateway_count_what_happened() {
    let run = reproduce(&shipped("incident"), 0).unwrap();
    assert_eq!((run.failures(), run.received_twice()), (2, 0));
    assert_eq!((run.pool.opened, run.pool.leased_reused), (3, 27));
    let [nat] = run.counted.as_slice() else { panic!("{:?}", run.counted) };
    assert_eq!((nat.name.as_str(), nat.counters.idle_timeouts), ("nat", 3));
    let latencies = run.latencies();
    assert!(latencies.iter().all(Option::is_some));
    assert!(latencies[1] >= Some(Duration::from_millis(21)) && latencies[10] < latencies[1]);
}

#[test]
fn the_incident_with_a_preset_that_has_a_cap_is_none() {
    let text = Scenario::text("incident").unwrap();
    let with = |preset: &str| {
        let line = format!("preset = \"{preset}\"\nconnect-timeout");
        let scenario = Scenario::parse("changed", &text.replace("connect-timeout", &line)).unwrap();
        reproduce(&scenario, 0).unwrap()
    };
    assert_eq!(with("apache-httpclient-4").failures(), 2);
    assert_eq!(with("go-net-http").failures(), 0);
}

#[test]
fn a_client_that_retries_masks_what_happened() {
    let scenario = shipped("retry-masks");
    let run = reproduce(&scenario, 0).unwrap();
    let truth = run.truth(&scenario);
    assert_eq!((truth.cause, truth.harm, truth.failures), (Cause::IdleExpiry, Harm::Masked, 0));
    let retried = run.requests.iter().filter(|request| request.attempts.len() == 2);
    assert_eq!(retried.count(), 2);
}

#[test]
fn a_request_that_is_swallowed_until_the_run_ends_has_failed() {
    let text = Scenario::text("firewall-drops-silently").unwrap();
    let patient = text.replace("read-timeout = \"10s\"\n", "");
    assert_ne!(text, patient);
    let scenario = Scenario::parse("patient", &patient).unwrap();
    let run = reproduce(&scenario, 0).unwrap();
    let waiting = |request: &&Request| request.outcome() == Outcome::Unfinished;
    assert_eq!(run.requests.iter().filter(waiting).count(), 1);
    let truth = run.truth(&scenario);
    assert_eq!((truth.cause, truth.harm, truth.failures), (Cause::IdleExpiry, Harm::Failed, 1));
}
