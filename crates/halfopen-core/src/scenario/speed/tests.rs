use super::*;
use crate::scenario::Disturbance;

fn speed(times: u32) -> Speed {
    Speed::new(times).unwrap()
}

fn shipped(name: &str) -> Scenario {
    Scenario::shipped(name).unwrap()
}

/// Returns a scenario that ships with lines of its text replaced.
fn changed(name: &str, from: &str, to: &str) -> Scenario {
    let text = Scenario::text(name).unwrap();
    assert!(text.contains(from), "{from}");
    Scenario::parse(name, &text.replacen(from, to, 1)).unwrap()
}

fn established(scenario: &Scenario) -> Option<Duration> {
    scenario.path.iter().find_map(|station| match station {
        Station::Gateway(gateway) => gateway.config.idle.timers.tcp_established,
        Station::Link(_) | Station::Balancer(_) => None,
    })
}

#[test]
fn a_hundred_times_faster_350_s_are_3_5() {
    let fast = shipped("incident").sped_up(speed(100)).unwrap();
    assert_eq!(established(&fast), Some(Duration::from_millis(3500)));
    assert_eq!(fast.length, Duration::from_secs(30));
    let Some(Station::Balancer(balancer)) = fast.path.last() else { panic!("{:?}", fast.path) };
    assert_eq!(balancer.config.idle_timeout, Duration::from_secs(18));
    let flushed = shipped("table-flushed").sped_up(speed(10)).unwrap();
    let [Disturbance { at, .. }] = flushed.disturbances[..] else { panic!("one") };
    assert_eq!(at, Duration::from_millis(4500));
}

#[test]
fn at_the_speed_of_its_text_a_scenario_is_the_same() {
    for name in Scenario::names() {
        let scenario = shipped(name);
        let same = scenario.sped_up(Speed::REAL).unwrap();
        assert_eq!(format!("{same:?}"), format!("{scenario:?}"), "{name}");
    }
}

#[test]
fn links_keep_their_delay_and_clients_a_second_of_patience() {
    let (slow, fast) = (shipped("incident"), shipped("incident").sped_up(speed(100)).unwrap());
    let [Station::Link(before), ..] = &slow.path[..] else { panic!("{:?}", slow.path) };
    let [Station::Link(after), ..] = &fast.path[..] else { panic!("{:?}", fast.path) };
    assert_eq!(after, before);
    let Pool { connect_timeout, read_timeout, .. } = fast.client.pool;
    assert_eq!(connect_timeout, Some(Duration::from_secs(1)));
    assert_eq!(read_timeout, Some(Duration::from_secs(1)));
    // A patience that outlasts the second is divided: what it waits for is.
    let fast = shipped("slow-response").sped_up(speed(30)).unwrap();
    assert_eq!(fast.client.pool.read_timeout, Some(Duration::from_secs(20)));
}

#[test]
fn keepalive_counts_whole_seconds_and_says_from_when_on_that_is_too_few() {
    let scenario = shipped("keepalive-saves");
    let fast = scenario.sped_up(speed(75)).unwrap();
    let keepalive = fast.client.pool.keepalive.unwrap();
    assert_eq!((keepalive.idle, keepalive.interval), (Duration::from_secs(3), WHOLE));
    // 350 s are 1 s or less, and so is no probe.
    let error = scenario.sped_up(speed(400)).unwrap_err();
    assert_eq!(error.largest, speed(349));
    assert!(scenario.sped_up(error.largest).is_ok());
    assert_eq!(
        error.to_string(),
        "a keepalive probe after 200 s cannot run that fast; the largest speed is 349"
    );
}

#[test]
fn a_presets_keepalive_counts_as_well() {
    let preset = "preset = \"node-http-agent\"";
    let scenario = changed("incident", "preset = \"apache-httpclient-4\"", preset);
    assert!(scenario.sped_up(speed(100)).is_ok());
    assert_eq!(scenario.sped_up(speed(1000)).unwrap_err().largest, speed(349));
}

#[test]
fn a_hint_of_less_than_a_second_cannot_be_given() {
    let scenario = changed("incident", "[payment]", "[payment]\nhint = \"75s\"");
    assert_eq!(scenario.sped_up(speed(76)).unwrap_err().largest, speed(75));
    assert_eq!(scenario.sped_up(speed(30)).unwrap().hint(), Some(Duration::from_secs(2)));
}
