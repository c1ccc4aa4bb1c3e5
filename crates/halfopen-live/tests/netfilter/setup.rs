//! The gateways that are compared.

use std::time::Duration;

use halfopen_core::gateway::{GatewayConfig, OutOfWindow};
use halfopen_core::idle::{IdlePolicy, IdleTimers, OnOrphan};

use crate::list::GATEWAY;

/// A way to set up a gateway: what it does with a packet of a flow that it does not remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Takes it up, as Linux does unless told otherwise, and answers it from outside with a reset.
    Adopting,
    /// Takes it up, but under any port (`masquerade fully-random`).
    Elsewhere,
    /// Takes it up, and minds no window.
    Lenient,
    /// Drops it, as firewalls do.
    Silent,
    /// Drops it, and minds no window.
    SilentLenient,
    /// Answers it with a reset, as AWS's NAT gateways do.
    Resetting,
}

impl Setup {
    pub(crate) const ALL: [Self; 6] = [
        Self::Adopting,
        Self::Elsewhere,
        Self::Lenient,
        Self::Silent,
        Self::SilentLenient,
        Self::Resetting,
    ];

    pub(crate) fn config(self) -> GatewayConfig {
        let (on_orphan_inside, on_orphan_outside, out_of_window) = match self {
            Self::Adopting => (OnOrphan::Adopt, OnOrphan::Reset, OutOfWindow::Drop),
            Self::Elsewhere => (OnOrphan::Adopt, OnOrphan::Drop, OutOfWindow::Drop),
            Self::Lenient => (OnOrphan::Adopt, OnOrphan::Drop, OutOfWindow::Pass),
            Self::Silent => (OnOrphan::Drop, OnOrphan::Drop, OutOfWindow::Drop),
            Self::SilentLenient => (OnOrphan::Drop, OnOrphan::Drop, OutOfWindow::Pass),
            Self::Resetting => (OnOrphan::Reset, OnOrphan::Drop, OutOfWindow::Pass),
        };
        let timers = TIMERS;
        let idle = IdlePolicy { timers, on_orphan_inside, on_orphan_outside, ..IdlePolicy::RFC };
        let mut config =
            GatewayConfig { out_of_window, ..GatewayConfig::nat(GATEWAY.into(), idle) };
        config.translation.as_mut().unwrap().preserve_port = self != Self::Elsewhere;
        config
    }

    pub(crate) fn adopts(self) -> bool {
        self.config().idle.on_orphan_inside == OnOrphan::Adopt
    }

    pub(crate) fn is_liberal(self) -> bool {
        self.config().out_of_window == OutOfWindow::Pass
    }
}

/// Whole seconds, as netfilter has them, and as few as tell one from another.
const TIMERS: IdleTimers = IdleTimers {
    tcp_opening: Some(Duration::from_secs(2)),
    tcp_established: Some(Duration::from_secs(4)),
    tcp_half_closed: Some(Duration::from_secs(3)),
    tcp_closing: Some(Duration::from_secs(2)),
    tcp_time_wait: Some(Duration::from_secs(2)),
    tcp_reset: Some(Duration::from_secs(1)),
    udp: Some(Duration::from_secs(1)),
    udp_stream: Some(Duration::from_secs(2)),
    icmp: Some(Duration::from_secs(1)),
};
