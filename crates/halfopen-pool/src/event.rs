//! What a pool tells of itself: to a wire log, to metrics, to a test.

use std::collections::BTreeMap;

use halfopen_core::time::{Duration, Instant};

use crate::idle::{Cap, WireIdle};
use crate::name::{ConnectionId, PathName};
use crate::retry::{Failure, Objection, Permission, Processed};
use crate::shelf::Discard;

/// Something that happened in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// On which path.
    pub path: PathName,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A connection was opened.
    Opened {
        /// Which.
        id: ConnectionId,
        /// How long it took.
        took: Duration,
    },
    /// No connection could be opened.
    NotOpened {
        /// How long it took to find out.
        took: Duration,
        /// What the system says.
        error: String,
    },
    /// A request asks for a connection.
    Requested,
    /// A request got a connection.
    Leased {
        /// Which.
        id: ConnectionId,
        /// For how long it had been quiet; `None` if it is new.
        reused_after: Option<WireIdle>,
        /// How long the request waited for its turn.
        waited: Duration,
    },
    /// A request got no turn in time.
    Refused {
        /// How long it waited.
        waited: Duration,
    },
    /// A connection was put back after a response.
    Returned {
        /// Which.
        id: ConnectionId,
        /// The server's `Keep-Alive: timeout=`, if it gave one.
        hint: Option<Duration>,
    },
    /// A connection that was opened is kept for the next request: the one that it was opened for
    /// took another, which was put back meanwhile.
    Shelved {
        /// Which.
        id: ConnectionId,
    },
    /// The client closed an idle connection, or did not keep one.
    Discarded {
        /// Which.
        id: ConnectionId,
        /// For how long it had been quiet.
        quiet: WireIdle,
        /// Why.
        why: Discard,
    },
    /// An idle connection was found closed or reset.
    Ended {
        /// Which.
        id: ConnectionId,
        /// For how long it had been quiet when that was noticed.
        quiet: WireIdle,
        /// Whether it was reset, not closed.
        reset: bool,
    },
    /// An HTTP/2 connection was asked by PING whether it still works.
    Pinged {
        /// Which.
        id: ConnectionId,
        /// For how long it had been quiet.
        quiet: WireIdle,
        /// How long that took.
        took: Duration,
        /// Whether it answered.
        answered: bool,
    },
    /// A request failed on its connection.
    Died {
        /// Which.
        id: ConnectionId,
        /// How.
        failure: Failure,
        /// For how long the connection had been quiet before; `None` if it was new.
        quiet: Option<WireIdle>,
        /// Whether the server may have processed the request.
        processed: Processed,
    },
    /// The request of a connection that died goes out again.
    Retried {
        /// Which connection died.
        id: Option<ConnectionId>,
        /// Why it may.
        why: Permission,
    },
    /// The request of a connection that died does not go out again.
    GivenUp {
        /// Which connection died.
        id: Option<ConnectionId>,
        /// Why not.
        why: Objection,
    },
    /// The ledger allows other pauses than before.
    CapChanged {
        /// What it allowed.
        before: Cap,
        /// What it allows.
        after: Cap,
    },
}

/// Whoever wants to know what happens in a pool. Any `Fn(&Event)` does.
pub trait Watch: Send + Sync {
    /// Sees an event. It is called while a request waits: it does not block.
    fn see(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Watch for F {
    fn see(&self, event: &Event) {
        self(event);
    }
}

/// Events, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that asked for a connection.
    pub requested: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections that could not be opened.
    pub not_opened: u64,
    /// Requests that got a new connection.
    pub leased_new: u64,
    /// Requests that got a connection that was used before.
    pub leased_reused: u64,
    /// Requests that got no turn.
    pub refused: u64,
    /// Connections put back.
    pub returned: u64,
    /// Connections opened for a request that took another.
    pub shelved: u64,
    /// Connections that the client closed, by why.
    pub discarded: BTreeMap<Discard, u64>,
    /// PINGs that were answered.
    pub pongs: u64,
    /// Connections found closed while idle.
    pub closed_idle: u64,
    /// Connections found reset while idle.
    pub reset_idle: u64,
    /// Requests that failed on a new connection, by how.
    pub died_new: BTreeMap<Failure, u64>,
    /// Requests that failed on a connection that was used before, by how.
    pub died_reused: BTreeMap<Failure, u64>,
    /// Requests that went out again, by why.
    pub retried: BTreeMap<Permission, u64>,
    /// Failures that were handed to the user, by why.
    pub given_up: BTreeMap<Objection, u64>,
    /// Times that the ledger changed a cap.
    pub cap_changes: u64,
}

impl Tally {
    /// Counts an event.
    pub fn count(&mut self, event: &Event) {
        match &event.what {
            What::Requested => self.requested += 1,
            What::Opened { .. } => self.opened += 1,
            What::NotOpened { .. } => self.not_opened += 1,
            What::Leased { reused_after: None, .. } => self.leased_new += 1,
            What::Leased { reused_after: Some(_), .. } => self.leased_reused += 1,
            What::Refused { .. } => self.refused += 1,
            What::Returned { .. } => self.returned += 1,
            What::Shelved { .. } => self.shelved += 1,
            What::Discarded { why, .. } => *self.discarded.entry(*why).or_default() += 1,
            What::Pinged { answered, .. } => self.pongs += u64::from(*answered),
            What::Ended { reset: false, .. } => self.closed_idle += 1,
            What::Ended { reset: true, .. } => self.reset_idle += 1,
            What::Died { failure, quiet: None, .. } => {
                *self.died_new.entry(*failure).or_default() += 1;
            }
            What::Died { failure, quiet: Some(_), .. } => {
                *self.died_reused.entry(*failure).or_default() += 1;
            }
            What::Retried { why, .. } => *self.retried.entry(*why).or_default() += 1,
            What::GivenUp { why, .. } => *self.given_up.entry(*why).or_default() += 1,
            What::CapChanged { .. } => self.cap_changes += 1,
        }
    }

    /// Returns how many failures users saw.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.given_up.values().sum::<u64>() + self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_what_users_saw_apart_from_what_was_mended() {
        let id = ConnectionId(7);
        let quiet = WireIdle::unprobed(Duration::from_mins(20));
        let story = [
            What::Opened { id, took: Duration::from_millis(2) },
            What::Leased { id, reused_after: None, waited: Duration::ZERO },
            What::Returned { id, hint: None },
            What::Leased { id, reused_after: Some(quiet), waited: Duration::ZERO },
            What::Died {
                id,
                failure: Failure::Reset,
                quiet: Some(quiet),
                processed: Processed::Maybe,
            },
            What::GivenUp { id: Some(id), why: Objection::MayBeProcessed },
            What::Retried { id: Some(id), why: Permission::Key },
            What::Discarded { id, quiet, why: Discard::SiblingDied },
            What::Ended { id, quiet, reset: true },
            What::Refused { waited: Duration::from_secs(1) },
        ];
        let mut tally = Tally::default();
        for what in story {
            let (at, path) = (Instant::EPOCH, PathName::to("http://payments.internal:8080"));
            tally.count(&Event { at, path, what });
        }
        let expected = Tally {
            opened: 1,
            leased_new: 1,
            leased_reused: 1,
            refused: 1,
            returned: 1,
            discarded: BTreeMap::from([(Discard::SiblingDied, 1)]),
            reset_idle: 1,
            died_reused: BTreeMap::from([(Failure::Reset, 1)]),
            retried: BTreeMap::from([(Permission::Key, 1)]),
            given_up: BTreeMap::from([(Objection::MayBeProcessed, 1)]),
            ..Tally::default()
        };
        assert_eq!((tally.failures(), tally), (2, expected));
    }
}
