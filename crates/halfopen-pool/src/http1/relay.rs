//! Who is woken when a connection can move on.
//!
//! hyper gets one waker for the connection's life. Behind it is whoever moves the connection on at
//! the time; nobody, while a request is handed over or a response taken: that wakes whoever
//! waited last, who is just doing it. Whoever waits after that polls the connection first, so that
//! nothing is missed.
//!
//! The transport gets another waker: a connection that comes to rest need not be polled for what
//! its user and hyper told each other while the response was taken, but for any other call.

use core::task::Waker;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

#[derive(Default)]
pub(super) struct Relay {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    to: To,
    /// Whether there was a call since the user last began to poll, but for what he did himself.
    has_news: bool,
    user: Option<Waker>,
    watcher: Option<Waker>,
}

/// Whom a call reaches.
#[derive(Clone, Copy, Default)]
enum To {
    #[default]
    Nobody,
    /// Who waits for a response or a piece of its body.
    User,
    /// Who waits for the end of the idle connection.
    Watcher,
}

impl Relay {
    /// Reaches nobody from now on.
    pub(super) fn hush(&self) {
        self.lock().to = To::Nobody;
    }

    /// Reaches whoever uses the connection, and is about to poll it.
    pub(super) fn reach_user(&self, waker: &Waker) {
        let mut state = self.lock();
        state.to = To::User;
        state.has_news = false;
        let known = remember(&mut state.user, waker);
        drop(state);
        drop(known);
    }

    /// Reaches the watcher, if there is one. Returns whether there was a call since the user last
    /// began to poll, but for what he did himself.
    pub(super) fn reach_watcher(&self) -> bool {
        let mut state = self.lock();
        state.to = To::Watcher;
        state.has_news
    }

    /// Remembers how the watcher is woken.
    pub(super) fn watched_by(&self, waker: &Waker) {
        let known = remember(&mut self.lock().watcher, waker);
        drop(known);
    }

    /// Wakes the watcher, whoever is reached otherwise.
    pub(super) fn wake_watcher(&self) {
        let watcher = self.lock().watcher.take();
        watcher.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Remembers a waker. Returns the one that it replaces, to be dropped without the lock.
fn remember(slot: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    if slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
        return None;
    }
    slot.replace(waker.clone())
}

impl Relay {
    fn call(&self, by_transport: bool) {
        let mut state = self.lock();
        state.has_news |= by_transport || matches!(state.to, To::User);
        let waker = match state.to {
            To::Nobody => None,
            To::User => state.user.clone(),
            To::Watcher => state.watcher.clone(),
        };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call(false);
    }
}

/// What the transport wakes.
pub(super) struct FromTransport(pub(super) Arc<Relay>);

impl Wake for FromTransport {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.call(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_does_himself_is_no_news() {
        let relay = Arc::new(Relay::default());
        let hyper = Waker::from(Arc::clone(&relay));
        let transport = Waker::from(Arc::new(FromTransport(Arc::clone(&relay))));
        let polled = || {
            relay.reach_user(Waker::noop());
            relay.hush();
        };
        polled();
        hyper.wake_by_ref();
        assert!(!relay.reach_watcher(), "it was about the response that the user took");
        polled();
        transport.wake_by_ref();
        assert!(relay.reach_watcher(), "it may be the end");
        polled();
        assert!(!relay.reach_watcher(), "it was polled since");
        relay.reach_user(Waker::noop());
        hyper.wake_by_ref();
        assert!(relay.reach_watcher(), "hyper has more to do");
    }
}
