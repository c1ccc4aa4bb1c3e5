//! What can be set on a host's TCP. The defaults are Linux's, each under its source.

use core::ops::RangeInclusive;
use std::net::IpAddr;

use serde::Deserialize;

use crate::document::quantity;
use crate::time::Duration;

/// The settings of one host's TCP: what Linux calls sysctls.
///
/// "ip-sysctl" is the kernel's Documentation/networking/ip-sysctl.rst.
#[derive(Clone, Debug)]
pub struct Config {
    /// The host's addresses. Packets to others are ignored.
    pub addresses: Vec<IpAddr>,
    /// Time to live or hop limit of what the host sends.
    pub ttl: u8,
    /// The largest IP packet that the host's link carries, in bytes; at least 576.
    pub mtu: u16,
    /// The ports from which `connect` chooses.
    pub ephemeral_ports: RangeInclusive<u16>,
    /// Whether to offer timestamps (RFC 7323).
    pub timestamps: bool,
    /// Whether to permit selective acknowledgments (RFC 2018). The host reports what it holds; of
    /// what the peer reports it makes no use.
    pub sack: bool,
    /// Whether to probe for a lost tail before the retransmission timeout (RFC 8985 section 7);
    /// needs `sack`.
    pub loss_probe: bool,
    /// The shift of the receive window, at most 14 (RFC 7323 section 2.3); `None` offers none.
    pub window_scale: Option<u8>,
    /// How many bytes that the peer has not acknowledged a connection holds at most.
    pub send_buffer: usize,
    /// How many bytes that the program has not read a connection holds at most. The window offered
    /// is this, rounded down to whole segments.
    pub receive_buffer: usize,
    /// The retransmission timeout before there is a round-trip time.
    pub rto_initial: Duration,
    /// The least variation that the retransmission timeout adds to the round-trip time.
    pub rto_min: Duration,
    /// The most that backing off makes of the retransmission timeout.
    pub rto_max: Duration,
    /// How often a SYN is repeated after the linear repetitions.
    pub syn_retries: u32,
    /// How often a SYN is repeated before the timeout begins to double.
    pub syn_linear_timeouts: u32,
    /// How often a SYN-ACK is repeated.
    pub synack_retries: u32,
    /// Stands for a time, not for a number: data is given up at the first timeout after as long
    /// as this many retransmissions, backed off from `rto_min`, would take.
    pub retries2: u32,
    /// The same for a connection that its program has closed.
    pub orphan_retries: u32,
    /// How long a closed connection waits for the peer's FIN.
    pub fin_timeout: Duration,
    /// How long a connection that closed first is remembered.
    pub time_wait: Duration,
    /// How many connections the host holds at most, in every state together.
    pub connections_max: usize,
}

impl Config {
    /// Returns the defaults of Linux 6.18 for a host with `addresses` on an Ethernet.
    #[must_use]
    pub fn linux(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            // ip-sysctl: ip_default_ttl
            ttl: 64,
            // RFC 894
            mtu: 1500,
            // ip-sysctl: ip_local_port_range
            ephemeral_ports: 32_768..=60_999,
            // ip-sysctl: tcp_timestamps, tcp_sack, tcp_early_retrans
            timestamps: true,
            sack: true,
            loss_probe: true,
            // net/ipv4/tcp_input.c, tcp_select_initial_window: the least shift that makes 16 bits
            // span tcp_rmem's largest buffer, which is 32 MiB
            window_scale: Some(10),
            // ip-sysctl: tcp_wmem, the largest
            send_buffer: 4 << 20,
            // ip-sysctl: tcp_rmem, half of the default of 131,072 bytes
            receive_buffer: 65_536,
            // include/net/tcp.h: TCP_TIMEOUT_INIT, RFC 6298 section 2.1
            rto_initial: Duration::from_secs(1),
            // include/net/tcp.h: TCP_RTO_MIN
            rto_min: Duration::from_millis(200),
            // include/net/tcp.h: TCP_RTO_MAX
            rto_max: Duration::from_mins(2),
            // ip-sysctl: tcp_syn_retries, tcp_syn_linear_timeouts (since 6.5), tcp_synack_retries
            syn_retries: 6,
            syn_linear_timeouts: 4,
            synack_retries: 5,
            // ip-sysctl: tcp_retries2
            retries2: 15,
            // net/ipv4/tcp_timer.c, tcp_orphan_retries: a sysctl of 0 stands for 8
            orphan_retries: 8,
            // ip-sysctl: tcp_fin_timeout
            fin_timeout: Duration::from_mins(1),
            // include/net/tcp.h: TCP_TIMEWAIT_LEN
            time_wait: Duration::from_mins(1),
            // fs.nr_open: file descriptors of one process
            connections_max: 1 << 20,
        }
    }

    /// Returns the largest segment that the link to a peer of this family carries.
    pub(super) fn mss(&self, v6: bool) -> u16 {
        mss_of(self.mtu, v6)
    }
}

/// How many bytes timestamps take of every segment (RFC 7323 appendix A).
pub(super) const TIMESTAMPS_LEN: u32 = 12;

/// Returns the largest segment, without options, that fits a packet of `mtu` bytes.
pub(super) fn mss_of(mtu: u16, v6: bool) -> u16 {
    // RFC 879: the MTU less the fixed headers; include/net/tcp.h: TCP_MIN_SND_MSS is 48
    mtu.saturating_sub(if v6 { 60 } else { 40 }).max(48)
}

/// How a connection that is idle is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// How long nothing may have come in before the first probe; at least one second.
    #[serde(deserialize_with = "quantity::duration")]
    pub idle: Duration,
    /// How long to wait for an answer before the next; at least one second.
    #[serde(deserialize_with = "quantity::duration")]
    pub interval: Duration,
    /// After how many unanswered probes the connection is given up.
    pub count: u32,
}

impl Keepalive {
    /// Linux's defaults for a socket with `SO_KEEPALIVE` (ip-sysctl: `tcp_keepalive_time`,
    /// `tcp_keepalive_intvl`, `tcp_keepalive_probes`).
    pub const LINUX: Self =
        Self { idle: Duration::from_hours(2), interval: Duration::from_secs(75), count: 9 };
}
