//! The connections of a host: found by id and by the pair of addresses.

use core::hash::BuildHasher as _;
use std::net::SocketAddr;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::tcp::connection::Connection;
use crate::tcp::listener::ListenerId;

/// Names a connection of one host. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub(super) slot: u32,
    generation: u32,
}

#[derive(Debug, Default)]
struct Slot {
    /// How many connections this slot has held.
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// The connections of a host. Finding one costs the same however many there are; the order of the
/// hash table cannot be seen.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_addresses: HashTable<u32>,
    hasher: FixedState,
}

impl Table {
    /// Returns how many connections there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Makes room for a connection and returns its id.
    pub(super) fn insert(&mut self, make: impl FnOnce(ConnectionId) -> Connection) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("fewer connections than 2^32")
        });
        let entry = &mut self.slots[slot as usize];
        let id = ConnectionId { slot, generation: entry.generation };
        let connection = make(id);
        let hash = self.hasher.hash_one(Some((connection.local, connection.remote)));
        entry.connection = Some(Box::new(connection));
        let Self { slots, by_addresses, hasher, .. } = self;
        by_addresses.insert_unique(hash, slot, |slot| hasher.hash_one(pair_of(slots, *slot)));
        id
    }

    /// Makes a connection unknown to the network; its program may still hold it.
    pub(super) fn unlink(&mut self, slot: u32) {
        let hash = self.hasher.hash_one(pair_of(&self.slots, slot));
        if let Ok(entry) = self.by_addresses.find_entry(hash, |found| *found == slot) {
            entry.remove();
        }
    }

    /// Removes a connection that is unlinked.
    pub(super) fn free(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        if entry.connection.take().is_some() {
            entry.generation = entry.generation.wrapping_add(1);
            self.free.push(slot);
        }
    }

    /// Returns the slot of the connection between two addresses.
    pub(super) fn find(&self, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        let pair = Some((local, remote));
        let hash = self.hasher.hash_one(pair);
        let same = |slot: &u32| pair_of(&self.slots, *slot) == pair;
        self.by_addresses.find(hash, same).copied()
    }

    /// Returns the slots of all connections that came to a listener and were not accepted.
    pub(super) fn waiting_for(&self, listener: ListenerId) -> Vec<u32> {
        let waits = |slot: &Slot| {
            slot.connection.as_deref().is_some_and(|waiting| waiting.listener == Some(listener))
        };
        let slots = (0..).zip(&self.slots).filter(|(_, slot)| waits(slot));
        slots.map(|(index, _)| index).collect()
    }

    /// Returns the slots of all connections that a program holds.
    pub(super) fn held(&self) -> Vec<u32> {
        self.iter().filter(|connection| !connection.orphan).map(|held| held.id.slot).collect()
    }

    /// Returns the slots of all connections.
    pub(super) fn all(&self) -> Vec<u32> {
        self.iter().map(|connection| connection.id.slot).collect()
    }

    /// Returns all connections, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.connection.as_deref())
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.connection.as_deref().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        slot.connection.as_deref_mut().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> Option<&mut Connection> {
        self.slots.get_mut(slot as usize)?.connection.as_deref_mut()
    }
}

fn pair_of(slots: &[Slot], slot: u32) -> Option<(SocketAddr, SocketAddr)> {
    let connection = slots.get(slot as usize)?.connection.as_deref()?;
    Some((connection.local, connection.remote))
}
