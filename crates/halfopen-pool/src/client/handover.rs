//! Who opens a connection while another comes back.
//!
//! A request that found no idle connection opens one. If one is put back before that is done, the
//! request takes it, and what it began goes on without it: the connection ends on the shelf, for
//! the next. It has a turn of its own from then on, so that there are never more connections than
//! there may be; if there is no turn to spare, the one that came back is for who waits for a turn.
//!
//! With HTTP/2 there is little to hand over: requests to one path wait for whoever opens a
//! connection, and then share it.

use core::future::poll_fn;
use core::mem;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use halfopen_core::time::{Duration, Instant};

use super::dialer::{Dialled, Dialling};
use super::kept::Kept;
use super::lease::{Lease, Turn};
use super::pool::{Shared, State};
use crate::name::PathName;
use crate::policy::Reuse;
use crate::shelf::Taken;
use crate::turn::Asked;

/// Requests that open a connection and would take another, by path, the first to come first.
#[derive(Default)]
pub(super) struct Openers {
    waiting: BTreeMap<(PathName, Place), Waker>,
    next: u64,
}

/// The order in which requests came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

impl Openers {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Calls the first on a path. Who is called looks on the shelf, or comes back to its place.
    pub(super) fn call(&mut self, path: &PathName) -> Option<Waker> {
        let from = (path.clone(), Place(0));
        let (key, _) = self.waiting.range(from..).next().filter(|((first, _), _)| first == path)?;
        let key = key.clone();
        self.waiting.remove(&key)
    }

    fn place(&mut self) -> Place {
        self.next += 1;
        Place(self.next)
    }
}

/// What came first.
pub(super) enum Won {
    /// The connection that was being opened, or why there is none.
    Dialled(Dialled, Turn),
    /// Another that was put back.
    Idle(Lease<Kept>),
}

/// Opens a connection, or takes one that is put back meanwhile.
pub(super) async fn race(
    turn: Turn,
    mut dialling: Dialling,
    since: Instant,
    waited: Duration,
) -> Won {
    let opener = Opener::new(&turn);
    let won = poll_fn(|cx| match dialling.as_mut().poll(cx) {
        Poll::Ready(dialled) => Poll::Ready(Ok(dialled)),
        Poll::Pending => opener.poll(waited, cx).map(Err),
    })
    .await;
    drop(opener);
    match won {
        Ok(dialled) => Won::Dialled(dialled, turn),
        Err(taken) => {
            let spare = Spare::new(turn.shared(), turn.path());
            (turn.shared().execute)(Box::pin(go_on(spare, dialling, since)));
            Won::Idle(turn.lease(taken))
        }
    }
}

/// A request that opens a connection and would take another. Dropping it leaves its place to the
/// next.
struct Opener {
    shared: Arc<Shared>,
    path: PathName,
    place: Place,
}

impl Opener {
    fn new(turn: &Turn) -> Self {
        let (shared, path) = (Arc::clone(turn.shared()), turn.path().clone());
        let place = shared.with(|state, _| state.openers.place());
        Self { shared, path, place }
    }

    /// Waits for an idle connection that may be used beside the one that is being opened.
    fn poll(&self, waited: Duration, cx: &mut Context<'_>) -> Poll<Taken<Kept>> {
        self.shared.with(|state, now| {
            if let Some(taken) = state.take_beside(now, &self.path, waited) {
                return Poll::Ready(taken);
            }
            let key = (self.path.clone(), self.place);
            state.openers.waiting.insert(key, cx.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.shared.with(|state, _| {
            let was_called =
                state.openers.waiting.remove(&(self.path.clone(), self.place)).is_none();
            if was_called {
                state.offer(&self.path);
            }
        });
    }
}

impl State {
    /// Takes an idle connection, and a turn more for the one that is being opened, if there are
    /// both.
    fn take_beside(
        &mut self,
        now: Instant,
        path: &PathName,
        waited: Duration,
    ) -> Option<Taken<Kept>> {
        if !self.turns.has_turn(path) {
            return None;
        }
        let taken = self.take(now, path, waited)?;
        let asked = self.turns.ask(now, path);
        debug_assert_eq!(asked, Asked::Turn, "there was one");
        Some(taken)
    }
}

impl Shared {
    /// Tells whether a request that opens a connection takes one that is put back meanwhile.
    pub(super) fn hands_over(&self) -> bool {
        match &self.policy.reuse {
            Reuse::Never => false,
            Reuse::Kept(keep) => keep.handover,
        }
    }
}

/// Who opens a connection for which nobody waits any more, to be woken when the client ends.
#[derive(Default)]
pub(super) struct Unclaimed {
    tasks: BTreeMap<Place, Waker>,
}

impl Unclaimed {
    pub(super) fn wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        mem::take(&mut self.tasks).into_values()
    }
}

/// The turn of such a connection. It does not keep the client.
struct Spare {
    shared: Weak<Shared>,
    path: PathName,
    place: Place,
}

impl Spare {
    /// Guards a turn that was given.
    fn new(shared: &Arc<Shared>, path: &PathName) -> Self {
        let place = shared.with(|state, _| state.openers.place());
        Self { shared: Arc::downgrade(shared), path: path.clone(), place }
    }

    /// Sees to it that the task is woken when the client ends. Returns whether it has.
    fn has_ended(&self, cx: &Context<'_>) -> bool {
        self.shared.upgrade().is_none_or(|shared| {
            shared.with(|state, _| {
                state.unclaimed.tasks.insert(self.place, cx.waker().clone());
                state.is_shut_down
            })
        })
    }

    /// Returns the turn, which does; `None`: the client has ended.
    fn into_turn(mut self) -> Option<Turn> {
        let shared = mem::take(&mut self.shared).upgrade()?;
        shared.with(|state, _| state.unclaimed.tasks.remove(&self.place));
        Some(Turn::new(&shared, &self.path, false))
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.with(|state, now| {
                state.unclaimed.tasks.remove(&self.place);
                state.done(now, &self.path);
            });
        }
    }
}

/// Goes on opening a connection for which nobody waits any more.
async fn go_on(spare: Spare, mut dialling: Dialling, since: Instant) {
    let dialled = poll_fn(|cx| {
        if spare.has_ended(cx) {
            return Poll::Ready(None);
        }
        dialling.as_mut().poll(cx).map(Some)
    })
    .await;
    if let Some(dialled) = dialled
        && let Some(turn) = spare.into_turn()
    {
        turn.stock(dialled, since).await;
    }
}
