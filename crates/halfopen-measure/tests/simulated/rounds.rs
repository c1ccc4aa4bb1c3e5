//! Several rounds, several boxes, and what a pool takes from it.

use halfopen_core::cause::Mechanism;
use halfopen_core::idle::{OnExpiry, OnOrphan, Refresh};
use halfopen_core::tcp::Keepalive;
use halfopen_core::time::Duration;
use halfopen_measure::answer::{Class, Outcome};
use halfopen_measure::known::Known;
use halfopen_measure::plan::Plan;
use halfopen_measure::settings::Settings;
use halfopen_pool::idle::Clock;
use halfopen_pool::ledger::{Ledger, LedgerConfig};
use halfopen_pool::name::PathName;

use crate::scene::{Middle, Scene};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn silent(limit: Duration) -> Middle {
    Middle::forgetting(limit, OnExpiry::Silent, OnOrphan::Drop)
}

#[test]
fn what_is_known_shortens_the_next_round() {
    let truth = Duration::from_millis(300_420);
    let path = Scene::new(vec![silent(truth)]);
    let known = Known { survived: Some(secs(250)), died: Some(secs(330)) };
    let known = Known::parse(&known.to_text()).unwrap();
    let settings = Settings { connections_max: 150, ..Settings::default() };
    let run = path.carry_out(Plan::resume(settings, &known).unwrap(), 0);
    let Outcome::Limit(limit) = &run.finding.outcome else { panic!("{:?}", run.finding) };
    assert!(limit.survived < truth && truth <= limit.died, "{limit:?}");
    assert!(limit.died <= limit.survived + secs(1), "{limit:?}");
}

#[test]
fn of_two_boxes_the_stricter_is_found() {
    let far = Middle {
        translates: false,
        ..Middle::forgetting(secs(30), OnExpiry::Silent, OnOrphan::Reset)
    };
    let run = Scene::new(vec![silent(secs(60)), far]).measure(Settings::default());
    let Outcome::Limit(limit) = &run.finding.outcome else { panic!("{:?}", run.finding) };
    assert!(limit.survived < secs(30) && secs(30) <= limit.died, "{limit:?}");
    assert_eq!(limit.mechanism, Mechanism::ResetOnReuse);
}

#[test]
fn a_box_that_counts_data_is_told_from_one_that_counts_packets() {
    let refresh = Refresh { by_outside: true, by_empty_segments: false };
    for (middle, class) in
        [(silent(secs(30)), Class::Packets), (Middle { refresh, ..silent(secs(30)) }, Class::Data)]
    {
        let run = Scene::new(vec![middle]).measure(Settings::default());
        assert_eq!(run.finding.class, class, "{:?}", run.finding.outcome);
    }
}

#[test]
fn a_far_end_that_probes_hides_the_limit_and_nothing_is_accused() {
    let mut path = Scene::new(vec![silent(secs(30))]);
    path.server.probes = Some(Keepalive { idle: secs(10), interval: secs(10), count: 9 });
    let run = path.measure(Settings { up_to: secs(120), ..Settings::default() });
    assert!(matches!(run.finding.outcome, Outcome::AtLeast { .. }), "{:?}", run.finding.outcome);
}

#[test]
fn a_pool_that_is_taught_keeps_below_the_limit() {
    let path = PathName::to("http://server");
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    for on_expiry in [OnExpiry::Silent, OnExpiry::Fin(halfopen_core::idle::Told::Both)] {
        let middle = Middle::forgetting(secs(60), on_expiry, OnOrphan::Drop);
        let run = Scene::new(vec![middle]).measure(Settings::default());
        let mut ledger = Ledger::new(LedgerConfig::default());
        run.finding.teach(now, &path, &mut ledger);
        let text = ledger.to_text();
        let ledger = Ledger::parse(&text, now, LedgerConfig::default()).unwrap();
        let cap = ledger.cap(now, &path).strictest();
        assert!(cap.is_some_and(|cap| secs(50) < cap && cap < secs(60)), "{cap:?} of {text}");
        assert!(ledger.bracket(&path, Clock::Packets).survived().is_some(), "{text}");
    }
}
