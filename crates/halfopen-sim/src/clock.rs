//! Virtual time, exact to the nanosecond for packets and to the millisecond for tokio's timers.
//!
//! The clock is tokio's own, paused, so that `tokio::time` works in programs as it is. Two things
//! move it:
//!
//! * When every task waits, tokio itself jumps to the next timer. Its timers stand on whole
//!   milliseconds since the start (a deadline is rounded up to one), and a jump is a whole number
//!   of milliseconds long. So a clock that stands on a whole millisecond meets timers exactly, and
//!   one that does not meets all of them late.
//! * Packets are due at any nanosecond. The clock therefore sleeps to the last whole millisecond
//!   before the world's next deadline, as one timer among the others, and goes the rest of the
//!   way by [`tokio::time::advance`]: no timer can lie between. When it is to leave a place between
//!   two milliseconds, it first advances to the next whole one.
//!
//! What runs first at one instant: tasks whose timers are due, then the program given to
//! [`World::run`](crate::world::World::run), then packets and hops.

use core::future::Future as _;
use core::pin::{Pin, pin};
use core::task::Context;

use halfopen_core::time::{Duration, Instant};
use tokio::time::{Sleep, advance, sleep_until};

/// One of tokio's ticks, in nanoseconds.
const TICK: u64 = 1_000_000;

/// The paused clock of a runtime, as its driver moves it.
#[derive(Debug)]
pub(crate) struct Clock {
    start: tokio::time::Instant,
    sleep: Pin<Box<Sleep>>,
    sleeping_to: Instant,
}

/// How far the clock came on its way to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approach {
    /// It is there, and has passed no timer.
    Arrived,
    /// It is not there. The task of the driver will be woken.
    Underway,
}

impl Clock {
    /// Returns the clock of the runtime that this is called in, which started at `start`.
    pub(crate) fn new(start: tokio::time::Instant) -> Self {
        let sleep = Box::pin(sleep_until(start));
        Self { start, sleep, sleeping_to: Instant::EPOCH }
    }

    /// Moves toward `target`, which is not past. Every task must be waiting.
    pub(crate) fn approach(&mut self, cx: &mut Context<'_>, target: Instant) -> Approach {
        let now = self.now();
        let last_tick = Instant::from_nanos(target.as_nanos() / TICK * TICK);
        if last_tick <= now {
            step(cx, target.saturating_since(now));
            return Approach::Arrived;
        }
        let next_tick = Instant::from_nanos(now.as_nanos().next_multiple_of(TICK));
        step(cx, next_tick.saturating_since(now));
        if next_tick < last_tick {
            self.sleep_to(cx, last_tick);
        }
        Approach::Underway
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Instant {
        now(self.start)
    }

    fn sleep_to(&mut self, cx: &mut Context<'_>, tick: Instant) {
        if self.sleeping_to != tick {
            self.sleeping_to = tick;
            let since = tick.saturating_since(Instant::EPOCH);
            self.sleep.as_mut().reset(self.start + since);
        }
        // Not yet due, so this only leaves the waker.
        let _pending = self.sleep.as_mut().poll(cx);
    }
}

/// Returns the time on a paused clock that started at `start`.
pub(crate) fn now(start: tokio::time::Instant) -> Instant {
    Instant::EPOCH + tokio::time::Instant::now().saturating_duration_since(start)
}

/// Advances at once. The waker is woken after the tasks that this made ready.
fn step(cx: &mut Context<'_>, by: Duration) {
    if !by.is_zero() {
        // The clock moves at the first poll; what is left is a yield, which the waker stands for.
        let _pending = pin!(advance(by)).poll(cx);
    }
}
