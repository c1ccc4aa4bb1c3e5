//! Sequence numbers, which wrap around.

use core::fmt;
use core::ops::Add;

/// A TCP sequence number (RFC 9293 section 3.4): compared modulo 2^32, so it has no total order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// Returns how far this number is past `earlier`; negative if it is before it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Returns the number `len` bytes further on; `len` must be below 2^32.
    #[must_use]
    pub fn advance(self, len: usize) -> Self {
        self + u32::try_from(len).expect("a piece is shorter than the sequence space")
    }

    /// Tells whether this number comes before `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        self.since(other) < 0
    }

    /// Tells whether this number comes after `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        self.since(other) > 0
    }

    /// Returns the later of the two.
    #[must_use]
    pub const fn latest(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
