//! Runs, and what becomes of their charges.

use std::sync::atomic::Ordering;

use halfopen_billing::payment::settings::{Ending as Digits, Slowness};
use halfopen_billing::scheduler::Ending;
use halfopen_billing::storage::{Error, Scope};
use halfopen_billing::subscription::Outcome;

use super::*;

#[test]
fn every_tick_charges_what_is_due() {
    let mut scene = Scene::new(|_| ());
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    scene.subscribe(&ids, "every 20m", 20 * MINUTE);
    let scheduler = scene.scheduler("*/20 * * * *", |_| ());
    let reports = runs(scene.run_for(&scheduler, 61 * MINUTE));

    let counts: Vec<_> = reports.iter().map(|run| (run.scope, run.due, run.paid())).collect();
    let (open, due) = ((Scope::Open, 0, 0), (Scope::Due, 10, 10));
    assert_eq!(counts, [open, due, due, due]);
    assert_eq!(reports[1].began, epoch() + 20 * MINUTE);
    assert!(reports.iter().all(|run| run.ending == Ending::Done));
    let keys: Vec<String> =
        ids.iter().flat_map(|id| (0..3).map(move |period| format!("{id}:{period}"))).collect();
    scene.assert_paid_once(&keys.iter().map(String::as_str).collect::<Vec<_>>(), "");
}

#[test]
fn one_charge_goes_ahead_and_the_others_are_made_in_parallel() {
    let mut scene = Scene::new(|settings| settings.work = Slowness::always(MINUTE / 60));
    scene.subscribe(&["a", "b", "c", "d", "e"], "monthly", MINUTE);
    let scheduler = scene.scheduler("* * * * *", |config| config.parallel = 2);
    let reports = runs(scene.run_for(&scheduler, MINUTE + MINUTE / 2));
    assert_eq!(reports[1].paid(), 5);
    let took = reports[1].took.as_millis();
    assert!((3000..3100).contains(&took), "one, two and two, a second each: {took} ms");
}

#[test]
fn the_one_that_goes_ahead_meets_all_connections_that_the_path_has_forgotten() {
    let mut scene = Scene::new(|_| ());
    scene.subscribe(&["a", "b", "c"], "monthly", MINUTE);
    scene.silent.store(6, Ordering::Relaxed);
    let scheduler = scene.scheduler("* * * * *", |config| config.parallel = 3);
    let reports = runs(scene.run_for(&scheduler, 5 * MINUTE));
    assert_eq!((reports[1].due, reports[1].paid()), (3, 3));
    let took: Vec<u64> = reports[1].charges.iter().map(|it| it.took.as_secs()).collect();
    assert_eq!(took, [180, 0, 0], "six times the patience of 30 s, longer than the lease");
    scene.assert_paid_once(&["a:2026-01", "b:2026-01", "c:2026-01"], "");
}

#[test]
fn where_nobody_answers_the_others_are_asked_for_all_the_same() {
    let mut scene = Scene::new(|_| ());
    scene.subscribe(&["a", "b"], "monthly", MINUTE);
    scene.silent.store(3, Ordering::Relaxed);
    let scheduler = scene.scheduler("* * * * *", |_| ());
    let reports = runs(scene.run_for(&scheduler, 3 * MINUTE));
    assert_eq!((reports[1].due, reports[1].paid(), reports[1].unknown()), (2, 1, 1));
    let Outcome::Unknown { reason } = &reports[1].charges[0].outcome else { panic!("{reports:?}") };
    assert_eq!(reason, "no answer within 30s");
}

#[test]
fn a_declined_card_is_refused_and_not_asked_again() {
    let mut scene = Scene::new(|settings| settings.declines = Some(Digits(90)));
    scene.subscribe(&["a"], "monthly", MINUTE);
    let scheduler = scene.scheduler("* * * * *", |_| ());
    let reports = runs(scene.run_for(&scheduler, 20 * MINUTE));
    assert_eq!(reports.iter().map(|run| run.charges.len()).sum::<usize>(), 1);
    let state = &scene.ledger()["a:2026-01"];
    assert!(matches!(state, State::Refused { reason, .. } if reason.contains("declined")));
    assert!(scene.charged().is_empty());
}

#[test]
fn what_cannot_be_delivered_is_asked_for_again_after_pauses_that_double() {
    let mut scene = Scene::new(|_| ());
    scene.subscribe(&["a"], "monthly", MINUTE);
    scene.server.kill();
    let scheduler = scene.scheduler("* * * * *", |_| ());
    let reports = runs(scene.run_for(&scheduler, 20 * MINUTE));
    let asked: Vec<i64> = (reports.iter().flat_map(|run| &run.charges))
        .map(|answered| {
            let Outcome::Unknown { reason } = &answered.outcome else { panic!("{answered:?}") };
            assert!(reason.contains("refused"), "{reason}");
            answered.asked.duration_since(epoch()).as_mins()
        })
        .collect();
    assert!(asked[0] == 1 && asked.len() >= 5, "{asked:?}");
    for (pause, asked) in (0..).map(|doubled| 1 << doubled).zip(asked.windows(2)) {
        let waited = asked[1] - asked[0];
        assert!((pause / 2..=pause).contains(&waited), "{waited} min, not {pause}");
    }

    scene.serve();
    let scheduler = scene.scheduler("* * * * *", |_| ());
    scene.run_for(&scheduler, 13 * MINUTE);
    scene.assert_paid_once(&["a:2026-01"], "");
}

#[test]
fn a_lost_answer_is_asked_for_again_and_charges_nothing_twice() {
    let late = Slowness::always(MINUTE);
    let mut scene = Scene::new(|settings| settings.answer = late);
    scene.subscribe(&["a"], "monthly", MINUTE);
    let scheduler = scene.scheduler("*/5 * * * *", |_| ());
    let reports = runs(scene.run_for(&scheduler, 7 * MINUTE));
    let Outcome::Unknown { reason } = &reports[1].charges[0].outcome else { panic!("{reports:?}") };
    assert_eq!(reason, "no answer within 30s");
    assert_eq!(scene.charged()["a:2026-01"], 1, "the money was taken all the same");

    let patient = scene.scheduler("*/5 * * * *", |config| config.patience = 100 * MINUTE / 60);
    scene.run_for(&patient, 10 * MINUTE);
    scene.assert_paid_once(&["a:2026-01"], "");
}

#[test]
fn a_run_makes_so_many_charges_and_the_next_goes_on_with_what_is_due_for_longest() {
    let mut scene = Scene::new(|_| ());
    scene.subscribe(&["late"], "monthly", MINUTE);
    scene.subscribe(&["first", "second"], "monthly", MINUTE / 2);
    let scheduler = scene.scheduler("* * * * *", |config| config.batch = 2);
    let reports = runs(scene.run_for(&scheduler, 3 * MINUTE + MINUTE / 2));
    let made: Vec<(Ending, Vec<&str>)> = (reports.iter().skip(1))
        .map(|run| {
            let ids = run.charges.iter().map(|made| made.charge.subscription.as_str()).collect();
            (run.ending.clone(), ids)
        })
        .collect();
    let full = (Ending::Full, vec!["first", "second"]);
    assert_eq!(made, [full, (Ending::Done, vec!["late"]), (Ending::Done, vec![])]);
}

#[test]
fn a_tick_during_a_run_is_skipped_and_reported() {
    let slow = Slowness::always(150 * MINUTE / 60);
    let mut scene = Scene::new(|settings| settings.work = slow);
    scene.subscribe(&["a"], "monthly", MINUTE);
    let scheduler = scene.scheduler("* * * * *", |config| {
        (config.patience, config.lease) = (5 * MINUTE, 10 * MINUTE);
    });
    let events = scene.run_for(&scheduler, 5 * MINUTE + MINUTE / 2);
    let told: Vec<String> = (events.iter())
        .map(|event| match event {
            Event::Ran(run) => format!("ran {}", run.charges.len()),
            Event::Skipped { at } => format!("skipped {}", at.strftime("%H:%M")),
        })
        .collect();
    assert_eq!(told, ["ran 0", "skipped 00:02", "skipped 00:03", "ran 1", "ran 0", "ran 0"]);
    scene.assert_paid_once(&["a:2026-01"], "");
}

#[test]
fn a_scheduler_that_is_told_to_stop_finishes_what_is_under_way_and_begins_nothing() {
    let mut scene = Scene::new(|settings| settings.work = Slowness::always(MINUTE / 6));
    scene.subscribe(&["a", "b", "c", "d"], "monthly", MINUTE);
    let scheduler = scene.scheduler("* * * * *", |config| config.parallel = 2);
    let reports = runs(scene.run_for(&scheduler, MINUTE + MINUTE / 5));
    assert_eq!((reports[1].paid(), &reports[1].ending), (3, &Ending::Stopped));
    assert_eq!(scene.now(), epoch() + MINUTE + MINUTE / 3, "and not a moment longer");
    scene.assert_paid_once(&["a:2026-01", "b:2026-01", "c:2026-01"], "");
}

#[test]
fn a_second_scheduler_does_not_run_beside_the_first() {
    let mut scene = Scene::new(|settings| settings.work = Slowness::always(MINUTE / 6));
    scene.subscribe(&["a"], "monthly", MINUTE);
    let first = scene.scheduler("* * * * *", |_| ());
    let second = scene.scheduler("* * * * *", |config| config.name = "t".to_owned());
    let (one, other) = scene
        .world
        .run(async {
            sleep(MINUTE).await;
            let second = async {
                sleep(MINUTE / 60).await;
                second.run_once(Scope::Due).await
            };
            tokio::join!(first.run_once(Scope::Due), second)
        })
        .unwrap();
    assert_eq!(one.ending, Ending::Done);
    assert!(matches!(&other.ending, Ending::Busy { scheduler, .. } if scheduler == "s"));
    scene.assert_paid_once(&["a:2026-01"], "");
}

#[test]
fn an_outcome_that_cannot_be_written_down_ends_the_run_and_is_asked_for_again() {
    let mut scene = Scene::new(|_| ());
    scene.subscribe(&["a", "b"], "monthly", MINUTE);
    scene.storage.is_full.store(true, Ordering::Relaxed);
    let scheduler = scene.scheduler("* * * * *", |_| ());
    let reports = runs(scene.run_for(&scheduler, MINUTE + MINUTE / 2));
    let [answered] = &reports[1].charges[..] else { panic!("{reports:?}") };
    assert!(matches!(answered.outcome, Outcome::Paid { .. }) && !answered.recorded);
    assert!(matches!(reports[1].ending, Ending::Failed(Error::Full(_))));

    scene.storage.is_full.store(false, Ordering::Relaxed);
    let scheduler = scene.scheduler("* * * * *", |_| ());
    let reports = runs(scene.run_for(&scheduler, MINUTE));
    assert_eq!(reports[0].resumed, 1, "at once, and not when the lease is over");
    scene.assert_paid_once(&["a:2026-01", "b:2026-01"], "");
}

#[test]
fn a_run_that_made_all_charges_that_were_due_was_not_cut_short() {
    let mut scene = Scene::new(|_| ());
    scene.subscribe(&["a", "b"], "monthly", MINUTE);
    let change = |config: &mut Config| (config.parallel, config.batch) = (3, 3);
    let scheduler = scene.scheduler("* * * * *", change);
    let reports = runs(scene.run_for(&scheduler, MINUTE + MINUTE / 2));
    assert_eq!((reports[1].paid(), &reports[1].ending), (2, &Ending::Done));
}
