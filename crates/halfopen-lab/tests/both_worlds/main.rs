//! Every scenario that ships, in virtual time and on real packets: the same happens.
//!
//! Sped up so that a run takes half a minute, all of them run at once, each in networks of its
//! own. What is compared, and what two worlds cannot have in common, is said in `story`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "it says how late things were")]

#[path = "../../../halfopen-live/tests/contained/owner.rs"]
mod owner;
mod story;

use core::fmt::Write as _;
use core::ops::ControlFlow;
use std::thread;

use halfopen_core::scenario::Scenario;
use halfopen_core::speed::Speed;
use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::live::{Gateways, Lab};
use halfopen_lab::reproduce::{Reproduction, reproduce};

use owner::as_owner;
use story::{Depth, Story};

/// A run whose path or whose client was so late is no run to compare: a timer is a hundred times
/// shorter than in the scenario, and the machine's naps are not. A tick that comes while the
/// scheduler is not up yet is none.
const DELAY_MAX: Duration = Duration::from_millis(500);
/// How often a run may have been disturbed like that.
const ATTEMPTS: u32 = 3;

/// A scenario on real packets.
struct Played {
    scenario: Scenario,
    run: Reproduction,
    /// How late the path was told of what was due, at most.
    delay: Duration,
    /// How many packets the kernel treated in another way than we would have.
    differing: u64,
}

/// Returns a scenario that is so much faster that it takes about half a minute.
fn fast(scenario: &Scenario) -> Scenario {
    let half_minutes = u32::try_from(scenario.length.as_secs().div_ceil(30)).unwrap();
    scenario.sped_up(Speed::new(half_minutes).unwrap()).unwrap()
}

fn play(scenario: Scenario, gateways: Gateways) -> Played {
    let simulated = reproduce(&scenario, scenario.seed).unwrap();
    let mut attempt = 1;
    loop {
        let captures = [Vec::new(), Vec::new()];
        let mut lab = Lab::start(&scenario, scenario.seed, gateways, captures).unwrap();
        lab.ask(&scenario).unwrap();
        let end = Instant::EPOCH + scenario.length;
        lab.run(Some(end), |_, _| ControlFlow::Continue(()));
        let live = lab.finish().unwrap();
        let delay = live.delays.quantile(1.0);
        let late = delay.max(story::lag(&live.run, &simulated));
        // The chance of a loss is another in each world, and so is when what follows begins.
        let is_by_chance = Depth::of(&scenario.name) == Depth::Kinds;
        if late <= DELAY_MAX || is_by_chance || attempt == ATTEMPTS {
            return Played { scenario, run: live.run, delay, differing: live.differing };
        }
        attempt += 1;
    }
}

/// Returns what is not the same, and how late things were.
fn differences(played: &Played, simulated: &Scenario) -> (Vec<String>, String) {
    let other = reproduce(simulated, simulated.seed).unwrap();
    let depth = Depth::of(&played.scenario.name);
    let lag = story::lag(&played.run, &other);
    let tolerance = Duration::from_millis(100) + 2 * played.delay.max(lag);
    let length = played.scenario.length;
    let (live, simulated) = (Story::of(&played.run, length), Story::of(&other, length));
    let lateness = format!("path told late by {:?}, client late by {lag:?}", played.delay);
    (live.differences(&simulated, depth, tolerance), lateness)
}

#[test]
fn every_scenario_has_the_same_events_in_both_worlds() {
    as_owner(|| {
        let played: Vec<Played> = thread::scope(|scope| {
            let runs: Vec<_> = Scenario::names()
                .map(|name| fast(&Scenario::shipped(name).unwrap()))
                .map(|scenario| scope.spawn(move || play(scenario, Gateways::Own)))
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let mut wrong = String::new();
        for played in &played {
            let Scenario { name, speed, .. } = &played.scenario;
            let (differences, lateness) = differences(played, &played.scenario);
            println!("{name}, {} times faster: {lateness}", speed.get());
            for difference in differences {
                let _ = writeln!(wrong, "{name}, {} times faster: {difference}", speed.get());
            }
        }
        assert!(wrong.is_empty(), "the worlds differ:\n{wrong}");
        a_gateway_that_forgets_sooner_is_noticed(&played);
    });
}

/// Netfilter's timers are in jiffies, those of its witness in nanoseconds.
#[test]
fn the_same_happens_when_the_kernel_is_the_gateway() {
    as_owner(|| {
        let names = ["incident", "nat-resets-next-packet", "firewall-drops-silently", "two-boxes"];
        let played: Vec<Played> = thread::scope(|scope| {
            let runs = names.map(|name| {
                let scenario = fast(&Scenario::shipped(name).unwrap());
                let scenario = Gateways::Kernel.nearest(&scenario).unwrap();
                scope.spawn(move || play(scenario, Gateways::Kernel))
            });
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        for played in &played {
            let (differences, lateness) = differences(played, &played.scenario);
            println!("{} through netfilter: {lateness}", played.scenario.name);
            assert_eq!(differences, [""; 0], "{}", played.scenario.name);
            assert_eq!(played.differing, 0, "{}", played.scenario.name);
        }
    });
}

/// The scenario whose gateway is changed, to see that it is noticed.
const CHANGED: &str = "nat-resets-next-packet";

/// Returns the scenario, sped up, with a gateway that forgets after so long.
fn forgetting_after(limit: &str) -> Scenario {
    let name = "gateway.name = \"nat\"";
    let text = Scenario::text(CHANGED).unwrap();
    let text = text.replace(name, &format!("{name}\ngateway.timers.tcp-established = \"{limit}\""));
    fast(&Scenario::parse(CHANGED, &text).unwrap())
}

fn a_gateway_that_forgets_sooner_is_noticed(played: &[Played]) {
    let played = played.iter().find(|it| it.scenario.name == CHANGED).unwrap();
    let (differences, _) = differences(played, &forgetting_after("200s"));
    assert!(
        differences.iter().any(|difference| difference.contains("forgot")),
        "a pause of 300 s was survived, and that went unnoticed: {differences:?}"
    );
}

#[test]
fn what_happens_at_another_time_is_not_the_same() {
    let story = |limit| {
        let scenario = forgetting_after(limit);
        Story::of(&reproduce(&scenario, scenario.seed).unwrap(), scenario.length)
    };
    let tolerance = Duration::from_millis(500);
    let whole = story("350s");
    assert_eq!(whole.differences(&story("350s"), Depth::Whole, tolerance), [""; 0]);
    let differences = whole.differences(&story("320s"), Depth::Whole, tolerance);
    assert!(
        !differences.is_empty() && differences.iter().all(|it| it.contains("apart")),
        "{differences:?}"
    );
}

/// The balancer's FIN comes 180 s after the last run, the gateway forgets 350 s later, and the
/// scenario is over 10 s after that: a client that is late by a tenth of a second, a hundred times
/// faster, sees it end before.
#[test]
fn what_comes_just_before_the_end_may_be_too_late_in_one_world_only() {
    let scenario = fast(&Scenario::shipped("incident-balancer-180").unwrap());
    let whole = reproduce(&scenario, scenario.seed).unwrap();
    let mut cut = reproduce(&scenario, scenario.seed).unwrap();
    let last = cut.events.pop().unwrap();
    let left = (Instant::EPOCH + scenario.length).saturating_since(last.at);
    let [whole, cut] = [whole, cut].map(|run| Story::of(&run, scenario.length));
    let differences = |tolerance| cut.differences(&whole, Depth::Whole, tolerance);
    assert_eq!(differences(left), [""; 0]);
    assert_eq!(differences(left.saturating_sub(Duration::from_millis(1))).len(), 1);
}
