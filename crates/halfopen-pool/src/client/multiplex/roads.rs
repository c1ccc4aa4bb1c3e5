//! Which session there is to each path, and who is about to begin one.

use core::future::poll_fn;
use core::task::{Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use super::Session;
use crate::client::pool::Shared;
use crate::name::{ConnectionId, PathName};

/// How many paths are remembered that nobody uses.
const ROADS_MAX: usize = 1_024;

/// What is known of HTTP/2 on each path.
#[derive(Default)]
pub(in crate::client) struct Roads {
    roads: BTreeMap<PathName, Road>,
}

#[derive(Default)]
struct Road {
    session: Option<(ConnectionId, Weak<Session>)>,
    /// Whether the other end chose HTTP/1.1 when it last could.
    speaks_http1: bool,
    /// Whether somebody is about to begin a session, or to verify the one that there is.
    is_busy: bool,
    /// How often nothing came of that.
    failures: u64,
    waiting: Vec<Waker>,
}

/// How a request goes on that found no session.
pub(super) enum Way {
    /// There may be one now.
    Look,
    /// As if it were alone: nothing is shared, or others tried in vain.
    Free,
    /// It begins one for all.
    Alone(Gate),
}

/// Waits until a request may go on. `failures` is for the next time.
pub(super) async fn way(shared: &Arc<Shared>, path: &PathName, failures: &mut Option<u64>) -> Way {
    let mut has_waited = false;
    poll_fn(|cx| {
        let way = shared.with(|state, _| {
            let road = state.roads.road(path);
            let before = *failures.get_or_insert(road.failures);
            if has_waited {
                return Poll::Ready(Some(Way::Look));
            }
            if road.speaks_http1 || road.failures != before {
                return Poll::Ready(Some(Way::Free));
            }
            if road.is_busy {
                road.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            road.is_busy = true;
            Poll::Ready(None)
        });
        has_waited = true;
        way.map(|way| {
            let gate = || Gate { shared: Arc::clone(shared), path: path.clone(), failed: true };
            way.unwrap_or_else(|| Way::Alone(gate()))
        })
    })
    .await
}

/// Keeps others waiting. Unless it was [opened](Self::open), they then no longer wait.
pub(super) struct Gate {
    shared: Arc<Shared>,
    path: PathName,
    failed: bool,
}

impl Gate {
    /// Lets the others look for themselves.
    pub(super) fn open(mut self) {
        self.failed = false;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let waiting = self.shared.with(|state, _| {
            let road = state.roads.road(&self.path);
            road.is_busy = false;
            road.failures += u64::from(self.failed);
            core::mem::take(&mut road.waiting)
        });
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Roads {
    /// Returns the session of a path.
    pub(super) fn session(&self, path: &PathName) -> Option<Arc<Session>> {
        let (_, session) = self.roads.get(path)?.session.as_ref()?;
        session.upgrade()
    }

    pub(super) fn begin(&mut self, path: &PathName, session: &Arc<Session>) {
        let road = self.road(path);
        road.session = Some((session.id, Arc::downgrade(session)));
        road.speaks_http1 = false;
    }

    /// Lets nobody join a session any more.
    pub(super) fn retire(&mut self, path: &PathName, id: ConnectionId) {
        let road = self.road(path);
        road.session.take_if(|(session, _)| *session == id);
    }

    pub(super) fn speaks_http1(&mut self, path: &PathName) {
        self.road(path).speaks_http1 = true;
    }

    fn road(&mut self, path: &PathName) -> &mut Road {
        if self.roads.len() >= ROADS_MAX && !self.roads.contains_key(path) {
            self.roads.retain(|_, road| road.is_used());
        }
        self.roads.entry(path.clone()).or_default()
    }
}

impl Road {
    fn is_used(&self) -> bool {
        let is_joined = |(_, session): &(_, Weak<Session>)| session.strong_count() > 0;
        self.is_busy || self.session.as_ref().is_some_and(is_joined)
    }
}
