//! Values that several flows share, each kept for as long as one of them needs it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::config::Dependence;
use super::mapping::Ends;

/// Values by the ends that share them, with the number of flows that do.
#[derive(Debug)]
pub(super) struct Tally<V>(BTreeMap<Ends, (V, u32)>);

impl<V> Default for Tally<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> Tally<V> {
    /// Counts one more flow and tells whether it is the first, whose value is kept.
    pub(super) fn add(&mut self, ends: Ends, value: V) -> bool {
        let (_, flows) = self.0.entry(ends).or_insert((value, 0));
        *flows += 1;
        *flows == 1
    }

    /// Counts one flow less and tells whether it was the last.
    pub(super) fn remove(&mut self, ends: &Ends) -> bool {
        let Some((_, flows)) = self.0.get_mut(ends) else { return false };
        *flows -= 1;
        let last = *flows == 0;
        if last {
            self.0.remove(ends);
        }
        last
    }

    pub(super) fn get(&self, ends: &Ends) -> Option<&V> {
        self.0.get(ends).map(|(value, _)| value)
    }

    pub(super) fn count(&self, ends: &Ends) -> u32 {
        self.0.get(ends).map_or(0, |&(_, flows)| flows)
    }
}

impl Ends {
    /// Returns the ends with only so much of the far one as `dependence` depends on.
    pub(super) fn masked(&self, dependence: Dependence) -> Self {
        let any = match self.far() {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        match dependence {
            Dependence::Endpoint => self.with_far(SocketAddr::new(any, 0)),
            Dependence::Address => self.with_far(SocketAddr::new(self.far().ip(), 0)),
            Dependence::AddressAndPort => *self,
        }
    }
}
