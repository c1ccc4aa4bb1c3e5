//! Room for packets, used again and again.

use crate::tun::PACKET_MAX;

/// What most packets fit that are not to be cut up.
const SHORT: usize = 2048;

/// How many buffers of either kind are kept. Packets that are under way have theirs besides.
const LONG_MAX: usize = 16;
const SHORT_MAX: usize = 1024;

/// Buffers that are not in use, of two sizes, so that short packets that wait on a slow link hold
/// no room for long ones.
#[derive(Debug)]
pub(super) struct Buffers {
    /// What is read into next.
    room: Vec<u8>,
    long: Vec<Vec<u8>>,
    short: Vec<Vec<u8>>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { room: long(), long: Vec::new(), short: Vec::new() }
    }

    /// Returns a buffer with room for any packet, which [`take`](Self::take) takes from there.
    pub(super) const fn room(&mut self) -> &mut Vec<u8> {
        &mut self.room
    }

    /// Returns what was written to the room.
    pub(super) fn take(&mut self) -> Vec<u8> {
        if self.room.len() <= SHORT {
            let mut taken = self.short.pop().unwrap_or_else(|| Vec::with_capacity(SHORT));
            taken.clear();
            taken.extend_from_slice(&self.room);
            return taken;
        }
        let room = self.long.pop().unwrap_or_else(long);
        core::mem::replace(&mut self.room, room)
    }

    /// Takes a buffer back.
    pub(super) fn put(&mut self, buffer: Vec<u8>) {
        let (kept, max) = match buffer.capacity() {
            PACKET_MAX.. => (&mut self.long, LONG_MAX),
            SHORT.. => (&mut self.short, SHORT_MAX),
            _ => return,
        };
        if kept.len() < max {
            kept.push(buffer);
        }
    }
}

fn long() -> Vec<u8> {
    Vec::with_capacity(PACKET_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_used_again() {
        let mut buffers = Buffers::new();
        for length in [100, 60_000, 100, 60_000] {
            buffers.room().clear();
            buffers.room().resize(length, 7);
            let taken = buffers.take();
            assert_eq!(taken, vec![7; length]);
            buffers.put(taken);
            assert!(buffers.room().capacity() >= PACKET_MAX);
        }
        assert_eq!((buffers.long.len(), buffers.short.len()), (1, 1));
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut buffers = Buffers::new();
        for _ in 0..2 * SHORT_MAX {
            buffers.put(Vec::with_capacity(SHORT));
            buffers.put(Vec::with_capacity(PACKET_MAX));
            buffers.put(Vec::with_capacity(40));
        }
        assert_eq!((buffers.long.len(), buffers.short.len()), (LONG_MAX, SHORT_MAX));
    }
}
