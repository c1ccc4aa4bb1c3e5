//! What all clones of a client share: the shelf, the queue, the ledger, and who is told.
//!
//! Everything is changed under one lock, and what follows from a change – events to tell,
//! connections to close, waiters to wake – is done after it is released.

use core::task::Waker;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use halfopen_core::time::{Duration, Instant};
use jiff::Timestamp;

use super::dialer::Dialer;
use super::handover::{Openers, Unclaimed};
use super::kept::Kept;
use super::origin::Origins;
use super::reaper::{self, Reaper};
use crate::clock::Clock;
#[cfg(feature = "http2")]
use crate::connect::Destination;
use crate::connect::Dial;
use crate::event::{Event, Watch, What};
use crate::http1::End;
use crate::idle::{Cap, WireIdle};
use crate::ledger::{Ledger, Lesson, Outcome};
use crate::name::{ConnectionId, PathName};
use crate::policy::Policy;
use crate::shelf::{Discarded, Idle, Shelf, Taken};
use crate::turn::{Call, Ticket, Turnstile};
use crate::wirelog::WireLog;

/// Tells the date of an instant, for the ledger.
pub(super) type WallClock = Arc<dyn Fn(Instant) -> Timestamp + Send + Sync>;
/// Runs a task to its end, or until the client is dropped.
pub(super) type Execute = Arc<dyn Fn(Task) + Send + Sync>;
pub(super) type Task = core::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Shared {
    pub(super) dialer: Arc<Dialer>,
    pub(super) clock: Clock,
    pub(super) execute: Execute,
    pub(super) policy: Policy,
    pub(super) source: Option<Arc<str>>,
    pub(super) origins: Origins,
    pub(super) watchers: Vec<Arc<dyn Watch>>,
    pub(super) wire_log: Option<WireLog>,
    pub(super) wall_clock: WallClock,
    /// Whether `https` can be spoken.
    pub(super) speaks_tls: bool,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) shelf: Shelf<Kept>,
    pub(super) turns: Turnstile,
    pub(super) ledger: Option<Ledger>,
    /// Requests that wait for their turn.
    pub(super) queue: BTreeMap<Ticket, Waiting>,
    /// Requests that open a connection and would take another.
    pub(super) openers: Openers,
    /// Connections that are being opened and for which nobody waits any more.
    pub(super) unclaimed: Unclaimed,
    /// Who is to be woken.
    wakers: Vec<Waker>,
    pub(super) reaper: Reaper,
    /// The connections that carry several requests.
    #[cfg(feature = "http2")]
    pub(super) roads: super::multiplex::Roads,
    pub(super) is_shut_down: bool,
    next_id: u64,
    events: Option<Vec<Event>>,
}

#[derive(Default)]
pub(super) struct Waiting {
    pub(super) waker: Option<Waker>,
    pub(super) call: Option<Call>,
}

/// What is done after the lock is released.
#[derive(Default)]
struct Effects {
    events: Vec<Event>,
    closed: Vec<Kept>,
    wakers: Vec<Waker>,
    reap: bool,
}

/// What a client is made of.
pub(super) struct Parts {
    pub(super) dial: Box<dyn Dial>,
    pub(super) clock: Clock,
    pub(super) execute: Execute,
    pub(super) policy: Policy,
    pub(super) watchers: Vec<Arc<dyn Watch>>,
    pub(super) wire_log: Option<WireLog>,
    pub(super) wall_clock: WallClock,
    pub(super) ledger: Option<Ledger>,
    pub(super) seed: u64,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    #[cfg(feature = "http2")]
    pub(super) prior_knowledge: bool,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        if let Some(log) = &parts.wire_log {
            log.limit(parts.policy.limits);
        }
        let state = State {
            shelf: Shelf::new(&parts.policy, parts.seed),
            turns: Turnstile::new(&parts.policy),
            ledger: parts.ledger,
            queue: BTreeMap::new(),
            openers: Openers::default(),
            unclaimed: Unclaimed::default(),
            wakers: Vec::new(),
            reaper: Reaper::default(),
            #[cfg(feature = "http2")]
            roads: super::multiplex::Roads::default(),
            is_shut_down: false,
            next_id: 0,
            events: (!parts.watchers.is_empty()).then(Vec::new),
        };
        let source = parts.dial.source().map(Arc::from);
        #[cfg(feature = "tls")]
        let speaks_tls = parts.tls.is_some();
        let dialer = Dialer {
            dial: parts.dial,
            clock: parts.clock.clone(),
            patience: parts.policy.timeouts.connect,
            #[cfg(feature = "tls")]
            tls: parts.tls,
            #[cfg(feature = "http2")]
            prior_knowledge: parts.prior_knowledge,
        };
        Self {
            dialer: Arc::new(dialer),
            source,
            origins: Origins::default(),
            clock: parts.clock,
            execute: parts.execute,
            policy: parts.policy,
            watchers: parts.watchers,
            wire_log: parts.wire_log,
            wall_clock: parts.wall_clock,
            #[cfg(feature = "tls")]
            speaks_tls,
            #[cfg(not(feature = "tls"))]
            speaks_tls: false,
            state: Mutex::new(state),
        }
    }

    /// Tells whether HTTP/2 may be spoken to a destination.
    #[cfg(feature = "http2")]
    pub(super) fn may_multiplex(&self, to: &Destination) -> bool {
        if matches!(self.policy.reuse, crate::policy::Reuse::Never) {
            return false;
        }
        #[cfg(feature = "tls")]
        if to.tls {
            let offered = self.dialer.tls.iter().flat_map(|config| &config.alpn_protocols);
            return offered.into_iter().any(|protocol| protocol == crate::tls::HTTP2);
        }
        self.dialer.prior_knowledge && !to.tls
    }

    /// Changes the state, then does what follows.
    pub(super) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        self.at(self.clock.now(), act)
    }

    /// Does the same with what may be learnt from: there is a date if the policy learns.
    pub(super) fn learn_with<T>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut State, Instant, Option<Timestamp>) -> T,
    ) -> T {
        let now = self.clock.now();
        // The clock may be the user's, who is never called under the lock.
        let wall = self.policy.learns.then(|| (self.wall_clock)(now));
        self.at(now, |state, now| act(state, now, wall))
    }

    fn at<T>(self: &Arc<Self>, now: Instant, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        // What is changed here is whole between any two calls, so that a panic leaves it whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state, now);
        let effects = state.effects(now);
        drop(state);
        if let Some(effects) = effects {
            self.carry_out(effects);
        }
        result
    }

    fn carry_out(self: &Arc<Self>, effects: Effects) {
        for event in &effects.events {
            for watcher in &self.watchers {
                watcher.see(event);
            }
        }
        for connection in effects.closed {
            connection.close();
        }
        for waker in effects.wakers {
            waker.wake();
        }
        if effects.reap {
            (self.execute)(Box::pin(reaper::run(Arc::downgrade(self), self.clock.clone())));
        }
    }

    /// Learns that a connection worked after a pause.
    pub(super) fn survived(self: &Arc<Self>, path: &PathName, quiet: WireIdle) {
        if self.policy.learns {
            self.learn_with(|state, now, wall| {
                state.learn(now, wall, path, quiet, Outcome::Survived);
            });
        }
    }

    /// Takes a connection with its turn: after a response, or a new one. It may have survived a
    /// pause of which nothing was learnt yet. `what` it is told as.
    pub(super) fn put(self: &Arc<Self>, idle: Idle<Kept>, survived: Option<WireIdle>, what: What) {
        let watch = self.watches_idle().then(|| idle.connection.watch()).flatten();
        if let Some(watch) = watch {
            (self.execute)(Box::pin(notice(Arc::downgrade(self), idle.id, watch)));
        }
        self.learn_with(|state, now, wall| {
            let path = idle.path.clone();
            if let Some(quiet) = survived {
                state.learn(now, wall, &path, quiet, Outcome::Survived);
            }
            state.turns.done(now, &path);
            state.tell(now, &path, || what);
            let learnt = state.cap(wall, &path);
            state.shelf.put(now, idle, learnt);
            if state.is_shut_down {
                state.shelf.drain(now, None);
            }
            state.offer(&path);
        });
    }

    fn watches_idle(&self) -> bool {
        super::notice_of(&self.policy) == Some(crate::policy::Notice::AtOnce)
    }

    /// Takes note that a connection ended while it was idle.
    pub(super) fn ended_idle(self: &Arc<Self>, id: ConnectionId) {
        self.learn_with(|state, now, wall| {
            if let Some(taken) = state.shelf.remove(now, id) {
                state.ended(now, taken, wall);
            }
        });
    }
}

impl State {
    pub(super) fn next_id(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        id
    }

    /// Ends what nobody waits for, and serves no further request.
    pub(super) fn shut_down(&mut self, now: Instant) {
        self.is_shut_down = true;
        self.wakers.extend(self.unclaimed.wakers());
        self.shelf.drain(now, None);
    }

    /// Takes a turn back, and lets the next have it.
    pub(super) fn done(&mut self, now: Instant, path: &PathName) {
        self.turns.done(now, path);
        self.offer(path);
    }

    /// Offers a connection that is idle to whoever opens one to the same path. That takes a turn
    /// more, since the opening goes on.
    pub(super) fn offer(&mut self, path: &PathName) {
        if !self.openers.is_empty() && self.shelf.len_of(path) > 0 && self.turns.has_turn(path) {
            self.wakers.extend(self.openers.call(path));
        }
    }

    /// Tells the watchers, if there are any.
    pub(super) fn tell(&mut self, at: Instant, path: &PathName, what: impl FnOnce() -> What) {
        if let Some(events) = &mut self.events {
            events.push(Event { at, path: path.clone(), what: what() });
        }
    }

    /// Takes note that an idle connection was found to have ended. `wall` is given if it is known
    /// that this was just now, so that something can be learnt from it.
    pub(super) fn ended(&mut self, now: Instant, taken: Taken<Kept>, wall: Option<Timestamp>) {
        let Taken { idle, quiet } = taken;
        let reset = idle.connection.gauge().failure().is_some();
        self.tell(now, &idle.path, || What::Ended { id: idle.id, quiet, reset });
        let outcome = if reset { Outcome::ResetIdle } else { Outcome::ClosedIdle };
        self.learn(now, wall, &idle.path, quiet, outcome);
    }

    /// Learns from what became of a connection after a pause, before anyone meets its siblings.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        wall: Option<Timestamp>,
        path: &PathName,
        quiet: WireIdle,
        outcome: Outcome,
    ) {
        let (Some(wall), Some(ledger)) = (wall, &mut self.ledger) else { return };
        let lesson = ledger.record(wall, path, quiet, outcome);
        self.heed(now, path, lesson);
    }

    /// Learns that the far end refused a connection.
    pub(super) fn refused(&mut self, now: Instant, wall: Option<Timestamp>, path: &PathName) {
        let (Some(wall), Some(ledger)) = (wall, &mut self.ledger) else { return };
        let lesson = ledger.refused(wall, path);
        self.heed(now, path, lesson);
    }

    fn heed(&mut self, now: Instant, path: &PathName, lesson: Lesson) {
        if let Some(siblings) = lesson.siblings {
            self.shelf.discard_siblings(now, path, siblings);
        }
        if lesson.changed() {
            self.shelf.heed(now, path, lesson.after);
            let Lesson { before, after, .. } = lesson;
            self.tell(now, path, || What::CapChanged { before, after });
        }
    }

    fn cap(&self, wall: Option<Timestamp>, path: &PathName) -> Cap {
        match (wall, &self.ledger) {
            (Some(wall), Some(ledger)) => ledger.cap(wall, path),
            (None, _) | (_, None) => Cap::NONE,
        }
    }

    /// Lets those who wait know that they are called. Returns who is to be woken.
    fn hand_out_calls(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        while let Some(call) = self.turns.poll_output() {
            let (Call::Turn { ticket, .. } | Call::Refused { ticket, .. }) = call;
            if let Some(waiting) = self.queue.get_mut(&ticket) {
                waiting.call = Some(call);
                wakers.extend(waiting.waker.take());
            }
        }
        wakers
    }

    /// Collects what follows from a change, if anything does.
    fn effects(&mut self, now: Instant) -> Option<Effects> {
        let reaper = self.reaper.needs(self.shelf.poll_timeout());
        let is_quiet = !self.shelf.has_output() && !self.turns.has_output();
        if is_quiet
            && self.wakers.is_empty()
            && self.events.is_none()
            && matches!(reaper, reaper::Need::Nothing)
        {
            return None;
        }
        let mut effects = Effects::default();
        while let Some(Discarded { idle, quiet, why }) = self.shelf.poll_output() {
            self.tell(now, &idle.path, || What::Discarded { id: idle.id, quiet, why });
            effects.closed.push(idle.connection);
        }
        effects.wakers = self.hand_out_calls();
        effects.wakers.append(&mut self.wakers);
        if let Some(events) = &mut self.events {
            effects.events = core::mem::take(events);
        }
        match reaper {
            reaper::Need::Nothing => {}
            reaper::Need::Start => effects.reap = true,
            reaper::Need::Wake(waker) => effects.wakers.push(waker),
        }
        Some(effects)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // They find nobody to work for, and end.
        state.reaper.wake();
        state.unclaimed.wakers().for_each(Waker::wake);
    }
}

/// Waits for the end of an idle connection, and takes note of it.
async fn notice(shared: Weak<Shared>, id: ConnectionId, watch: crate::http1::Watch) {
    let ended: Option<End> = watch.await;
    if ended.is_some()
        && let Some(shared) = shared.upgrade()
    {
        shared.ended_idle(id);
    }
}

/// How long something took.
pub(super) fn took(now: Instant, since: Instant) -> Duration {
    now.saturating_since(since)
}
