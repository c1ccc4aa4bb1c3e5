use super::*;
use crate::balancer::{NoneHealthy, Routing};
use crate::idle::{OnExpiry, OnOrphan, Told};

const EXTERNAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));

fn shipped(name: &str) -> Scenario {
    let text = Scenario::text(name).expect(name);
    Scenario::parse(name, text).unwrap_or_else(|error| panic!("{name}.toml: {error}"))
}

/// Returns the message about the text of the flushed table after `change` is made to it.
fn message(from: &str, to: &str) -> String {
    let text = Scenario::text("table-flushed").unwrap();
    assert!(text.contains(from), "{from}");
    Scenario::parse("changed", &text.replacen(from, to, 1)).unwrap_err().to_string()
}

fn gateway(scenario: &Scenario) -> GatewayConfig {
    scenario
        .path
        .iter()
        .find_map(|station| match station {
            Station::Gateway(gateway) => Some(gateway.config(vec![EXTERNAL])),
            Station::Link(_) | Station::Balancer(_) => None,
        })
        .expect("a gateway on the path")
}

#[test]
fn a_product_is_set_to_what_it_takes() {
    let set = |timeout: &str| {
        let text = Scenario::text("incident").unwrap();
        let (from, to) = ("\"1800s\"", format!("\"{timeout}\""));
        assert!(text.contains(from));
        Scenario::parse("changed", &text.replacen(from, &to, 1)).map_err(|error| error.to_string())
    };
    for taken in ["1s", "1h", "4000s"] {
        set(taken).unwrap();
    }
    for refused in ["999ms", "4001s", "2h"] {
        let message = set(refused).unwrap_err();
        let why = "AWS Application Load Balancer takes `idle-timeout` from 1s to 4000s";
        assert!(message.starts_with("line 37, column 25: ") && message.contains(why), "{message}");
    }
}

#[test]
fn every_scenario_that_ships_can_be_read() {
    for name in Scenario::names() {
        let scenario = shipped(name);
        assert_eq!(scenario.name, name);
        for station in &scenario.path {
            if let Station::Gateway(gateway) = station {
                assert_eq!(gateway.config(vec![EXTERNAL]).check(), Ok(()), "{name}");
            }
        }
    }
}

#[test]
fn a_pool_may_be_bounded() {
    let text = Scenario::text("nat-resets-next-packet").unwrap();
    let bounded = |max: &str| {
        let pooled = format!("connections = \"pooled\"\nmax-connections = {max}");
        Scenario::parse("mine", &text.replace("connections = \"pooled\"", &pooled))
    };
    assert_eq!(bounded("2").unwrap().client.pool.max_connections, Some(2));
    assert!(bounded("0").unwrap_err().to_string().contains("0 is not from 1 to"));
}

#[test]
fn the_incident_is_ten_payments_every_twenty_minutes_through_a_nat_gateway() {
    let incident = shipped("incident");
    let Asks::Scheduler(scheduler) = &incident.client.asks else { panic!("{:?}", incident.client) };
    assert_eq!((&*scheduler.cron, scheduler.batch, scheduler.parallel), ("*/20 * * * *", 10, 1));
    let Pool { preset, idle_cap, .. } = incident.client.pool.clone();
    assert_eq!((preset.as_deref(), idle_cap), (Some("apache-httpclient-4"), None));
    let Answers::Payment(payment) = &incident.answers else { panic!("{:?}", incident.answers) };
    assert_eq!((payment.hosts, payment.keep_alive, payment.hint), (1, None, None));
    let Some(Station::Balancer(balancer)) = incident.path.last() else { panic!("no balancer") };
    assert_eq!(balancer.config.idle_timeout, Duration::from_mins(30));
    // Five days into 2024, at 08:59.
    let since_new_year = Duration::from_hours(5 * 24) + Duration::from_mins(8 * 60 + 59);
    assert_eq!(incident.starts_at, crate::tap::EPOCH + since_new_year);
    let idle = gateway(&incident).idle;
    assert_eq!(idle.timers.tcp_established, Some(Duration::from_secs(350)));
    assert_eq!(idle.on_orphan_inside, OnOrphan::Reset);
    assert_eq!((incident.expect.cause, incident.expect.failures), (Cause::IdleExpiry, 2));
}

#[test]
fn a_gateway_is_its_profile_with_changes() {
    let idle = gateway(&shipped("box-fins-at-expiry")).idle;
    assert_eq!(idle.timers.tcp_established, Some(Duration::from_secs(350)));
    assert_eq!(idle.timers.tcp_time_wait, Some(Duration::from_mins(2)));
    assert_eq!(idle.on_expiry, OnExpiry::Fin(Told::Inside));
    let changed = Scenario::text("incident").unwrap().replacen(
        "gateway.name = \"nat\"",
        "gateway.on-expiry = { reset = \"both\" }\ngateway.on-orphan.outside = \"reset\"\n\
         gateway.refresh.by-outside = false\ngateway.capacity = { flows = 9, when-full = \
         \"evict-idlest\" }\ngateway.per-destination = 3",
        1,
    );
    let config = gateway(&Scenario::parse("changed", &changed).unwrap());
    assert_eq!(config.idle.on_expiry, OnExpiry::Reset(Told::Both));
    assert_eq!(config.idle.on_orphan_outside, OnOrphan::Reset);
    assert!(!config.idle.refresh.by_outside);
    assert_eq!(config.idle.capacity.flows, 9);
    assert_eq!(config.translation.unwrap().per_destination, Some(3));
}

#[test]
fn what_a_scenario_sets_itself_needs_no_confirmation() {
    let unconfirmed = |scenario: &Scenario| -> Vec<String> {
        let facts = scenario.path.iter().flat_map(|station| match station {
            Station::Gateway(gateway) => gateway.unconfirmed.clone(),
            Station::Balancer(balancer) => balancer.unconfirmed.clone(),
            Station::Link(_) => Vec::new(),
        });
        facts.map(|fact| fact.key).collect()
    };
    let incident = Scenario::text("incident").unwrap();
    let assumed = unconfirmed(&Scenario::parse("incident", incident).unwrap());
    assert!(assumed.iter().any(|key| key == "on-orphan.outside"), "{assumed:?}");
    assert!(assumed.iter().all(|key| key != "timers.tcp-established"), "{assumed:?}");
    let set = "gateway.name = \"nat\"\ngateway.on-orphan.outside = \"drop\"";
    let changed = incident.replacen("gateway.name = \"nat\"", set, 1);
    let left = unconfirmed(&Scenario::parse("changed", &changed).unwrap());
    assert_eq!(left.len() + 1, assumed.len());
    assert!(left.iter().all(|key| key != "on-orphan.outside"), "{left:?}");
}

#[test]
fn a_run_has_so_many_requests_at_most_however_they_come_about() {
    for (from, to) in [
        ("requests = 3", "requests = 3\nretries = 4000000000"),
        ("requests = 3", "requests = 10000\nretries = 50"),
    ] {
        let message = message(from, to);
        assert!(message.contains("more than 1000000 requests"), "{message}");
    }
}

#[test]
fn a_disturbance_names_the_gateway_that_it_hits() {
    let flushed = shipped("table-flushed");
    let what = Happening::Flush { station: 1 };
    assert_eq!(flushed.disturbances, [Disturbance { at: Duration::from_secs(45), what }]);
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    assert!(
        message("connections = ", "conections = ")
            .starts_with("line 11, column 1: unknown field `conections`, expected one of `every`")
    );
    assert!(message("link.delay", "lnk.delay").contains("unknown variant `lnk`"));
    assert!(message("gateway.name", "gateway.nam").contains("unknown field `nam`"));
    assert!(message("link.delay", "link.dely").contains("unknown field `dely`"));
}

#[test]
fn a_bad_number_is_refused_where_it_stands() {
    assert!(
        message("requests = 3", "requests = 0").starts_with("line 10, column 12: 0 is not from")
    );
    assert!(message("requests = 3", "requests = -3").contains("integer `-3`"));
    assert!(message("requests = 3", "requests = 20000").contains("20000 is not from 1 to 10000"));
    assert!(message("\"200us\"", "\"200\"").contains("`200` is not a duration"));
    assert!(message("\"200us\"", "200").contains("expected a duration with its unit"));
    let lossy = "link.delay = \"200us\"\nlink.loss = \"800%\"";
    assert!(message("link.delay = \"200us\"", lossy).contains("`800%` is not a share"));
}

#[test]
fn a_missing_key_is_named() {
    assert!(message("run-for = \"90s\"\n", "").contains("missing field `run-for`"));
    assert!(message("harm = \"failed\"\n", "").contains("missing field `harm`"));
    assert!(message("bursts-at", "# bursts-at").contains("bursts need either `every`"));
}

#[test]
fn an_unknown_profile_is_told_which_there_are() {
    let message = message("aws-nat-gateway", "aws-nat");
    assert!(message.contains("there is no profile `aws-nat`, only aws-alb, "), "{message}");
}

#[test]
fn bursts_start_one_after_the_other_and_before_the_end() {
    assert!(message("\"35s\"", "\"25s\"").contains("later than the one before"));
    assert!(message("\"51s\"", "\"2min\"").contains("starts at 120s, when the run is over"));
    assert!(message("\"0s\", \"25s\", \"35s\", \"39s\", \"51s\"", "").contains("must be a burst"));
    assert!(message("bursts-at", "bursts = 2\nbursts-at").contains("bursts need either"));
}

#[test]
fn a_disturbance_is_one_thing_that_can_happen() {
    assert!(message("flush = \"nat\"", "flush = \"lb\"").contains("is called `lb`"));
    assert!(message("flush = \"nat\"\n", "").contains("either `flush` or `far-end`"));
    assert!(message("at = \"45s\"", "at = \"90s\"").contains("when the run is over"));
}

#[test]
fn what_is_for_pools_is_refused_without_one() {
    let per_request = "connections = \"per-request\"\nidle-cap = \"5s\"";
    assert!(message("connections = \"pooled\"", per_request).contains("`idle-cap` is for pooled"));
}

#[test]
fn an_expectation_does_not_contradict_itself() {
    assert!(message("cause = \"state-loss\"", "cause = \"none\"").contains("without a cause"));
    assert!(message("failures = 1", "failures = 0").contains("`harm` is `failed`"));
    assert!(message("cause = \"state-loss\"", "cause = \"gremlins\"").contains("`gremlins`"));
}

#[test]
fn stations_of_a_path_have_names_of_their_own() {
    let twice = "[[path]]\ngateway.profile = \"aws-nat-gateway\"\ngateway.name = \"nat\"\n\n\
                 [[disturbance]]";
    assert!(message("[[disturbance]]", twice).contains("two stations are called `nat`"));
    let twice = twice.replace("gateway", "balancer").replace("aws-nat-balancer", "aws-alb");
    assert!(message("[[disturbance]]", &twice).contains("two stations are called `nat`"));
}

/// Returns the balancer of the flushed table's scenario with these lines, or what is wrong.
fn balancer(lines: &str) -> Result<Balancer, String> {
    let text = Scenario::text("table-flushed").unwrap();
    let station = format!("[[path]]\n{lines}\n\n[[disturbance]]");
    let text = text.replacen("[[disturbance]]", &station, 1);
    let scenario = Scenario::parse("changed", &text).map_err(|error| error.to_string())?;
    match scenario.path.into_iter().next_back() {
        Some(Station::Balancer(balancer)) => Ok(*balancer),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_balancer_is_its_profile_with_changes() {
    let plain = balancer("balancer.profile = \"aws-alb\"").unwrap();
    assert_eq!((&*plain.name, &*plain.profile), ("aws-alb", "aws-alb"));
    assert_eq!(plain.config.idle_timeout, Duration::from_mins(1));
    assert_eq!(plain.unconfirmed.iter().filter(|fact| fact.key == "server").count(), 1);
    let changed = balancer(
        "balancer.profile = \"aws-alb\"\nbalancer.name = \"alb\"\n\
         balancer.idle-timeout = \"30min\"\nbalancer.client-keep-alive = \"2h\"\n\
         balancer.connect-timeout = \"1s\"\nbalancer.deregistration-delay = \"5s\"\n\
         balancer.routing = \"least-outstanding\"\nbalancer.none-healthy = \"refuse\"\n\
         balancer.health = { path = \"/health\", interval = \"10s\" }\nbalancer.connections = 9",
    );
    let config = changed.unwrap().config;
    assert_eq!(config.idle_timeout, Duration::from_mins(30));
    assert_eq!(config.client_keep_alive, Some(Duration::from_hours(2)));
    assert_eq!(config.routing, Routing::LeastOutstanding);
    assert_eq!(config.none_healthy, NoneHealthy::Refuse);
    assert_eq!(config.connections_max, 9);
    let health = config.health.unwrap();
    assert_eq!((&*health.path, health.interval), ("/health", Duration::from_secs(10)));
    assert_eq!(health.timeout, Duration::from_secs(5), "the profile's");
    let unchecked = "balancer.profile = \"aws-alb\"\nbalancer.health-checks = false";
    assert_eq!(balancer(unchecked).unwrap().config.health, None);
}

#[test]
fn a_balancer_that_cannot_be_made_is_an_error_where_it_stands() {
    let wrong =
        |lines: &str| balancer(&format!("balancer.profile = \"aws-alb\"\n{lines}")).unwrap_err();
    assert!(wrong("balancer.idle-timeout = \"0s\"").contains("must be longer than zero"));
    assert!(wrong("balancer.idle-timeout = 60").contains("a duration with its unit"));
    assert!(wrong("balancer.health.timeout = \"1h\"").contains("shorter than its interval"));
    assert!(wrong("balancer.health.path = \"\"").contains("characters out of place"));
    assert!(wrong("balancer.connections = 0").contains("0 is not from 1 to 1048576"));
    assert!(wrong("balancer.routing = \"random\"").contains("`random`"));
    let both = "balancer.health.path = \"/\"\nbalancer.health-checks = false";
    assert!(wrong(both).contains("`health` says how to check"));
    let gateway = balancer("balancer.profile = \"aws-nlb\"").unwrap_err();
    assert!(gateway.contains("use `gateway.profile`"), "{gateway}");
    assert!(message("aws-nat-gateway", "aws-alb").contains("use `balancer.profile`"));
}

#[test]
fn hostile_text_is_an_error_and_no_more() {
    let nested = "a = ".to_owned() + &"[".repeat(100_000);
    for text in ["", "\0", "[", "title = 1", "\u{feff}x", nested.as_str()] {
        assert!(Scenario::parse("hostile", text).is_err());
    }
}

#[test]
fn a_link_may_be_slow_and_lossy() {
    let text = Scenario::text("packet-loss").unwrap().replacen(
        "link.loss = \"8%\"",
        "link.loss = \"8%\"\nlink.reordering = \"1%\"\nlink.held-back = \"5ms\"\n\
         link.bandwidth = { bits-per-second = 1_000_000, queue = 65536 }",
        1,
    );
    let scenario = Scenario::parse("changed", &text).unwrap();
    let Station::Link(link) = scenario.path[0] else { panic!("{:?}", scenario.path[0]) };
    assert_eq!(link.delay, Duration::from_millis(10));
    assert!((link.loss - 0.08).abs() < 1e-12, "{}", link.loss);
    assert_eq!(link.held_back, Duration::from_millis(5));
    assert_eq!(link.bandwidth.map(|bandwidth| bandwidth.queue), Some(65_536));
}

/// Returns the message about the incident's text after `change` is made to it.
fn incident(from: &str, to: &str) -> String {
    let text = Scenario::text("incident").unwrap();
    assert!(text.contains(from), "{from}");
    Scenario::parse("changed", &text.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_scheduler_decides_what_is_asked_and_asks_a_payment_module() {
    let both = incident("read-timeout", "requests = 10\nread-timeout");
    assert!(both.contains("`requests` is the scheduler's to decide"), "{both}");
    let other = incident("[payment]", "[far-end]");
    assert!(other.contains("a scheduler asks a `[payment]` module"), "{other}");
    let nobody = incident("[payment]\nanswers-after = \"20ms\"", "");
    assert!(nobody.contains("missing section `[payment]`"), "{nobody}");
    let bursts = message("[far-end]", "[payment]\nanswers-after = \"1ms\"\n\n[far-end]");
    assert!(bursts.contains("`[far-end]` answers nobody else"), "{bursts}");
}

#[test]
fn what_the_cast_is_asked_for_is_bounded() {
    let many = incident("subscriptions = 10", "subscriptions = 10001");
    assert!(many.contains("10001 is not from 1 to 10000"), "{many}");
    let nobody = incident("answers-after", "hosts = 0\nanswers-after");
    assert!(nobody.contains("0 is not from 1 to 100"), "{nobody}");
    let moment = incident("2024-01-06 08:59:00", "2024-01-06");
    assert!(moment.contains("such as `2024-01-06 09:00:00`"), "{moment}");
    let preset = incident("apache-httpclient-4", "apache");
    assert!(preset.contains("there is no client `apache`, only "), "{preset}");
}
