//! Paths with one limit, and what is found of it.

use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::idle::{OnExpiry, OnOrphan, Told};
use halfopen_core::time::Duration;
use halfopen_measure::answer::{Class, Limit, Outcome};
use halfopen_measure::settings::Settings;

use crate::scene::{Middle, Run, Scene};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Returns the limit that is found, which must contain the truth.
#[track_caller]
fn limit(run: &Run, truth: Duration) -> Limit {
    let Outcome::Limit(limit) = &run.finding.outcome else {
        panic!("no limit in {:?} of {:?}", run.finding.outcome, run.finding.samples)
    };
    assert!(limit.survived < truth && truth <= limit.died, "{truth:?} is not in {limit:?}");
    assert!(limit.died <= limit.survived + secs(1), "{limit:?}");
    limit.clone()
}

#[test]
fn a_silent_gateway_is_found_out_in_little_more_than_its_limit() {
    let truth = Duration::from_millis(60_370);
    let silent = Middle::forgetting(truth, OnExpiry::Silent, OnOrphan::Drop);
    let run = Scene::new(vec![silent]).measure(Settings::default());
    let limit = limit(&run, truth);
    assert_eq!((limit.mechanism, limit.closer), (Mechanism::SilentDrop, Culprit::Hop));
    assert_eq!(run.finding.class, Class::Packets);
    assert!(run.finding.effort.took <= secs(70), "{:?}", run.finding.effort);
    assert!(run.bytes <= 1 << 20, "{} bytes in {} packets", run.bytes, run.packets);
}

#[test]
fn each_way_of_forgetting_has_its_name() {
    let truth = Duration::from_millis(23_810);
    for (on_expiry, on_orphan, mechanism) in [
        (OnExpiry::Silent, OnOrphan::Reset, Mechanism::ResetOnReuse),
        (OnExpiry::Silent, OnOrphan::Unreachable, Mechanism::SilentDrop),
        (OnExpiry::Reset(Told::Both), OnOrphan::Drop, Mechanism::ResetAtExpiry),
        (OnExpiry::Reset(Told::Outside), OnOrphan::Reset, Mechanism::ResetOnReuse),
        (OnExpiry::Fin(Told::Both), OnOrphan::Drop, Mechanism::FinAtExpiry),
        (OnExpiry::Fin(Told::Inside), OnOrphan::Reset, Mechanism::FinAtExpiry),
    ] {
        let path = Scene::new(vec![Middle::forgetting(truth, on_expiry, on_orphan)]);
        let run = path.measure(Settings::default());
        let limit = limit(&run, truth);
        assert_eq!(limit.mechanism, mechanism, "{on_expiry:?} {on_orphan:?}");
        assert_ne!(limit.closer, Culprit::Peer, "{on_expiry:?} {on_orphan:?}");
    }
}

#[test]
fn the_far_ends_own_timer_is_its_own_and_the_paths_is_at_least_that() {
    let mut path = Scene::new(vec![Middle::forgetting(secs(90), OnExpiry::Silent, OnOrphan::Drop)]);
    path.server.keeps = Some(secs(30));
    let run = path.measure(Settings::default());
    let limit = limit(&run, secs(30));
    assert_eq!((limit.mechanism, limit.closer), (Mechanism::FinAtExpiry, Culprit::Peer));
    assert_eq!(run.finding.class, Class::Data);
}
