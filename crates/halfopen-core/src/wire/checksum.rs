//! The Internet checksum (RFC 1071) and its update in place (RFC 1624).

use std::net::IpAddr;

/// Returns the one's complement sum of `bytes` as big-endian 16-bit words, added to `start`.
#[must_use]
pub fn sum(start: u16, bytes: &[u8]) -> u16 {
    let mut total = u64::from(start);
    // Four bytes at a time: the carries fold at the end (RFC 1071 section 2, deferred carries).
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        total += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    }
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    fold(total + u64::from(u32::from_be_bytes(last)))
}

/// Returns the sum of the pseudo-header of a transport protocol (RFC 9293 section 3.1 for IPv4,
/// RFC 8200 section 8.1 for IPv6).
#[must_use]
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> u16 {
    let addresses = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => sum(sum(0, &src.octets()), &dst.octets()),
        (src, dst) => {
            let wide = |address| match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            sum(sum(0, &wide(src)), &wide(dst))
        }
    };
    fold(u64::from(addresses) + length as u64 + u64::from(protocol))
}

/// Returns a checksum corrected for `old` bytes that became `new` (RFC 1624 equation 3).
///
/// Both must have the same even length and start at an even offset of what the checksum covers.
#[must_use]
#[inline]
pub fn update(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    Change::of(old, new).apply(checksum)
}

/// What a change of some bytes does to every checksum that covers them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change(u64);

impl Change {
    /// No change.
    pub(super) const NONE: Self = Self(0);

    /// Returns the change from `old` to `new` bytes; see [`update`] for what they must be.
    #[inline]
    pub(super) fn of(old: &[u8], new: &[u8]) -> Self {
        debug_assert_eq!(old.len(), new.len());
        let ((old, old_rest), (new, new_rest)) = (old.as_chunks(), new.as_chunks());
        // Four bytes at a time, as in `sum`, and two for what is left.
        let long = |(&old, &new): (&[u8; 4], &[u8; 4])| {
            u64::from(!u32::from_be_bytes(old)) + u64::from(u32::from_be_bytes(new))
        };
        let short = |(&old, &new): (&[u8; 2], &[u8; 2])| {
            u64::from(!u16::from_be_bytes(old)) + u64::from(u16::from_be_bytes(new))
        };
        let rest = old_rest.as_chunks().0.iter().zip(new_rest.as_chunks().0);
        Self(old.iter().zip(new).map(long).chain(rest.map(short)).sum())
    }

    /// Returns this change and another.
    #[inline]
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Returns a checksum corrected for the change.
    #[inline]
    pub(super) fn apply(self, checksum: u16) -> u16 {
        !self.apply_to_sum(!checksum)
    }

    /// Returns a sum, of which a checksum is the complement, corrected for the change.
    #[inline]
    pub(super) fn apply_to_sum(self, sum: u16) -> u16 {
        fold(u64::from(sum) + self.0)
    }
}

#[inline]
fn fold(mut total: u64) -> u16 {
    while let high @ 1.. = total >> 16 {
        total = (total & 0xffff) + high;
    }
    u16::try_from(total).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_sum_is_that_of_rfc_1071_section_3() {
        assert_eq!(sum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn an_update_reaches_zero_as_rfc_1624_section_4_shows() {
        assert_eq!(update(0xdd2f, &[0x55, 0x55], &[0x32, 0x85]), 0x0000);
    }

    #[test]
    fn an_update_equals_a_new_sum() {
        let mut rng = Rng::new(1624);
        for _ in 0..10_000 {
            let mut bytes = [0; 24];
            bytes.fill_with(|| u8::try_from(rng.below(256)).unwrap());
            bytes[0] = 0x45; // an IP packet is never all zeros
            let before = !sum(0, &bytes);
            let old: [u8; 4] = bytes[8..12].try_into().unwrap();
            bytes[8..12].fill_with(|| u8::try_from(rng.below(256)).unwrap());
            assert_eq!(update(before, &old, &bytes[8..12]), !sum(0, &bytes));
        }
    }
}
