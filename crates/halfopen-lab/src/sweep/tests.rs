use std::io::ErrorKind;

use halfopen_core::scenario::Scenario;
use halfopen_core::time::Duration;

use super::series::{Answer, Fate, Lane, Reopened};
use super::words::Kind;
use super::{Band, Error, Plan, Sweep, glance, sweep};
use crate::reproduce::Outcome;

const RESET: Outcome = Outcome::Broken(ErrorKind::ConnectionReset);

fn lane(name: &str) -> Lane {
    Lane::of(&Scenario::shipped(name).unwrap()).unwrap()
}

fn fates(sweep: &Sweep) -> Vec<Fate> {
    sweep.bands.iter().map(|band| band.answer.fate).collect()
}

#[test]
fn behind_the_incidents_gateway_a_pause_of_350_seconds_is_the_first_that_fails() {
    let sweep = sweep(&lane("incident"), &Plan::DEFAULT).unwrap();
    assert_eq!(fates(&sweep), [Fate::Reused, Fate::Failed(RESET)], "{sweep:#?}");
    let Band { from, .. } = sweep.bands[1];
    assert_eq!(from.as_secs(), 350);
    assert!(from.abs_diff(sweep.bands[0].to) <= Duration::from_millis(1));
    assert!(sweep.runs < 100, "{}", sweep.runs);
}

#[test]
fn with_a_balancer_of_180_seconds_all_that_can_fail_is_the_race_with_its_fin() {
    let sweep = sweep(&lane("incident-balancer-180"), &Plan::DEFAULT).unwrap();
    let last = sweep.bands.last().unwrap();
    assert_eq!(last.answer.fate, Fate::Reopened(Reopened::AfterFin));
    let failing = sweep.bands.iter().filter(|band| band.answer.fate.is_failure());
    for Band { from, to, .. } in failing {
        assert_eq!(from.as_secs(), 179, "{sweep:#?}");
        assert!(to.abs_diff(*from) < Duration::from_millis(2), "{sweep:#?}");
    }
}

#[test]
fn a_pause_that_spans_a_flush_meets_a_table_that_has_forgotten() {
    let plan = Plan { up_to: Duration::from_mins(5), ..Plan::DEFAULT };
    let sweep = sweep(&lane("table-flushed"), &plan).unwrap();
    // The pause begins when the first request is answered. What is under way at the flush arrives,
    // and its answer does not.
    assert_eq!(fates(&sweep), [Fate::Reused, Fate::Failed(RESET), Fate::Failed(RESET)]);
    let flushed = Duration::from_secs(45);
    let spans = sweep.bands[1].from.abs_diff(flushed) < Duration::from_millis(100);
    assert!(spans && sweep.bands[1].answer.received == 1, "{sweep:#?}");
    assert_eq!(sweep.bands[2].answer.received, 0, "{sweep:#?}");
}

#[test]
fn few_runs_say_the_same_as_many() {
    for name in ["incident", "firewall-drops-silently", "box-fins-at-expiry", "pool-cap-saves"] {
        let lane = lane(name);
        let many = sweep(&lane, &Plan::DEFAULT).unwrap();
        let few = glance(&lane, Plan::DEFAULT.up_to).unwrap();
        assert_eq!(fates(&few), fates(&many), "{name}");
        assert!(few.runs < many.runs / 2, "{name}: {} of {}", few.runs, many.runs);
    }
}

#[test]
fn what_is_resent_after_a_swallowed_request_took_as_long_as_the_patience_lasts() {
    let lane = lane("firewall-drops-silently").asking("GET");
    let series = lane.run(&[Duration::from_hours(1)]).unwrap();
    let answer = series.answers[0];
    assert_eq!(answer.kind(), Kind::Hangs, "{answer}");
    assert!(answer.took >= Duration::from_secs(1), "{answer}");
}

#[test]
fn steps_that_are_too_small_are_refused() {
    let plan = Plan { step: Some(Duration::from_millis(1)), ..Plan::DEFAULT };
    assert!(matches!(sweep(&lane("incident"), &plan), Err(Error::TooManyRuns)));
}

#[test]
fn an_answer_says_whether_the_far_end_got_the_request() {
    let took = Duration::from_millis(40);
    let say = |fate, received| Answer { fate, took, received }.to_string();
    assert_eq!(say(Fate::Failed(RESET), 0), "fails: connection reset");
    assert_eq!(say(Fate::Failed(RESET), 1), "fails: connection reset; received all the same");
    assert_eq!(say(Fate::Resent(RESET), 1), "resent: connection reset");
    assert_eq!(say(Fate::Resent(RESET), 2), "resent: connection reset; received 2 times");
    assert_eq!(Answer { fate: Fate::Resent(RESET), took, received: 2 }.kind(), Kind::Doubled);
}
