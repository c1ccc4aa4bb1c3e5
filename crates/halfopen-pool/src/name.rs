//! What the pool calls its paths and its connections.

use core::cmp::Ordering;
use core::fmt;
use std::sync::Arc;

/// A path as a client sees it: where it leads, and from where.
///
/// Two connections with one name share what is learnt of it. If a destination resolves to several
/// addresses behind boxes that differ, the strictest of them is what is learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathName {
    /// Where it leads, as the client names it, such as `http://payments.internal:8080`.
    pub destination: Arc<str>,
    /// The source interface or address, if the client's sockets are bound to one.
    pub source: Option<Arc<str>>,
}

impl PathName {
    /// Returns the name of the path to `destination`, from wherever the system chooses.
    #[must_use]
    pub fn to(destination: &str) -> Self {
        Self { destination: destination.into(), source: None }
    }

    /// Returns the name of the path to the same destination from `source`.
    #[must_use]
    pub fn from(self, source: &str) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}

impl Ord for PathName {
    fn cmp(&self, other: &Self) -> Ordering {
        // The names that a client has of one path are mostly clones.
        let destination = if Arc::ptr_eq(&self.destination, &other.destination) {
            Ordering::Equal
        } else {
            self.destination.cmp(&other.destination)
        };
        destination.then_with(|| self.source.cmp(&other.source))
    }
}

impl PartialOrd for PathName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.destination)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, " from {source}"))
    }
}

/// A connection's number, counted by the client from its first connection on and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
