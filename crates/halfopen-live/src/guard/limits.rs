//! For how long the kernel may be silent on a connection, and on which ones.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::str::FromStr;
use core::time::Duration;

use super::layout::{KEY_LEN, LIMITS_LEN, address, port};

/// `MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL` of `net/tcp.h`, in seconds.
const SECONDS_MAX: u32 = 32_767;
/// `MAX_TCP_KEEPCNT` of `net/tcp.h`.
const COUNT_MAX: u32 = 127;
/// The time between probes is at most this, unless somebody says so.
const INTERVAL_MAX: u32 = 15;
/// So many probes without an answer end a connection, unless somebody says otherwise.
const COUNT: u32 = 3;

/// A time or a number that the kernel does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfRange {
    /// Of the idle time or of the time between probes.
    #[error("{0:?} is not 1 s to 32767 s, which is what the kernel's keepalive takes")]
    Time(Duration),
    /// Of the number of probes.
    #[error("{0} probes are not 1 to 127, which is what the kernel's keepalive takes")]
    Count(u32),
}

/// What socket options are not to be longer than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    idle_s: u32,
    interval_s: u32,
    count: u32,
}

impl Limits {
    /// Returns limits with an idle time of at least a second, of which whole seconds count.
    ///
    /// Probes that are not answered are sent again after an eighth of it, or 15 s if that is less,
    /// and three times: all of them are out before the idle time has passed for a second time, so
    /// that a timer of twice the idle time survives the loss of all but one.
    pub fn new(idle: Duration) -> Result<Self, OutOfRange> {
        let idle_s = seconds(idle)?;
        Ok(Self { idle_s, interval_s: (idle_s / 8).clamp(1, INTERVAL_MAX), count: COUNT })
    }

    /// Sends probes that are not answered again after this.
    pub fn with_interval(self, interval: Duration) -> Result<Self, OutOfRange> {
        Ok(Self { interval_s: seconds(interval)?, ..self })
    }

    /// Sends so many probes.
    pub fn with_count(self, count: u32) -> Result<Self, OutOfRange> {
        let fits = (1..=COUNT_MAX).contains(&count);
        if fits { Ok(Self { count, ..self }) } else { Err(OutOfRange::Count(count)) }
    }

    /// Returns after which silence a probe is sent: `TCP_KEEPIDLE`.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s as u64)
    }

    /// Returns after which time without an answer it is sent again: `TCP_KEEPINTVL`.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s as u64)
    }

    /// Returns how many are sent: `TCP_KEEPCNT`.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Returns when a connection is given up on which nobody answers: `TCP_USER_TIMEOUT`. It is
    /// when the last probe would have had its answer, so that data and probes wait alike; with it,
    /// the kernel ends a connection by this and not by the number of probes
    /// (`net/ipv4/tcp_timer.c`, `tcp_keepalive_timer`).
    #[must_use]
    pub const fn user_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_s as u64 + self.interval_s as u64 * self.count as u64)
    }

    /// Returns what a table has for them.
    pub(super) fn bytes(self) -> [u8; LIMITS_LEN] {
        // At most 32767 + 127 * 32767 seconds, which are less than 2^32 milliseconds by far.
        let user_timeout_ms = (self.idle_s + self.interval_s * self.count) * 1_000;
        let mut bytes = [0; LIMITS_LEN];
        let words = [self.idle_s, self.interval_s, self.count, user_timeout_ms];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle_s, interval_s, count } = self;
        let user_timeout_s = self.user_timeout().as_secs();
        write!(
            f,
            "idle {idle_s} s, then {count} probes {interval_s} s apart, {user_timeout_s} s in all"
        )
    }
}

fn seconds(time: Duration) -> Result<u32, OutOfRange> {
    let seconds = u32::try_from(time.as_secs()).ok();
    let fits = seconds.filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
    fits.ok_or(OutOfRange::Time(time))
}

/// Far ends of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    network: IpAddr,
    bits: u8,
    port: Option<u16>,
}

/// A text that names no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is none of NETWORK, NETWORK:PORT, *:PORT: such as 10.0.0.0/8:443, [2001:db8::]/32:443"
)]
pub struct NoDestination(String);

impl Destination {
    /// Everywhere.
    pub const ANY: Self = Self { network: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 0, port: None };

    /// Returns what a table calls it: the first so many bits of a port and an address. Without a
    /// port the table is asked for port zero.
    pub(super) fn key(&self) -> [u8; KEY_LEN] {
        let mapped = if self.network.is_ipv4() { 128 - 32 } else { 0 };
        let bits = 32 + mapped + u32::from(self.bits);
        let mut key = [0; KEY_LEN];
        let (length, rest) = key.split_at_mut(4);
        let (listens, far) = rest.split_at_mut(4);
        length.copy_from_slice(&bits.to_ne_bytes());
        listens.copy_from_slice(&port(self.port.unwrap_or_default()));
        far.copy_from_slice(&address(self.network));
        key
    }
}

impl From<SocketAddr> for Destination {
    fn from(one: SocketAddr) -> Self {
        let network = one.ip().to_canonical();
        let bits = if network.is_ipv4() { 32 } else { 128 };
        Self { network, bits, port: Some(one.port()) }
    }
}

impl FromStr for Destination {
    type Err = NoDestination;

    fn from_str(text: &str) -> Result<Self, NoDestination> {
        parse(text).ok_or_else(|| NoDestination(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Destination> {
    let (network, port) = match text.rsplit_once(':') {
        // A colon within an address of IPv6 is none before a port, unless brackets are around it.
        Some((network, port)) if !network.contains(':') || network.contains(']') => {
            (network, Some(port.parse().ok().filter(|&port: &u16| port > 0)?))
        }
        Some(_) | None => (text, None),
    };
    if matches!(network, "*" | "") {
        return Some(Destination { port, ..Destination::ANY }).filter(|_| !text.is_empty());
    }
    let (address, bits) = match network.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (network, None),
    };
    let address = match address.strip_prefix('[') {
        Some(inner) => IpAddr::V6(inner.strip_suffix(']')?.parse().ok()?),
        None => address.parse().ok()?,
    };
    let widest = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(widest), |bits| bits.parse().ok().filter(|&bits| bits <= widest));
    Some(Destination { network: address, bits: bits?, port })
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, bits, port } = self;
        match (network, port) {
            _ if *self == Self::ANY => f.write_str("everywhere"),
            (_, Some(port)) if *bits == 0 && network.is_ipv6() => write!(f, "port {port}"),
            (IpAddr::V4(network), Some(port)) => write!(f, "{network}/{bits}:{port}"),
            (IpAddr::V6(network), Some(port)) => write!(f, "[{network}]/{bits}:{port}"),
            (network, None) => write!(f, "{network}/{bits}"),
        }
    }
}

/// Which connections are guarded, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Where connections are guarded. One with a port goes before one without, and a smaller
    /// network before a larger one.
    pub guarded: Vec<(Destination, Limits)>,
    /// Where they are not, whatever else is said.
    pub spared: Vec<Destination>,
}

impl Rules {
    /// Tells whether a destination of a list has a port.
    pub(super) fn have_ports<'a>(mut list: impl Iterator<Item = &'a Destination>) -> bool {
        list.any(|one| one.port.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> Destination {
        text.parse().unwrap()
    }

    #[test]
    fn all_probes_are_out_before_twice_the_idle_time() {
        for idle in [1, 2, 8, 45, 120, 32_767] {
            let limits = Limits::new(Duration::from_secs(idle)).unwrap();
            let longest = Duration::from_secs(idle * 2 + 2);
            assert!(limits.user_timeout() <= longest, "{limits}");
        }
        let limits = Limits::new(Duration::from_mins(2)).unwrap();
        assert_eq!(limits.to_string(), "idle 120 s, then 3 probes 15 s apart, 165 s in all");
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused_before() {
        let half = Duration::from_millis(500);
        assert_eq!(Limits::new(half), Err(OutOfRange::Time(half)));
        assert!(Limits::new(Duration::from_secs(32_768)).is_err());
        let limits = Limits::new(Duration::from_secs(10)).unwrap();
        assert_eq!(limits.with_count(128), Err(OutOfRange::Count(128)));
        assert!(limits.with_count(0).is_err() && limits.with_interval(half).is_err());
        let most = Limits::new(Duration::from_secs(32_767)).unwrap();
        let most = most.with_interval(Duration::from_secs(32_767)).unwrap();
        let words = most.with_count(127).unwrap().bytes();
        assert_eq!(words[12..], 4_194_176_000_u32.to_ne_bytes());
    }

    #[test]
    fn a_destination_is_a_network_a_port_or_both() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3:443", "10.1.2.3/32:443"),
            ("*:5432", "port 5432"),
            (":5432", "port 5432"),
            ("*", "everywhere"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("[2001:db8::]/32:443", "[2001:db8::]/32:443"),
            ("[2001:db8::1]:443", "[2001:db8::1]/128:443"),
        ] {
            assert_eq!(destination(text).to_string(), shown, "{text}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0:0", "10.0.0.0:x", "[10.0.0.0]", "::1]", "host:1"]
        {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_as_long_as_what_it_says_and_ipv4_is_a_part_of_ipv6() {
        let key = destination("10.0.0.0/8:443").key();
        assert_eq!(key[..4], (32 + 96 + 8_u32).to_ne_bytes());
        assert_eq!(key[4..8], [1, 187, 0, 0]);
        assert_eq!(key[18..], [0xff, 0xff, 10, 0, 0, 0]);
        assert_eq!(Destination::ANY.key()[..4], 32_u32.to_ne_bytes());
    }
}
