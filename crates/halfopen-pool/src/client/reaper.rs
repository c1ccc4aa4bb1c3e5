//! Closes idle connections when their time is over, though nobody asks for one.
//!
//! One task, which runs while connections with a deadline are on the shelf and sleeps until the
//! first is due.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Weak;

use halfopen_core::time::Instant;
use hyper::rt::Sleep;

use super::pool::Shared;
use crate::clock::Clock;

/// The task, as the pool sees it.
#[derive(Default)]
pub(super) enum Reaper {
    #[default]
    Absent,
    /// It was started, and will ask when to wake up.
    Started,
    Sleeping {
        until: Instant,
        waker: Waker,
    },
}

/// What the task needs when the first deadline has changed.
pub(super) enum Need {
    Nothing,
    Start,
    Wake(Waker),
}

impl Reaper {
    pub(super) fn needs(&mut self, first: Option<Instant>) -> Need {
        let Some(first) = first else { return Need::Nothing };
        match self {
            Self::Absent => {
                *self = Self::Started;
                Need::Start
            }
            Self::Sleeping { until, waker } if first < *until => Need::Wake(waker.clone()),
            Self::Started | Self::Sleeping { .. } => Need::Nothing,
        }
    }

    pub(super) fn wake(&mut self) {
        if let Self::Sleeping { waker, .. } = self {
            waker.wake_by_ref();
        }
    }
}

pub(super) async fn run(shared: Weak<Shared>, clock: Clock) {
    let mut sleep = None;
    poll_fn(|cx| poll(&shared, &clock, &mut sleep, cx)).await;
}

fn poll(
    shared: &Weak<Shared>,
    clock: &Clock,
    sleep: &mut Option<Pin<Box<dyn Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let Some(shared) = shared.upgrade() else { return Poll::Ready(()) };
        let until = shared.with(|state, now| {
            state.shelf.handle_timeout(now);
            let until = state.shelf.poll_timeout();
            state.reaper = match until {
                None => Reaper::Absent,
                Some(until) => Reaper::Sleeping { until, waker: cx.waker().clone() },
            };
            until
        });
        let Some(until) = until else { return Poll::Ready(()) };
        let sleep = sleep.insert(clock.sleep_until(until));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
    }
}
