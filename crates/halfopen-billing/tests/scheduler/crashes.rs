//! The scheduler dies at every place where it can, and is started again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use halfopen_billing::payment::settings::Slowness;
use halfopen_core::link::{Link, LinkConfig};

use super::*;

/// A program that is killed when it was polled so often.
struct Killed<F> {
    program: Option<Pin<Box<F>>>,
    polls_left: usize,
}

impl<F: Future> Future for Killed<F> {
    /// What the program returned, if it lived long enough.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls_left.checked_sub(1) else {
            self.program = None;
            return Poll::Ready(None);
        };
        self.polls_left = left;
        match &mut self.program {
            Some(program) => program.as_mut().poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }
}

/// Runs a scheduler of two subscriptions for two periods, kills it after `polls` polls and starts
/// another one; tells whether it was killed at all.
fn killed_after(polls: usize, parallel: u32) -> bool {
    let mut scene = Scene::new(|settings| {
        settings.work = Slowness::always(Duration::from_millis(5));
        settings.answer = Slowness::always(Duration::from_millis(5));
    });
    scene.subscribe(&["a", "b"], "every 1m", MINUTE);
    let start = |scene: &Scene| scene.scheduler("* * * * *", |config| config.parallel = parallel);
    let scheduler = start(&scene);
    let program = scheduler.run(async { sleep(MINUTE * 5 / 2).await }, |_| ());
    let killed = Killed { program: Some(Box::pin(program)), polls_left: polls };
    let was_killed = scene.world.run(killed).unwrap().is_none();

    let left = epoch() + MINUTE * 7 / 2;
    let left = scene.now().duration_until(left).unsigned_abs();
    let next = start(&scene);
    scene.run_for(&next, left);
    let context = format!("killed after {polls} polls, {parallel} in parallel");
    scene.assert_paid_once(&["a:0", "a:1", "a:2", "b:0", "b:1", "b:2"], &context);
    was_killed
}

#[test]
fn a_scheduler_that_dies_at_any_await_loses_and_doubles_nothing() {
    for parallel in [1, 2] {
        let deaths = (1..10_000).take_while(|&polls| killed_after(polls, parallel)).count();
        assert!(deaths > 30, "there are more awaits in two runs than {deaths}");
    }
}

/// Kills the scheduler and the payment module now and then, over a path that loses packets.
fn lives_through_anything(seed: u64) {
    let mut rng = Rng::new(seed);
    let delay = Duration::from_millis(1 + rng.below(40));
    let loss = 0.2 * f64::from(u32::try_from(rng.below(100)).unwrap()) / 100.0;
    let link = Link::new(LinkConfig { loss, ..LinkConfig::delaying(delay) }, rng.fork());
    let some = |most| Slowness { chance: 0.3, least: Duration::ZERO, most };
    let mut scene = Scene::over(seed, Path::new(vec![Box::new(link)]), |settings| {
        (settings.work, settings.answer) = (some(MINUTE / 3), some(MINUTE));
    });
    scene.subscribe(&["a", "b", "c"], "every 15m", MINUTE);
    let parallel = 1 + u32::try_from(rng.below(3)).unwrap();
    let start = |scene: &Scene| {
        scene.scheduler("* * * * *", |config| {
            config.parallel = parallel;
            config.backoff.most = 2 * MINUTE;
        })
    };

    for _ in 0..6 {
        let scheduler = start(&scene);
        let life = Duration::from_millis(rng.below(240_000));
        let program = scheduler.run(std::future::pending(), |_| ());
        let died = scene.world.run(async { tokio::time::timeout(life, program).await });
        died.unwrap().unwrap_err();
        match rng.below(4) {
            0 => scene.server.kill(),
            1 => scene.server.power_cut(),
            _ => continue,
        }
        let down = Duration::from_millis(rng.below(60_000));
        scene.world.run(async { sleep(down).await }).unwrap();
        scene.serve();
    }
    let left = scene.now().duration_until(epoch() + 75 * MINUTE).unsigned_abs();
    let scheduler = start(&scene);
    scene.run_for(&scheduler, left);
    let due_until_then = |id| (0..5).map(move |period| format!("{id}:{period}"));
    let keys: Vec<String> = ["a", "b", "c"].into_iter().flat_map(due_until_then).collect();
    let context = format!("seed {seed}");
    let charged = scene.charged();
    assert!(charged.values().all(|&times| times == 1), "{context}: {charged:?}");
    let paid = |entry: (String, State)| matches!(entry.1, State::Paid { .. }).then_some(entry.0);
    let paid: Vec<String> = scene.ledger().into_iter().filter_map(paid).collect();
    assert!(paid.iter().all(|key| charged.contains_key(key)), "{context}: {paid:?} {charged:?}");
    assert_eq!(paid, keys, "{context}");
}

#[test]
fn deaths_on_both_sides_and_lost_packets_lose_and_double_nothing() {
    (0..100).for_each(lives_through_anything);
}
