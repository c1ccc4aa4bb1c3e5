//! What programs in the kernel and this process tell each other, byte by byte, in the order of
//! bytes of the host.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A limit in the value of a table: four words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// `TCP_KEEPIDLE`, in seconds.
    Idle,
    /// `TCP_KEEPINTVL`, in seconds.
    Interval,
    /// `TCP_KEEPCNT`.
    Count,
    /// `TCP_USER_TIMEOUT`, in milliseconds.
    UserTimeout,
}

/// A counter of a guard: a number of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    Opened,
    Accepted,
    Changed,
    Kept,
    Failed,
    Held,
    Spared,
    Others,
}

/// What is counted for a destination: numbers of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tally {
    Connections,
    Changed,
}

/// Where things stand in what an iterator writes for a socket, in bytes.
pub(super) struct RecordLayout {
    pub(super) address: i16,
    pub(super) remote_port: i16,
    pub(super) local_port: i16,
    /// What the five options were: on or off, idle, interval, count, user timeout.
    pub(super) before: i16,
    pub(super) changes: i16,
    pub(super) failures: i16,
}

/// The length of a table's key: the length of the prefix, a port, an address.
pub(super) const KEY_LEN: usize = 24;
/// The length of a destination's key: a port, an address.
pub(super) const DESTINATION_LEN: usize = 20;
/// The length of a table's value.
pub(super) const LIMITS_LEN: usize = 16;
/// The length of the counters.
pub(super) const COUNTERS_LEN: usize = 64;
/// The length of what is counted for a destination.
pub(super) const TALLY_LEN: i16 = 16;
/// The length of a record, which the kernel wants to be a multiple of eight on the stack.
pub(super) const RECORD_LEN: i16 = 56;

pub(super) const RECORD: RecordLayout = RecordLayout {
    address: 0,
    remote_port: 16,
    local_port: 20,
    before: 24,
    changes: 44,
    failures: 48,
};

impl Limit {
    pub(super) const fn offset(self) -> i16 {
        4 * self as i16
    }
}

impl Counter {
    pub(super) const fn offset(self) -> i32 {
        8 * self as i32
    }
}

impl Tally {
    pub(super) const fn offset(self) -> i16 {
        8 * self as i16
    }
}

/// Returns an address as programs have it: of 16 bytes, one of IPv4 mapped to IPv6.
pub(super) fn address(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Returns a port as programs have it: as on the wire, and two bytes of zeros.
pub(super) fn port(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

/// Reads an address and a port.
pub(super) fn socket(address: [u8; 16], port: [u8; 4]) -> SocketAddr {
    let address = IpAddr::V6(Ipv6Addr::from(address)).to_canonical();
    SocketAddr::new(address, u16::from_be_bytes([port[0], port[1]]))
}

/// Reads a destination's key.
pub(super) fn destination(key: &[u8; DESTINATION_LEN]) -> SocketAddr {
    let (port, address) = key.split_at(4);
    socket(core::array::from_fn(|at| address[at]), core::array::from_fn(|at| port[at]))
}

/// Reads the word at a place; zero where there is none.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.copied().map_or(0, u32::from_ne_bytes)
}

/// Reads the number of 64 bits at a place; zero where there is none.
pub(super) fn number(bytes: &[u8], at: usize) -> u64 {
    let number = bytes.get(at..).and_then(|rest| rest.first_chunk());
    number.copied().map_or(0, u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_either_family_is_read_as_it_was_written() {
        for text in ["198.51.100.10:443", "[2001:db8::1]:5432"] {
            let one: SocketAddr = text.parse().unwrap();
            assert_eq!(socket(address(one.ip()), port(one.port())), one);
        }
    }

    #[test]
    fn what_is_missing_is_zero() {
        assert_eq!(word(&[1, 0, 0], 0), 0);
        assert_eq!(number(&[0; 8], 8), 0);
    }
}
