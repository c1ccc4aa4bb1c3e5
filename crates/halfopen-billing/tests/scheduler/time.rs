//! Clocks that are set, and ticks that were missed.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::SignedDuration;

use super::*;

/// A clock that an operator sets.
fn set_clock(scene: &Scene) -> (Arc<AtomicI64>, impl Clock + 'static) {
    let (clock, ahead) = (scene.clock(), Arc::new(AtomicI64::new(0)));
    let seconds = Arc::clone(&ahead);
    let told = move || clock.now() + SignedDuration::from_secs(seconds.load(Ordering::Relaxed));
    (ahead, told)
}

fn hourly<K: Clock>(scene: &Scene, clock: K) -> Scheduler<Pausing, Caller, K> {
    let calendar = CronLine::parse("0 * * * *", "UTC").unwrap();
    let config = Config::new("s", calendar, "http://payment:8080/payments".parse().unwrap());
    let client = Caller::new(scene.office.clone(), Arc::default());
    Scheduler::new(config, Arc::clone(&scene.storage), client, clock).unwrap()
}

fn beginnings(events: Vec<Event>) -> Vec<String> {
    let time = |run: RunReport| run.began.strftime("%H:%M").to_string();
    runs(events).into_iter().skip(1).map(time).collect()
}

#[test]
fn ticks_that_were_missed_are_not_made_up_for_but_what_was_due_is() {
    let mut scene = Scene::new(|_| ());
    scene.subscribe(&["a", "b"], "every 1h", 60 * MINUTE);
    let scheduler = hourly(&scene, scene.clock());
    let report = async { sleep(210 * MINUTE).await };
    scene.world.run(report).unwrap();
    let mut events = Vec::new();
    let stop = async { sleep(60 * MINUTE).await };
    scene.world.run(scheduler.run(stop, |event| events.push(event))).unwrap().unwrap();
    let reports = runs(events);
    assert_eq!(reports[0].charges.len(), 0, "the start is no tick");
    let keys: Vec<String> = reports[1].charges.iter().map(|made| made.charge.key()).collect();
    assert_eq!(keys, ["a:0", "b:0", "a:1", "b:1", "a:2", "b:2", "a:3", "b:3"]);
    assert_eq!(reports.len(), 2);
}

#[test]
fn a_clock_that_is_put_forward_is_noticed_within_a_minute() {
    let mut scene = Scene::new(|_| ());
    let (ahead, clock) = set_clock(&scene);
    let scheduler = hourly(&scene, clock);
    let mut events = Vec::new();
    let setting = async {
        sleep(10 * MINUTE).await;
        ahead.store(3 * 3600, Ordering::Relaxed);
        sleep(60 * MINUTE).await;
    };
    scene.world.run(scheduler.run(setting, |event| events.push(event))).unwrap().unwrap();
    assert_eq!(beginnings(events), ["03:10", "04:00"], "one run for the ticks of three hours");
}

#[test]
fn a_clock_that_is_put_back_ticks_again() {
    let mut scene = Scene::new(|_| ());
    let (ahead, clock) = set_clock(&scene);
    let scheduler = hourly(&scene, clock);
    let mut events = Vec::new();
    let setting = async {
        sleep(70 * MINUTE).await;
        ahead.store(-30 * 60, Ordering::Relaxed);
        sleep(60 * MINUTE).await;
    };
    scene.world.run(scheduler.run(setting, |event| events.push(event))).unwrap().unwrap();
    assert_eq!(beginnings(events), ["01:00", "01:00"]);
}
