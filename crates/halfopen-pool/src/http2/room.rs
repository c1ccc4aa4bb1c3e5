//! How many requests a connection carries at once (RFC 9113 section 5.1.2).
//!
//! `h2` would hold back those beyond the other end's limit, but not tell which: here they wait in
//! the order in which they came, and nothing of them is sent before it is their turn.

use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;

use super::Pulse;

/// Who waits for a stream, and how many there are.
#[derive(Default)]
pub(super) struct Room {
    streams: usize,
    next: u64,
    /// By ticket: the first to come is the first to go. No waker: it was woken, or did not ask yet.
    waiting: BTreeMap<u64, Option<Waker>>,
    is_closed: bool,
}

impl Room {
    /// Returns a ticket for a stream.
    pub(super) fn ask(&mut self) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.waiting.insert(ticket, None);
        ticket
    }

    /// Lets everybody go: the connection has ended, and will say so. Returns who is to be woken.
    pub(super) fn close(&mut self) -> Vec<Waker> {
        self.is_closed = true;
        self.waiting.values_mut().filter_map(Option::take).collect()
    }

    fn poll(&mut self, ticket: u64, max: usize, cx: &mut Context<'_>) -> Poll<Option<Waker>> {
        let is_first = self.waiting.first_key_value().is_some_and(|(&first, _)| first == ticket);
        if !self.is_closed && (!is_first || self.streams >= max) {
            self.waiting.insert(ticket, Some(cx.waker().clone()));
            return Poll::Pending;
        }
        self.waiting.remove(&ticket);
        self.streams += 1;
        // There may be room for more than one, if the limit was raised.
        Poll::Ready(self.call())
    }

    fn leave(&mut self, ticket: u64) -> Option<Waker> {
        if self.waiting.remove(&ticket).is_none() {
            self.streams -= 1;
        }
        self.call()
    }

    fn call(&mut self) -> Option<Waker> {
        self.waiting.values_mut().next().and_then(Option::take)
    }
}

/// A place among the streams of a connection, or in the queue. Dropping it makes room.
pub(super) struct Place {
    ticket: u64,
    pub(super) pulse: Pulse,
}

impl Place {
    pub(super) fn new(ticket: u64, pulse: Pulse) -> Self {
        Self { ticket, pulse }
    }

    /// Waits until there are fewer than `max` streams.
    pub(super) fn poll(&self, max: usize, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.pulse.shared.lock().room.poll(self.ticket, max, cx);
        polled.map(|next| next.into_iter().for_each(Waker::wake))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = self.pulse.shared.lock().room.leave(self.ticket);
        next.into_iter().for_each(Waker::wake);
    }
}
