//! What a request is known by when it goes out again.

use core::slice::ChunksExact;

use crate::sighting::Sighting;

/// So many of a request's first bytes are compared; of the rest, only how many there are.
const COMPARED_MAX: u32 = 4096;
/// Odd numbers with their bits well spread (of the golden ratio and of the square root of 2).
const KEYS: [u32; 2] = [0x9e37_79b9, 0x6a09_e667];

/// The bytes of a request, as far as they are compared. However they are cut into segments, the
/// same bytes give the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub(crate) struct Content {
    hash: u64,
    /// The last bytes, fewer than eight, that are not hashed yet.
    rest: [u8; 7],
    pub(crate) len: u32,
    /// All bytes were there to be read, and they are not encrypted.
    pub(crate) readable: bool,
}

impl Default for Content {
    fn default() -> Self {
        Self { hash: 0, rest: [0; 7], len: 0, readable: true }
    }
}

impl Content {
    /// Adds the payload of the request's next segment.
    pub(crate) fn add(&mut self, seen: &Sighting<'_>) {
        let encrypted = self.len == 0 && matches!(seen.payload, [0x14..=0x17, 3, ..]);
        self.readable &= seen.payload.len() == seen.len as usize && !encrypted;
        let room = COMPARED_MAX.saturating_sub(self.len) as usize;
        self.add_bytes(&seen.payload[..seen.payload.len().min(room)]);
        self.len = self.len.saturating_add(seen.len);
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        let held = (self.len % 8) as usize;
        let mut place = self.len / 8;
        let (first, bytes) = bytes.split_at(bytes.len().min((8 - held) % 8));
        if held > 0 {
            let mut word = [0; 8];
            word[..7].copy_from_slice(&self.rest);
            word[held..held + first.len()].copy_from_slice(first);
            if held + first.len() == 8 {
                self.hash = self.hash.wrapping_add(mix(keys(place), word));
                place += 1;
                word = [0; 8];
            }
            self.rest.copy_from_slice(&word[..7]);
        }
        let words = bytes.chunks_exact(8);
        let rest = words.remainder();
        self.hash = self.hash.wrapping_add(mix_all(place, words));
        self.rest[..rest.len()].copy_from_slice(rest);
    }
}

/// Mixes the words from a place on.
fn mix_all(place: u32, words: ChunksExact<'_, u8>) -> u64 {
    let (mut sum, mut keys) = (0_u64, keys(place));
    for word in words {
        sum = sum.wrapping_add(mix(keys, word.try_into().unwrap_or_default()));
        keys = [keys[0].wrapping_add(KEYS[0]), keys[1].wrapping_add(KEYS[1])];
    }
    sum
}

/// Returns the keys of a place.
fn keys(place: u32) -> [u32; 2] {
    KEYS.map(|key| place.wrapping_add(1).wrapping_mul(key))
}

/// Mixes a word with the keys of its place, so that words can be added up in any order: no word
/// waits for the one before it. Its halves are multiplied (NH, RFC 4418 section 5.2.2).
#[inline]
fn mix(keys: [u32; 2], word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
    let low = half(word).wrapping_add(keys[0]);
    let high = half(word >> 32).wrapping_add(keys[1]);
    u64::from(low) * u64::from(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_core::rng::Rng;

    fn add(content: &mut Content, bytes: &[u8]) {
        content.add_bytes(bytes);
        content.len += u32::try_from(bytes.len()).unwrap();
    }

    #[test]
    fn the_same_bytes_are_the_same_content_however_they_are_cut() {
        let mut rng = Rng::new(4096);
        for _ in 0..1_000 {
            let bytes: Vec<u8> =
                (0..rng.below(60)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
            let (mut whole, mut cut) = (Content::default(), Content::default());
            add(&mut whole, &bytes);
            let mut left = bytes.as_slice();
            while !left.is_empty() {
                let (segment, later) = left.split_at(rng.index(left.len()) + 1);
                add(&mut cut, segment);
                left = later;
            }
            assert_eq!(whole, cut, "{bytes:?}");
        }
    }

    #[test]
    fn one_other_byte_is_another_content() {
        let (mut one, mut other) = (Content::default(), Content::default());
        add(&mut one, b"{\"subscription\": 10}");
        add(&mut other, b"{\"subscription\": 13}");
        assert_ne!(one, other);
    }
}
