//! How a profile is written: every value states its source, and a key that is not here is an error.

use core::ops::RangeInclusive;
use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::Kind;
use crate::document::quantity::Humane;
use crate::fact::{Page, Stated};
use crate::gateway::{
    Dependence, FragmentRule, Fragments, GatewayConfig, OutOfWindow, Translation,
};
use crate::idle::{Capacity, IdlePolicy, IdleTimers, OnExpiry, OnOrphan, Refresh, WhenFull};
use crate::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "vendor")]
    _vendor: String,
    #[serde(rename = "kind")]
    _kind: Kind,
    #[serde(rename = "summary")]
    _summary: String,
    #[serde(rename = "source")]
    _sources: BTreeMap<String, Page>,
    pub(super) translates: Stated<Spanned<bool>>,
    pub(super) mapping: Option<Stated<Dependence>>,
    filtering: Stated<Dependence>,
    ports: Option<Stated<PortRange>>,
    per_destination: Option<Stated<u32>>,
    preserves_port: Option<Stated<bool>>,
    hairpinning: Option<Stated<bool>>,
    timers: Timers<Stated<Humane>>,
    refresh: RefreshRules,
    on_expiry: Stated<OnExpiry>,
    on_orphan: OrphanRules,
    #[serde(default)]
    fragments: FragmentRules,
    out_of_window: Option<Stated<OutOfWindow>>,
    ttl: Option<Stated<u8>>,
    mtu: Option<Stated<u16>>,
    #[serde(default)]
    capacity: Room,
    #[serde(rename = "metrics", default)]
    _metrics: BTreeMap<String, Stated<String>>,
    #[serde(rename = "unmodelled", default)]
    _unmodelled: BTreeMap<String, Stated<String>>,
}

/// One value for each timer of [`IdleTimers`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Timers<T> {
    pub(crate) tcp_opening: T,
    pub(crate) tcp_established: T,
    pub(crate) tcp_half_closed: T,
    pub(crate) tcp_closing: T,
    pub(crate) tcp_time_wait: T,
    pub(crate) tcp_reset: T,
    pub(crate) udp: T,
    pub(crate) udp_stream: T,
    pub(crate) icmp: T,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RefreshRules {
    by_outside: Stated<bool>,
    by_empty_segments: Stated<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrphanRules {
    inside: Stated<OnOrphan>,
    outside: Stated<OnOrphan>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FragmentRules {
    tcp: Option<Stated<FragmentRule>>,
    udp: Option<Stated<FragmentRule>>,
    icmp: Option<Stated<FragmentRule>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Room {
    flows: Option<Stated<u32>>,
    when_full: Option<Stated<WhenFull>>,
}

/// Ports from the first to the last, written `"1024-65535"`.
#[derive(Debug)]
struct PortRange(RangeInclusive<u16>);

impl Document {
    /// Returns the gateway that the values describe, still without an external address.
    ///
    /// What the document leaves out is as [`GatewayConfig::firewall`] and [`IdlePolicy::RFC`] have
    /// it.
    pub(super) fn gateway(&self) -> GatewayConfig {
        let base = GatewayConfig::firewall(self.idle());
        GatewayConfig {
            translation: self.translates.value.get_ref().then(|| self.translation()),
            filtering: self.filtering.value,
            fragments: Fragments {
                tcp: stated(self.fragments.tcp.as_ref(), base.fragments.tcp),
                udp: stated(self.fragments.udp.as_ref(), base.fragments.udp),
                icmp: stated(self.fragments.icmp.as_ref(), base.fragments.icmp),
            },
            out_of_window: stated(self.out_of_window.as_ref(), base.out_of_window),
            ttl: stated(self.ttl.as_ref(), base.ttl),
            mtu: self.mtu.as_ref().map(|mtu| mtu.value),
            ..base
        }
    }

    fn translation(&self) -> Translation {
        let base = Translation::to(std::net::Ipv4Addr::UNSPECIFIED.into());
        Translation {
            external: Vec::new(),
            ports: self.ports.as_ref().map_or(base.ports, |ports| ports.value.0.clone()),
            mapping: stated(self.mapping.as_ref(), base.mapping),
            per_destination: self.per_destination.as_ref().map(|limit| limit.value),
            preserve_port: stated(self.preserves_port.as_ref(), base.preserve_port),
            hairpinning: stated(self.hairpinning.as_ref(), base.hairpinning),
        }
    }

    fn idle(&self) -> IdlePolicy {
        let base = IdlePolicy::RFC;
        IdlePolicy {
            timers: self.timers.over(base.timers, |timer| Some(timer.value.0)),
            refresh: Refresh {
                by_outside: self.refresh.by_outside.value,
                by_empty_segments: self.refresh.by_empty_segments.value,
            },
            on_expiry: self.on_expiry.value,
            on_orphan_inside: self.on_orphan.inside.value,
            on_orphan_outside: self.on_orphan.outside.value,
            capacity: Capacity {
                flows: stated(self.capacity.flows.as_ref(), base.capacity.flows),
                when_full: stated(self.capacity.when_full.as_ref(), base.capacity.when_full),
                ..base.capacity
            },
        }
    }
}

fn stated<T: Copy>(fact: Option<&Stated<T>>, otherwise: T) -> T {
    fact.map_or(otherwise, |fact| fact.value)
}

impl<T> Timers<T> {
    /// Returns the timers that `time` finds here, and those of `base` where it finds none.
    pub(crate) fn over(
        &self,
        base: IdleTimers,
        time: impl Fn(&T) -> Option<Duration>,
    ) -> IdleTimers {
        IdleTimers {
            tcp_opening: time(&self.tcp_opening).or(base.tcp_opening),
            tcp_established: time(&self.tcp_established).or(base.tcp_established),
            tcp_half_closed: time(&self.tcp_half_closed).or(base.tcp_half_closed),
            tcp_closing: time(&self.tcp_closing).or(base.tcp_closing),
            tcp_time_wait: time(&self.tcp_time_wait).or(base.tcp_time_wait),
            tcp_reset: time(&self.tcp_reset).or(base.tcp_reset),
            udp: time(&self.udp).or(base.udp),
            udp_stream: time(&self.udp_stream).or(base.udp_stream),
            icmp: time(&self.icmp).or(base.icmp),
        }
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.split_once('-')
            .and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?))
            .filter(|range: &RangeInclusive<u16>| !range.is_empty())
            .map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("`{text}` is not a range of ports")))
    }
}
