use halfopen_core::scenario::Answers;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn traffic(text: &str) -> Traffic {
    Traffic::parse(text).unwrap().unwrap()
}

fn shipped(name: &str) -> Scenario {
    Scenario::shipped(name).unwrap()
}

fn tally(scenario: &str, text: &str, length: Duration, seed: u64) -> Tally {
    run(&shipped(scenario), &traffic(text), length, seed, |_| {}).unwrap()
}

/// Asserts that a share lies within three standard errors of what is expected.
#[track_caller]
fn assert_share(tally: &Tally, expected: f64, seed: u64) {
    let requests = f64::from(u32::try_from(tally.requests).unwrap());
    let error = (expected * (1.0 - expected) / requests).sqrt();
    let share = tally.share_met();
    assert!(
        (share - expected).abs() < 3.0 * error,
        "seed {seed}: {share} of {requests}, expected {expected} with standard error {error}"
    );
}

#[test]
fn a_client_that_repeats_meets_as_many_forgotten_flows_as_there_are_long_pauses() {
    // Requests arrive as a Poisson process of rate λ and, at one in five minutes, one at a time.
    // The pause before a request is exponential, so it is at least T long with probability
    // exp(-λT). The repetition leaves a connection behind, as any other request does, so each
    // request but the first finds one that is as old as the pause.
    let seed = 11;
    let tally = tally("retry-masks", "12/h", DAY * 20, seed);
    assert_share(&tally, (-350.0_f64 / 300.0).exp(), seed);
    assert_eq!((tally.failed, tally.unfinished), (0, 0));
}

#[test]
fn a_client_that_fails_comes_without_a_connection_the_next_time() {
    // With p = exp(-λT): a request that finds a connection fails with p, and leaves none; one that
    // finds none leaves one. So of all requests the share without is p times the share with, the
    // share with is 1/(1+p), and the share that fails p/(1+p).
    let seed = 12;
    let p = (-350.0_f64 / 300.0).exp();
    let tally = tally("incident", "12/h", DAY * 20, seed);
    assert_share(&tally, p / (1.0 + p), seed);
    assert_eq!((tally.failed, tally.met_failed), (tally.met, tally.met));
    assert_eq!(tally.fresh, tally.opened);
}

#[test]
fn of_the_incidents_cron_line_one_in_ten_fails_in_each_run_but_the_first() {
    let tally = tally("incident", "cron:*/20 * * * * x10", DAY * 7, 1);
    assert_eq!((tally.requests, tally.met, tally.failed), (5_040, 503, 503));
    let days: Vec<u64> = tally.blocks.iter().map(|day| day.failed).collect();
    assert_eq!(days, [71, 72, 72, 72, 72, 72, 72]);
    let interval = tally.interval(1).unwrap();
    assert!(interval.low >= 71.0 && interval.high <= 72.0, "{interval:?}");
}

#[test]
fn one_after_the_other_in_every_minute_is_spared() {
    let tally = tally("incident", "cron:* * * * * x10", Duration::from_hours(3), 1);
    // The balancer ends a connection that is an hour old.
    assert_eq!((tally.requests, tally.met, tally.failed, tally.opened), (1_800, 0, 0, 3));
    assert!(tally.oldest < MINUTE && tally.oldest > Duration::from_secs(59));
}

#[test]
fn a_cap_below_the_limit_spares_what_a_cap_at_the_limit_does_not() {
    let (scenario, traffic) = (shipped("incident"), traffic("12/h"));
    let study = Study { scenario: &scenario, traffic: &traffic, length: DAY * 2, seed: 5, runs: 1 };
    let met = |cap| study.run(cap, |_| {}).unwrap().met;
    assert_eq!(met(Cap::At(Some(Duration::from_mins(5)))), 0);
    assert!(met(Cap::At(None)) > 50);
    assert_eq!(met(Cap::At(None)), met(Cap::Own));
}

#[test]
fn connections_that_a_burst_opened_age_while_requests_flow() {
    // Four at once, one every ten seconds for 400 s, and four at once again. The client has two
    // connections at most: the one used last served all between, the other had been forgotten.
    let times = [0; 4].into_iter().chain((1..40).map(|step| step * 10)).chain([400; 4]);
    let text: Vec<String> = times.map(|at| at.to_string()).collect();
    let traffic = Traffic::Record(Record::read(text.join("\n").as_bytes()).unwrap());
    let outline = traffic.outline(traffic.length(), 0).unwrap();
    assert_eq!((outline.requests, outline.longest_pause), (47, Some(Duration::from_secs(10))));
    let tally = run(&shipped("incident"), &traffic, traffic.length(), 0, |_| {}).unwrap();
    assert_eq!((tally.requests, tally.met, tally.failed, tally.opened), (47, 1, 1, 3));
    let old: Vec<Age> = tally.ages.iter().copied().filter(|age| age.met > 0).collect();
    assert_eq!((old.len(), old[0].from, old[0].requests), (1, Duration::from_secs(350), 1));
}

#[test]
fn runs_add_up_and_the_same_seed_gives_the_same() {
    let (scenario, traffic) = (shipped("incident"), traffic("12/h"));
    let study = |seed, runs| {
        let study = Study { scenario: &scenario, traffic: &traffic, length: DAY, seed, runs };
        let tally = study.run(Cap::Own, |_| {}).unwrap();
        (tally.requests, tally.met, tally.ages, tally.blocks.len())
    };
    let (first, second, both) = (study(8, 1), study(9, 1), study(8, 2));
    assert_eq!((first.0 + second.0, first.1 + second.1), (both.0, both.1));
    assert_eq!(both.3, 48);
    assert_eq!(study(8, 2), both);
}

#[test]
fn a_record_is_run_as_long_as_it_is() {
    let record = Record::read(&b"0\n400\n401\n"[..]).unwrap();
    let traffic = Traffic::Record(record);
    let tally = run(&shipped("incident"), &traffic, traffic.length(), 0, |_| {}).unwrap();
    assert_eq!((tally.requests, tally.met, tally.failed), (3, 1, 1));
    assert!(tally.interval(0).is_none(), "400 s are too short to say");
}

#[test]
fn steady_traffic_spares_a_pool_of_two_connections_and_not_a_pool_of_any_number() {
    // At one in two seconds and 200 ms each, both are needed every twenty seconds or so. A third
    // would be needed about every seven minutes, longer than the gateway remembers it.
    let met = |max_connections| {
        let mut scenario = shipped("incident");
        // The incident's own client has two at most.
        scenario.client.pool.preset = None;
        scenario.client.pool.max_connections = max_connections;
        let Answers::Payment(payment) = &mut scenario.answers else { panic!("{scenario:?}") };
        payment.answers_after = Duration::from_millis(200);
        let length = Duration::from_hours(3);
        let tally = run(&scenario, &traffic("30/min"), length, 4, |_| {}).unwrap();
        assert_eq!(tally.failed, tally.met);
        tally.met
    };
    assert_eq!(met(Some(2)), 0);
    assert!(met(None) > 0);
}

#[test]
fn what_is_too_much_or_nothing_is_refused() {
    let (scenario, traffic) = (shipped("incident"), traffic("1000/s"));
    let study = Study { scenario: &scenario, traffic: &traffic, length: DAY, seed: 0, runs: 1 };
    assert!(matches!(study.outline(), Err(Error::TooManyRequests)));
    let rare = Traffic::parse("cron:0 3 1 7 *").unwrap().unwrap();
    assert!(matches!(rare.outline(DAY * 7, 0), Err(Error::Nothing(_))));
}

#[test]
fn a_run_that_is_too_long_is_refused() {
    let run = run(&shipped("incident"), &traffic("1/day"), DAY * 731, 0, |_| {});
    assert!(run.unwrap_err().to_string().contains("lasts longer than 730 days"));
}
