//! One connection seen at two points.
//!
//! A capture of all interfaces of a gateway, or of two files merged, shows a translated connection
//! under two names. Translation of the source keeps sequence numbers and destination, so the SYNs
//! give it away.

use std::collections::BTreeMap;

use halfopen_core::time::{Duration, Instant};

use crate::sighting::Sighting;
use crate::timeline::End;

/// A SYN needs no longer from one point to the other, unless it is lost, and then it is sent again.
const WAY_MAX: Duration = Duration::from_secs(3);
const SYNS_MAX: usize = 4096;

/// The SYNs of late, by sequence number and destination.
#[derive(Debug, Default)]
pub(super) struct Twins {
    syns: BTreeMap<(u32, End), Instant>,
    /// When the old ones were last thrown out: not at every SYN, or a flood of them would take the
    /// square of its length.
    cleared: Option<Instant>,
}

impl Twins {
    /// Tells whether a SYN was seen before under another name.
    pub(super) fn is_twin(&mut self, seen: &Sighting<'_>) -> bool {
        let key = (seen.tcp.seq.0, seen.dst);
        let now = seen.mark.at();
        if self.syns.get(&key).is_some_and(|&first| now.saturating_since(first) <= WAY_MAX) {
            return true;
        }
        let stale = self.cleared.is_none_or(|at| now.saturating_since(at) > WAY_MAX);
        if self.syns.len() >= SYNS_MAX && stale {
            self.syns.retain(|_, &mut at| now.saturating_since(at) <= WAY_MAX);
            self.cleared = Some(now);
        }
        if self.syns.len() < SYNS_MAX {
            self.syns.insert(key, now);
        }
        false
    }
}
