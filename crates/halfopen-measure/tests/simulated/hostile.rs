//! Far ends and paths that could be taken for what they are not.

use halfopen_core::idle::{Capacity, OnExpiry, OnOrphan, WhenFull};
use halfopen_core::time::Duration;
use halfopen_measure::answer::{Because, Failure, Outcome, Remark};
use halfopen_measure::settings::Settings;

use crate::scene::{Middle, Run, Scene};
use crate::server::Manner;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn scene(manner: Manner) -> Scene {
    let silent = Middle::forgetting(secs(40), OnExpiry::Silent, OnOrphan::Drop);
    let mut scene = Scene::new(vec![silent]);
    scene.server.manner = manner;
    scene
}

#[track_caller]
fn because(run: &Run) -> &Because {
    match &run.finding.outcome {
        Outcome::Inconclusive { because, .. } => because,
        other @ (Outcome::Limit(_) | Outcome::AtLeast { .. }) => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_found(run: &Run, truth: Duration) {
    let Outcome::Limit(limit) = &run.finding.outcome else { panic!("{:?}", run.finding.outcome) };
    assert!(limit.survived < truth && truth <= limit.died, "{truth:?} is not in {limit:?}");
}

#[test]
fn a_far_end_that_cannot_be_asked_is_said_to_be_so_at_once() {
    for (manner, failure) in [
        (Manner::Absent, Failure::Refused),
        (Manner::Resets, Failure::Reset),
        (Manner::ClosesAfter, Failure::ClosesAfterAnswer),
    ] {
        let run = scene(manner).measure(Settings::default());
        assert_eq!(because(&run), &Because::CannotAsk(failure));
        assert!(run.finding.effort.opened < 20, "{manner:?}: {:?}", run.finding.effort);
    }
    let run = scene(Manner::Foreign).measure(Settings::default());
    assert!(matches!(because(&run), Because::CannotAsk(Failure::Foreign(_))), "{run:?}");
}

#[test]
fn a_server_that_takes_few_connections_is_said_to_do_so_and_nothing_is_made_up() {
    let run = scene(Manner::Limits(60)).measure(Settings::default());
    let no_more = |it: &Remark| matches!(it, Remark::NoMore { .. });
    assert!(run.finding.remarks.iter().any(no_more), "{:?}", run.finding);
    // Those that the path forgot the server still has, so that there is no second round.
    assert!(matches!(because(&run), Because::TooFew { .. }), "{:?}", run.finding);
    let Outcome::Inconclusive { survived, .. } = run.finding.outcome else { unreachable!() };
    assert!(survived.is_some_and(|survived| secs(30) < survived && survived < secs(40)));
}

#[test]
fn an_answer_that_takes_longer_than_patience_is_no_death() {
    let run = scene(Manner::Slow(secs(8))).measure(Settings::default());
    assert_found(&run, secs(40));
    let slow = |remark: &Remark| matches!(remark, Remark::Slow { .. });
    assert!(run.finding.remarks.iter().any(slow), "{:?}", run.finding.remarks);
}

#[test]
fn a_table_that_is_flushed_or_a_server_that_restarts_is_no_timer() {
    let mut flushed = scene(Manner::Answers);
    flushed.flushes = vec![secs(17)];
    let mut restarted = scene(Manner::Answers);
    restarted.server.restarts = Some(secs(17));
    for scene in [flushed, restarted] {
        let run = scene.measure(Settings::default());
        assert_found(&run, secs(40));
        let restart = |remark: &Remark| matches!(remark, Remark::Restart { .. });
        assert!(run.finding.remarks.iter().any(restart), "{:?}", run.finding.remarks);
    }
}

#[test]
fn a_path_that_is_flushed_again_and_again_is_not_accused_of_a_timer() {
    let mut scene = scene(Manner::Answers);
    scene.flushes = (1..200).map(|number| secs(12 * number)).collect();
    let run = scene.measure(Settings::default());
    assert!(matches!(because(&run), Because::Restarted { .. }), "{:?}", run.finding.outcome);
}

#[test]
fn a_full_table_is_no_timer() {
    for flows in [20, 50, 100, 200, 400] {
        let room = Capacity { flows, when_full: WhenFull::EvictIdlest, forgotten: 0 };
        for on_orphan in [OnOrphan::Drop, OnOrphan::Reset] {
            let silent = Middle::forgetting(secs(3_000), OnExpiry::Silent, on_orphan);
            let path = Scene::new(vec![Middle { capacity: room, ..silent }]);
            let run = path.measure(Settings::default());
            if let Outcome::Limit(limit) = &run.finding.outcome {
                let truth = secs(3_000);
                assert!(limit.survived < truth && truth <= limit.died, "{flows}: {limit:?}");
                continue;
            }
            assert!(matches!(because(&run), Because::Evicted { .. }), "{flows}: {:?}", run.finding);
        }
    }
}

#[test]
fn nothing_is_accused_where_nothing_dies() {
    let endless =
        Middle { limit: None, ..Middle::forgetting(secs(1), OnExpiry::Silent, OnOrphan::Drop) };
    let mut path = Scene::new(vec![endless]);
    path.loss = 0.05;
    let settings = Settings { up_to: secs(600), ..Settings::default() };
    let run = path.measure(settings);
    let Outcome::AtLeast { survived } = run.finding.outcome else { panic!("{:?}", run.finding) };
    assert!(survived > secs(598), "{survived:?}");
}
