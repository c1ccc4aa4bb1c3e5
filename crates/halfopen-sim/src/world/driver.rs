//! The driver: lets programs run, carries what they say, and moves the clock when all wait.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use halfopen_core::time::Instant;

use crate::clock::{Approach, Clock};
use crate::stage::Shared;
use crate::world::{Config, Error};

/// How a run ended.
pub(super) enum Ending<T> {
    /// The program is done.
    Finished(T),
    /// The time came.
    Reached { active: Instant },
    /// The world cannot go on.
    Failed(Error),
}

/// The future of `block_on`, which tokio polls when no task is left to run.
#[derive(Debug)]
pub(super) struct Driver<'w> {
    shared: &'w Shared,
    config: &'w Config,
    clock: Clock,
    /// The last time whose timers have woken their tasks, and these have run.
    seen: Option<Instant>,
    /// When a host or a hop last did something.
    active: Instant,
    /// How many more rounds there may be at this instant.
    rounds_left: u64,
    /// Room for who is to be woken.
    woken: Vec<Waker>,
}

impl<'w> Driver<'w> {
    /// Must be called within the runtime.
    pub(super) fn new(shared: &'w Shared, config: &'w Config) -> Self {
        let clock = Clock::new(shared.start());
        let active = clock.now();
        Self { shared, config, clock, seen: None, active, rounds_left: 0, woken: Vec::new() }
    }

    /// Lets time pass until the program is done or `until` comes.
    pub(super) async fn run<F: Future>(mut self, program: F, until: Instant) -> Ending<F::Output> {
        let driver = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        self.shared.lock().begin_run(driver.clone());
        let alarm = Arc::new(Alarm { rung: AtomicBool::new(true), driver });
        let waker = Waker::from(Arc::clone(&alarm));
        let mut program = pin!(program);
        poll_fn(|cx| {
            if self.tasks_come_first(cx) {
                return Poll::Pending;
            }
            if let Some(error) = self.failure() {
                return Poll::Ready(Ending::Failed(error));
            }
            if alarm.rung.swap(false, Ordering::Relaxed) {
                cx.waker().wake_by_ref();
                return program
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .map(Ending::Finished);
            }
            self.turn(cx, until)
        })
        .await
    }

    /// Tells whether the clock has moved since the last look, and lets the tasks whose timers are
    /// due run first.
    fn tasks_come_first(&mut self, cx: &Context<'_>) -> bool {
        let now = Some(self.clock.now());
        let moved = self.seen != now;
        if moved {
            self.seen = now;
            self.rounds_left = self.config.rounds_max;
            cx.waker().wake_by_ref();
        }
        moved
    }

    /// Carries packets and does what is due, until tasks have something to do or time has to pass.
    fn turn<T>(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<Ending<T>> {
        let mut now = self.clock.now();
        loop {
            let due = self.carry(now);
            if self.rounds_left == 0 {
                let seed = self.config.seed;
                return Poll::Ready(Ending::Failed(Error::Stuck { seed, at: now }));
            }
            if !self.woken.is_empty() {
                self.active = now;
                self.woken.drain(..).for_each(Waker::wake);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if due.is_some_and(|due| due <= now) {
                self.active = now;
                self.shared.lock().handle_due(now);
                continue;
            }
            if until <= now {
                return Poll::Ready(Ending::Reached { active: self.active });
            }
            let target = due.map_or(until, |due| due.min(until));
            match self.clock.approach(cx, target) {
                Approach::Underway => return Poll::Pending,
                Approach::Arrived => {
                    now = target;
                    self.seen = Some(now);
                    self.rounds_left = self.config.rounds_max;
                }
            }
        }
    }

    /// Carries packets and returns when something is next due.
    fn carry(&mut self, now: Instant) -> Option<Instant> {
        let mut stage = self.shared.lock();
        self.rounds_left = self.rounds_left.saturating_sub(1);
        stage.settle(now, &mut self.rounds_left, &mut self.woken);
        stage.deadline()
    }

    fn failure(&self) -> Option<Error> {
        let panic = self.shared.lock().journal.take_panic()?;
        Some(Error::Panicked { seed: self.config.seed, panic })
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        self.shared.lock().end_run(self.clock.now());
    }
}

/// Wakes the driver for the program given to it, and tells it that it was for that.
#[derive(Debug)]
struct Alarm {
    rung: AtomicBool,
    driver: Waker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Relaxed);
        self.driver.wake_by_ref();
    }
}
