use halfopen_core::cause::{Cause, Harm};
use halfopen_core::speed::Speed;
use halfopen_core::tcp;

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
fn sped_up_so_far_that_it_takes_half_a_minute_a_scenario_has_the_same_truth() {
    for name in Scenario::names() {
        let scenario = shipped(name);
        let half_minutes = scenario.length.as_secs().div_ceil(30);
        let speed = Speed::new(u32::try_from(half_minutes).unwrap()).unwrap();
        let fast = scenario.sped_up(speed).unwrap();
        let truth = reproduce(&fast, fast.seed).unwrap().truth(&fast);
        let slow = reproduce(&scenario, scenario.seed).unwrap().truth(&scenario);
        assert_eq!(truth, slow, "{name} at {speed:?}");
    }
}

/// Returns the numbers of the requests of a burst that failed.
fn failed(run: &Reproduction, burst: u32) -> Vec<u32> {
    let of_burst = run.requests.iter().filter(|request| request.burst == burst);
    of_burst.filter(|it| it.outcome().is_lost()).map(|it| it.number).collect()
}

#[test]
fn of_the_incidents_payments_the_first_of_each_run_but_the_first_fails() {
    let run = watched(&shipped("incident"), 0).unwrap();
    assert_eq!(run.requests.len(), 30);
    assert_eq!([1, 2, 3].map(|burst| failed(&run, burst)), [vec![], vec![11], vec![21]]);
    let received = |number| run.deeds.iter().any(|deed| deed.act == Act::Received(number));
    assert_eq!((1..=30).filter(|&number| !received(number)).collect::<Vec<_>>(), [11, 21]);
    // What was not charged is charged by no retry on a connection that is as dead.
    assert_eq!((run.charged.len(), run.charged.values().max()), (28, Some(&1)));
    let report = |event: &scheduler::Event| match event {
        scheduler::Event::Ran(report) => (report.paid(), report.unknown()),
        scheduler::Event::Skipped { .. } => panic!("{event:?}"),
    };
    let reports: Vec<(usize, usize)> = run.runs.iter().map(report).collect();
    assert_eq!(reports, [(0, 0), (10, 0), (9, 1), (9, 1)]);
}

#[test]
fn the_balancers_log_has_nine_of_the_ten() {
    let run = reproduce(&shipped("incident"), 0).unwrap();
    let lines: Vec<String> = run.access_log.iter().map(ToString::to_string).collect();
    let of_run = |minute: &str| {
        lines
            .iter()
            .filter(|line| line.starts_with(&format!("http 2024-01-06T09:{minute}:00")))
            .count()
    };
    assert_eq!(["00", "20", "40"].map(of_run), [10, 9, 9]);
    assert_eq!((lines.len(), run.connection_log.len()), (28, 3));
    assert!(run.access_log.iter().all(|entry| entry.status == 201));
}

#[test]
fn the_wire_log_tells_of_a_connection_taken_for_alive_and_reset() {
    let run = watched(&shipped("incident"), 0).unwrap();
    let second: Vec<&str> =
        run.wire_log.lines().filter(|line| line.starts_with("2024-01-06 09:20:00.000")).collect();
    let at = |text: &str| second.iter().position(|line| line.contains(text));
    let story = [
        "Connection leased: [id: 0]",
        "Stale check: nothing to read",
        ">> \"POST /payments",
        "<< \"[read] I/O error: connection reset by peer\"",
        "Shutdown connection",
    ];
    let places = story.map(|text| at(text).unwrap_or_else(|| panic!("{text}: {second:#?}")));
    assert!(places.is_sorted(), "{second:#?}");
}

#[test]
fn a_balancer_that_closes_before_the_gateway_forgets_spares_every_payment() {
    for seconds in [180, 300] {
        let scenario = shipped(&format!("incident-balancer-{seconds}"));
        let run = watched(&scenario, 0).unwrap();
        assert_eq!(run.failures(), 0, "{seconds}");
        assert_eq!((run.access_log.len(), run.charged.len(), run.pool.opened), (30, 30, 3));
        // The first run's last byte went at 60.2 s; the FIN comes as much later as the balancer
        // waits, and the client sees it as CLOSE_WAIT until the next run.
        let closing = |table: &&SocketTable| {
            let states = table.rows.iter().filter_map(|row| row.connection);
            states.map(|it| it.info.state).any(|state| state == tcp::State::CloseWait)
        };
        let table = run.sockets.iter().find(closing).expect("a FIN");
        let since = table.at.saturating_since(Instant::EPOCH).as_secs();
        assert_eq!(since, 61 + seconds);
        assert!(table.to_string().contains("CLOSE_WAIT"), "{table}");
        assert_eq!(run.ended_idle.len(), 2, "{:?}", run.ended_idle);
    }
}

#[test]
fn a_payment_module_on_several_hosts_keeps_one_book() {
    let text = Scenario::text("incident").unwrap();
    let spread = text.replace("[payment]\n", "[payment]\nhosts = 3\n");
    let scenario = Scenario::parse("spread", &spread).unwrap();
    let run = reproduce(&scenario, 0).unwrap();
    let hosts: BTreeSet<_> = run.access_log.iter().map(|entry| entry.target).collect();
    assert_eq!((hosts.len(), run.charged.len()), (3, 28));
    let unbalanced = spread[..spread.find("[[path]]\nbalancer").unwrap()].to_owned()
        + &spread[spread.find("[payment]").unwrap()..];
    let scenario = Scenario::parse("unbalanced", &unbalanced).unwrap();
    let error = reproduce(&scenario, 0).unwrap_err();
    assert!(error.to_string().contains("need a balancer"), "{error}");
}

#[test]
fn a_cron_line_that_never_fires_is_an_error() {
    let text = Scenario::text("incident").unwrap().replace("*/20 * * * *", "0 0 31 2 *");
    let scenario = Scenario::parse("never", &text).unwrap();
    let error = reproduce(&scenario, 0).unwrap_err();
    assert!(error.to_string().contains("never fires"), "{error}");
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
    assert_eq!(connection.info.state, tcp::State::Established);
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
        let changed = text.replace("apache-httpclient-4", preset);
        let scenario = Scenario::parse("changed", &changed).unwrap();
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
