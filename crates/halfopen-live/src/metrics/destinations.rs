//! Servers as labels, of which there must not be too many.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// So many servers have a label of their own.
const LABELS_MAX: usize = 64;
/// The label of all others.
const OTHER: &str = "other";

/// The servers that have a label of their own.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    known: BTreeMap<SocketAddr, String>,
}

impl Destinations {
    /// Returns the label of a server.
    pub(crate) fn label(&mut self, server: SocketAddr) -> String {
        self.own_label(server).unwrap_or_else(|| OTHER.to_owned())
    }

    /// Returns the label of a server, if it has or gets one of its own.
    pub(crate) fn own_label(&mut self, server: SocketAddr) -> Option<String> {
        if self.known.len() < LABELS_MAX {
            self.known.entry(server).or_insert_with(|| server.to_string());
        }
        self.known.get(&server).cloned()
    }

    /// Returns every label that was given.
    pub(crate) fn all(&self) -> impl Iterator<Item = String> {
        self.known.values().cloned().chain([OTHER.to_owned()])
    }
}
