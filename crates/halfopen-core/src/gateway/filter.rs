//! Whom a gateway lets in (RFC 4787 section 5).

use std::net::SocketAddr;

use super::config::Dependence;
use super::mapping::{Ends, Mapping};
use super::tally::Tally;

/// The inside ends that strangers may reach, by the ends that they use.
///
/// Filtering by address and port lets nobody in whose flow is not remembered, so it keeps nothing.
#[derive(Debug)]
pub(super) struct Filter {
    filtering: Dependence,
    translates: bool,
    doors: Tally<SocketAddr>,
}

impl Filter {
    pub(super) fn new(filtering: Dependence, translates: bool) -> Self {
        Self { filtering, translates, doors: Tally::default() }
    }

    /// Lets in whom a new mapping allows to enter.
    pub(super) fn open(&mut self, mapping: &Mapping) {
        if self.has_doors() {
            self.doors.add(mapping.outer().masked(self.filtering), mapping.inside());
        }
    }

    /// Stops letting in whom a forgotten mapping allowed to enter.
    pub(super) fn close(&mut self, mapping: &Mapping) {
        if self.has_doors() {
            self.doors.remove(&mapping.outer().masked(self.filtering));
        }
    }

    /// Returns the inside end that the far end of `outer` reaches, if it may.
    pub(super) fn admit(&self, outer: &Ends) -> Option<SocketAddr> {
        if self.filtering == Dependence::Endpoint && !self.translates {
            return Some(outer.near());
        }
        self.doors.get(&outer.masked(self.filtering)).copied()
    }

    fn has_doors(&self) -> bool {
        self.filtering != Dependence::AddressAndPort
    }
}
