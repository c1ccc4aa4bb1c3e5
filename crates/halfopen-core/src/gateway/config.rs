//! How a gateway is set up.

use core::fmt;
use core::ops::RangeInclusive;
use std::net::IpAddr;

use serde::Deserialize;

use crate::idle::IdlePolicy;

/// How a gateway is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// How it translates; `None` for a firewall or a passthrough balancer, which remembers flows
    /// and leaves packets as they are.
    pub translation: Option<Translation>,
    /// Whom it lets in (RFC 4787 section 5). Without translation, endpoint-independent filtering
    /// lets anyone open a flow from outside.
    pub filtering: Dependence,
    /// What it does about idle flows.
    pub idle: IdlePolicy,
    /// What it does with fragments.
    pub fragments: Fragments,
    /// What it does with TCP segments outside the window it tracks.
    pub out_of_window: OutOfWindow,
    /// The time to live of the packets it makes itself; not zero.
    pub ttl: u8,
    /// The longest packet that it forwards, in bytes with the IP header. `None`: any. The sender of
    /// a longer one is told how long it may be (RFC 1191, RFC 8201).
    pub mtu: Option<u16>,
}

impl GatewayConfig {
    /// Returns a gateway that translates to `external` as endpoint-dependent gateways do: mapping
    /// and filtering by address and port, any port from 1024, all fragments forwarded.
    #[must_use]
    pub fn nat(external: IpAddr, idle: IdlePolicy) -> Self {
        Self { translation: Some(Translation::to(external)), ..Self::firewall(idle) }
    }

    /// Returns a firewall that remembers flows opened from inside and lets nothing else in.
    #[must_use]
    pub const fn firewall(idle: IdlePolicy) -> Self {
        Self {
            translation: None,
            filtering: Dependence::AddressAndPort,
            idle,
            fragments: Fragments::FORWARDED,
            out_of_window: OutOfWindow::Pass,
            ttl: 64, // RFC 1700, "Internet protocol numbers": the recommended default
            mtu: None,
        }
    }

    /// Returns the same gateway with the addresses that it translates to, if it translates.
    #[must_use]
    pub fn translating_to(mut self, external: Vec<IpAddr>) -> Self {
        if let Some(translation) = &mut self.translation {
            translation.external = external;
        }
        self
    }

    /// Tells what is wrong with the configuration, if anything is.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.idle.capacity.flows == 0 {
            return Err(ConfigError::NoRoom);
        }
        if self.idle.capacity.flows.max(self.idle.capacity.forgotten) > ROOM_MAX {
            return Err(ConfigError::TooMuchRoom);
        }
        if self.ttl == 0 {
            return Err(ConfigError::NoTtl);
        }
        match &self.translation {
            Some(translation) if translation.external.is_empty() => Err(ConfigError::NoAddress),
            Some(translation) if translation.external.len() > EXTERNAL_MAX => {
                Err(ConfigError::TooManyAddresses(translation.external.len()))
            }
            Some(translation) if translation.ports.is_empty() => Err(ConfigError::NoPorts),
            Some(_) | None => Ok(()),
        }
    }
}

/// The most flows and the most forgotten flows: both together have 32-bit names.
const ROOM_MAX: u32 = 1 << 30;

/// More external addresses than any product has.
const EXTERNAL_MAX: usize = 256;

/// How a gateway translates addresses and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The addresses it translates to; at least one. Flows of a family without one cannot pass.
    pub external: Vec<IpAddr>,
    /// The ports and ICMP identifiers it translates to; not empty.
    pub ports: RangeInclusive<u16>,
    /// When it uses a mapping again (RFC 4787 section 4.1).
    ///
    /// An external port serves several mappings at a time as long as both this and the filtering
    /// tell their packets apart by the remote end.
    pub mapping: Dependence,
    /// The most mappings that one external address has at a time toward one destination (address,
    /// port and protocol), or toward all that `mapping` and the filtering do not tell apart.
    /// `None`: as many as there are ports.
    pub per_destination: Option<u32>,
    /// Whether a mapping gets the port of the inside end if that is free.
    pub preserve_port: bool,
    /// Whether two inside ends reach each other by external addresses (RFC 4787 REQ-9).
    pub hairpinning: bool,
}

impl Translation {
    /// Returns a translation to one address, by address and port, to any port from 1024.
    #[must_use]
    pub fn to(external: IpAddr) -> Self {
        Self {
            external: vec![external],
            ports: 1024..=u16::MAX,
            mapping: Dependence::AddressAndPort,
            per_destination: None,
            preserve_port: false,
            hairpinning: false,
        }
    }
}

/// What mapping or filtering depends on (RFC 4787 sections 4.1 and 5), from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependence {
    /// Not on the remote end.
    Endpoint,
    /// On the remote address.
    Address,
    /// On the remote address and port.
    AddressAndPort,
}

/// What a gateway does with fragments, by protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragments {
    /// TCP.
    pub tcp: FragmentRule,
    /// UDP.
    pub udp: FragmentRule,
    /// ICMP.
    pub icmp: FragmentRule,
}

impl Fragments {
    /// All fragments pass.
    pub const FORWARDED: Self = Self {
        tcp: FragmentRule::Forward,
        udp: FragmentRule::Forward,
        icmp: FragmentRule::Forward,
    };
}

/// What a gateway does with fragments of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FragmentRule {
    /// Forwards them; those that come before the first of their packet are dropped.
    Forward,
    /// Drops them.
    Drop,
}

/// What a gateway does with TCP segments outside the window it tracks, and with those that no
/// connection has. In neither case do they start a timer again or change what it remembers.
///
/// What repeats older data than a window, or goes beyond the window by no more than another, passes
/// in either case, as with Linux, since the ends sort it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfWindow {
    /// Passes them on.
    Pass,
    /// Drops them.
    Drop,
}

/// Why a configuration makes no gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The capacity is zero flows.
    NoRoom,
    /// The capacity is more flows than supported.
    TooMuchRoom,
    /// The time to live is zero.
    NoTtl,
    /// There is no external address.
    NoAddress,
    /// There are more external addresses than supported.
    TooManyAddresses(usize),
    /// The port range is empty.
    NoPorts,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => write!(f, "a gateway needs room for at least one flow"),
            Self::TooMuchRoom => write!(f, "no capacity can be more than {ROOM_MAX} flows"),
            Self::NoTtl => write!(f, "a time to live of zero lets no packet through"),
            Self::NoAddress => write!(f, "a translating gateway needs an external address"),
            Self::TooManyAddresses(count) => {
                write!(f, "{count} external addresses are more than {EXTERNAL_MAX}")
            }
            Self::NoPorts => write!(f, "the range of external ports is empty"),
        }
    }
}

impl core::error::Error for ConfigError {}
