//! The scheduler dies at every place where it can, and is started again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use halfopen_billing::payment::settings::Slowness;

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
