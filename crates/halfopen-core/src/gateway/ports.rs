//! Which external address and port a flow gets (RFC 4787 section 4).

use core::ops::RangeInclusive;
use std::net::{IpAddr, SocketAddr};

use super::config::{Dependence, Translation};
use super::mapping::{Ends, Mapping};
use super::tally::Tally;
use crate::rng::Rng;

/// The external addresses and ports, and who has which.
#[derive(Debug)]
pub(super) struct Ports {
    translation: Translation,
    /// What tells two mappings with one external port apart.
    scope: Dependence,
    /// The external end that an inside end has, toward what mapping depends on.
    bindings: Tally<SocketAddr>,
    /// The external ends in use, toward what tells them apart.
    reserved: Tally<()>,
    /// How many external ends of an address are in use, toward what tells them apart.
    used: Tally<()>,
    rng: Rng,
}

impl Ports {
    pub(super) fn new(translation: Translation, filtering: Dependence, rng: Rng) -> Self {
        Self {
            scope: translation.mapping.min(filtering),
            translation,
            bindings: Tally::default(),
            reserved: Tally::default(),
            used: Tally::default(),
            rng,
        }
    }

    /// Chooses an external end for a flow; `None` if there is none left. A port in use is still
    /// free toward a destination that tells its packets from the others'.
    ///
    /// `is_taken` tells whether a flow is remembered under these ends as named outside.
    pub(super) fn choose(
        &mut self,
        inner: &Ends,
        is_taken: impl Fn(&Ends) -> bool,
    ) -> Option<SocketAddr> {
        if let Some(&external) = self.bindings.get(&self.binding(inner)) {
            return Some(external);
        }
        let v4 = inner.near().is_ipv4();
        let external = &self.translation.external;
        let family: Vec<IpAddr> =
            external.iter().copied().filter(|address| address.is_ipv4() == v4).collect();
        let first = pairing(inner.near().ip(), family.len());
        let paired_first = family.iter().cycle().skip(first).take(family.len());
        paired_first.copied().find_map(|address| self.choose_port(address, inner, &is_taken))
    }

    /// Takes the external end of a new mapping into use.
    pub(super) fn acquire(&mut self, mapping: &Mapping) {
        let outer = mapping.outer();
        if self.is_shared() {
            self.bindings.add(self.binding(&mapping.inner()), outer.near());
            if !self.reserved.add(outer.masked(self.scope), ()) {
                return;
            }
        }
        self.used.add(self.usage(&outer), ());
    }

    /// Gives back the external end of a forgotten mapping.
    pub(super) fn release(&mut self, mapping: &Mapping) {
        let outer = mapping.outer();
        if self.is_shared() {
            self.bindings.remove(&self.binding(&mapping.inner()));
            if !self.reserved.remove(&outer.masked(self.scope)) {
                return;
            }
        }
        self.used.remove(&self.usage(&outer));
    }

    /// Tells whether packets from outside to `address` are for the gateway.
    #[inline]
    pub(super) fn owns(&self, address: IpAddr) -> bool {
        self.translation.external.contains(&address)
    }

    /// Tells whether flows to an address of this family can be translated.
    #[inline]
    pub(super) fn serves(&self, address: IpAddr) -> bool {
        self.translation.external.iter().any(|external| external.is_ipv4() == address.is_ipv4())
    }

    pub(super) const fn hairpins(&self) -> bool {
        self.translation.hairpinning
    }

    fn choose_port(
        &mut self,
        address: IpAddr,
        inner: &Ends,
        is_taken: impl Fn(&Ends) -> bool,
    ) -> Option<SocketAddr> {
        let end = |port| inner.with_near(SocketAddr::new(address, port));
        let ports = &self.translation.ports;
        let limit = self.translation.per_destination.unwrap_or(u32::MAX).min(len(ports));
        if self.used.count(&self.usage(&end(0))) >= limit {
            return None;
        }
        // RFC 6056 section 3.3.1: a random start, then the next free one.
        let start = self.rng.below(u64::from(len(ports)));
        let start = ports.start() + u16::try_from(start).unwrap_or(0);
        let is_free = |&port: &u16| {
            if self.is_shared() {
                self.reserved.count(&end(port).masked(self.scope)) == 0
            } else {
                !is_taken(&end(port))
            }
        };
        let own = Some(inner.near().port());
        let kept = own.filter(|port| self.translation.preserve_port && ports.contains(port));
        let rest = (start..=*ports.end()).chain(*ports.start()..start);
        let port = kept.into_iter().chain(rest).find(is_free)?;
        Some(SocketAddr::new(address, port))
    }

    /// Tells whether several flows may have one external end in common, so that it must be known
    /// apart from them.
    fn is_shared(&self) -> bool {
        self.scope != Dependence::AddressAndPort
    }

    fn binding(&self, inner: &Ends) -> Ends {
        inner.masked(self.translation.mapping)
    }

    fn usage(&self, outer: &Ends) -> Ends {
        let near = SocketAddr::new(outer.near().ip(), 0);
        outer.masked(self.scope).with_near(near)
    }
}

/// RFC 4787 REQ-2: an inside address gets one external address as long as that has ports.
fn pairing(inside: IpAddr, externals: usize) -> usize {
    let bits = match inside {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    usize::try_from(bits % externals.max(1) as u128).unwrap_or(0)
}

fn len(ports: &RangeInclusive<u16>) -> u32 {
    u32::from(*ports.end()) - u32::from(*ports.start()) + 1
}
