//! What a request is known by when it goes out again.

use crate::sighting::Sighting;

/// So many of a request's first bytes are compared; of the rest, only how many there are.
const COMPARED_MAX: u32 = 4096;
/// Odd numbers with their bits well spread (of the golden ratio and of the square root of 2).
const MIX_PLACE: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX_WORD: u64 = 0x6a09_e667_f3bc_c909;

/// The bytes of a request, as far as they are compared. However they are cut into segments, the
/// same bytes give the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    hash: u64,
    /// The last bytes, fewer than eight, that are not hashed yet.
    rest: u64,
    pub(crate) len: u32,
    /// All bytes were there to be read, and they are not encrypted.
    pub(crate) readable: bool,
}

impl Default for Content {
    fn default() -> Self {
        Self { hash: 0, rest: 0, len: 0, readable: true }
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
        let mut place = u64::from(self.len / 8);
        let (first, bytes) = bytes.split_at(bytes.len().min((8 - held) % 8));
        for (index, &byte) in first.iter().enumerate() {
            self.rest |= u64::from(byte) << (8 * (held + index));
        }
        if held > 0 && held + first.len() == 8 {
            self.hash = self.hash.wrapping_add(mix(place, self.rest));
            self.rest = 0;
            place += 1;
        }
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            self.hash = self.hash.wrapping_add(mix(place, word));
            place += 1;
        }
        for (index, &byte) in words.remainder().iter().enumerate() {
            self.rest |= u64::from(byte) << (8 * index);
        }
    }
}

/// Mixes a word and its place, so that words can be added up in any order: no word waits for the
/// one before it.
fn mix(place: u64, word: u64) -> u64 {
    let mixed = (word ^ place.wrapping_add(1).wrapping_mul(MIX_PLACE)).wrapping_mul(MIX_WORD);
    mixed ^ mixed >> 29
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
