//! An interface of a section, and its clock.

use halfopen_core::time::Instant;

use crate::pcap::{ByteOrder, Link};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What an interface description block says about its frames.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) link: Link,
    /// The most bytes of a frame that are kept.
    pub(super) snap_len: u32,
    tick: Tick,
    /// What to add to each time, in seconds.
    offset: i64,
}

/// How long one unit of the interface's clock takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// So many nanoseconds.
    Nanos(u64),
    /// A nanosecond has so many.
    PerNano(u64),
    /// A second has two to the power of so many.
    PerSecond(u8),
    /// So short that all a block can count to is two nanoseconds.
    Absurd,
}

impl Interface {
    /// Reads the block from behind its header on; `None` if it is too short.
    pub(super) fn read(order: ByteOrder, body: &[u8]) -> Option<Self> {
        let mut options = body.get(8..)?;
        let (link, snap_len) = (Link(order.u16(body, 0)), order.u32(body, 4));
        let snap_len = if snap_len == 0 { u32::MAX } else { snap_len };
        // Without an option, a tick is a microsecond (section 4.2, if_tsresol).
        let mut interface = Self { link, snap_len, tick: Tick::Nanos(1_000), offset: 0 };
        while options.len() >= 4 {
            let (code, length) = (order.u16(options, 0), usize::from(order.u16(options, 2)));
            let Some(value) = options[4..].get(..length) else { break };
            match (code, value) {
                (0, _) => break,
                (9, &[resolution]) => interface.tick = Tick::from_resolution(resolution),
                (14, value) => {
                    interface.offset = offset(order, value).unwrap_or(interface.offset);
                }
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }

    /// Returns the time that is `ticks` on this interface's clock, if it is one.
    #[inline]
    pub(super) fn time(&self, ticks: u64) -> Option<Instant> {
        let nanos = match self.tick {
            Tick::Nanos(nanos) => ticks.checked_mul(nanos)?,
            Tick::PerNano(ticks_per_nano) => ticks / ticks_per_nano,
            Tick::PerSecond(power) => {
                let nanos = (u128::from(ticks) * u128::from(NANOS_PER_SECOND)) >> power;
                u64::try_from(nanos).ok()?
            }
            Tick::Absurd => return None,
        };
        let offset = self.offset.unsigned_abs().checked_mul(NANOS_PER_SECOND)?;
        let nanos =
            if self.offset < 0 { nanos.checked_sub(offset)? } else { nanos.checked_add(offset)? };
        Some(Instant::from_nanos(nanos))
    }
}

impl Tick {
    /// Reads `if_tsresol`: a negative power of ten or, with the highest bit, of two.
    fn from_resolution(resolution: u8) -> Self {
        let power = resolution & 0x7f;
        if resolution & 0x80 != 0 {
            return Self::PerSecond(power);
        }
        match power {
            0..=9 => Self::Nanos(10_u64.pow(9 - u32::from(power))),
            10..=28 => Self::PerNano(10_u64.pow(u32::from(power) - 9)),
            _ => Self::Absurd,
        }
    }
}

/// Reads `if_tsoffset`, a signed 64-bit number of seconds.
fn offset(order: ByteOrder, value: &[u8]) -> Option<i64> {
    let value = <[u8; 8]>::try_from(value).ok()?;
    Some(match order {
        ByteOrder::Little => i64::from_le_bytes(value),
        ByteOrder::Big => i64::from_be_bytes(value),
    })
}
