//! Listeners and the connections that wait to be accepted.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::tcp::ConnectionId;
use crate::tcp::event::Error;

/// Names a listener of one host. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(u32);

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    backlog: usize,
    /// How many connections have sent a SYN and not yet answered ours.
    pub(super) half_open: usize,
    pub(super) accepted: VecDeque<ConnectionId>,
}

impl Listener {
    /// Tells whether a SYN is dropped (`net/ipv4/tcp_input.c`, `tcp_conn_request` without cookies).
    pub(super) fn is_full(&self) -> bool {
        self.half_open >= self.backlog.max(1) || self.queue_is_full()
    }

    /// Tells whether the last step of a handshake is dropped, to be repeated by the peer
    /// (`include/net/sock.h`, `sk_acceptq_is_full`: one more than the backlog fits).
    pub(super) fn queue_is_full(&self) -> bool {
        self.accepted.len() > self.backlog
    }
}

/// The listeners of a host.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_id: BTreeMap<ListenerId, Listener>,
    by_address: BTreeMap<SocketAddr, ListenerId>,
    next: u32,
}

impl Listeners {
    pub(super) fn add(&mut self, local: SocketAddr, backlog: usize) -> Result<ListenerId, Error> {
        if self.by_address.contains_key(&local) {
            return Err(Error::AddressInUse);
        }
        let id = ListenerId(self.next);
        self.next += 1;
        self.by_address.insert(local, id);
        let listener = Listener { local, backlog, half_open: 0, accepted: VecDeque::new() };
        self.by_id.insert(id, listener);
        Ok(id)
    }

    pub(super) fn remove(&mut self, id: ListenerId) {
        if let Some(listener) = self.by_id.remove(&id) {
            self.by_address.remove(&listener.local);
        }
    }

    pub(super) fn ids(&self) -> Vec<ListenerId> {
        self.by_id.keys().copied().collect()
    }

    /// Returns all listeners, in the order of their addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.by_address.values().filter_map(|id| self.by_id.get(id))
    }

    pub(super) fn get_mut(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn get(&self, id: ListenerId) -> Option<&Listener> {
        self.by_id.get(&id)
    }

    /// Returns who listens on an address: on it, or on its port at all addresses.
    pub(super) fn at(&self, local: SocketAddr) -> Option<ListenerId> {
        let any: IpAddr = match local {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let exact = self.by_address.get(&local);
        exact.or_else(|| self.by_address.get(&SocketAddr::new(any, local.port()))).copied()
    }
}
