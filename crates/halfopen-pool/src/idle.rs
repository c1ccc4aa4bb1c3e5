//! For how long a connection was quiet, by two clocks.
//!
//! A TCP keepalive probe is a packet without data. It refreshes a box that remembers flows, such as
//! a NAT gateway, since RFC 5382 REQ-5 measures the time without *any* packet. An HTTP server or an
//! application balancer never sees it: its timer runs from the last message. So each limit has its
//! clock:
//!
//! | limit | clock |
//! |---|---|
//! | the policy's `idle_max`, the server's `Keep-Alive` hint | data |
//! | the far end's own timer, as learnt from its FINs | data |
//! | how long the path remembers, as learnt from deaths without probes | packets |
//! | deaths though probes went to and fro until shortly before | data |

use halfopen_core::time::Duration;

use crate::policy::{Hint, Keep};

/// Whose quiet time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// The time without any packet: that of boxes that remember flows.
    Packets,
    /// The time without data: that of HTTP servers and application balancers.
    Data,
}

/// For how long a connection was quiet on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireIdle {
    /// Since any packet came in or went out, probes and their answers among them.
    pub since_any_packet: Duration,
    /// Since data came in or went out; never shorter than `since_any_packet`.
    pub since_data: Duration,
}

impl WireIdle {
    /// Returns the quiet of a connection on which nothing but data is known to have been sent.
    #[must_use]
    pub const fn unprobed(quiet: Duration) -> Self {
        Self { since_any_packet: quiet, since_data: quiet }
    }

    /// Returns the time that counts against a limit on `clock`.
    #[must_use]
    pub const fn on(self, clock: Clock) -> Duration {
        match clock {
            Clock::Packets => self.since_any_packet,
            Clock::Data => self.since_data,
        }
    }
}

/// A connection that may know when something last passed on the wire.
pub trait Wire {
    /// Returns how long the connection has been quiet, as the kernel counts it (`TCP_INFO`), or
    /// `None` where nobody counts; then the time since the last data that the client saw counts.
    fn wire_idle(&self) -> Option<WireIdle>;
}

/// Limits of quiet times, by clock. `None` is no limit. A connection is too old *at* its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// Of the time without any packet.
    pub packets: Option<Duration>,
    /// Of the time without data.
    pub data: Option<Duration>,
}

impl Cap {
    /// No limit.
    pub const NONE: Self = Self { packets: None, data: None };

    /// Returns the limit on one clock.
    #[must_use]
    pub const fn on(self, clock: Clock) -> Option<Duration> {
        match clock {
            Clock::Packets => self.packets,
            Clock::Data => self.data,
        }
    }

    /// Returns how much longer a connection may stay quiet: zero if not at all, `None` if for ever.
    #[must_use]
    pub fn remaining(self, quiet: WireIdle) -> Option<Duration> {
        let on =
            |clock| self.on(clock).map(|limit: Duration| limit.saturating_sub(quiet.on(clock)));
        least(on(Clock::Packets), on(Clock::Data))
    }

    /// Tells whether a connection that was quiet for so long may be used.
    #[must_use]
    pub fn admits(self, quiet: WireIdle) -> bool {
        self.remaining(quiet) != Some(Duration::ZERO)
    }

    /// Returns the strictest limit, whatever the clock: what a client that sends no probes may use.
    #[must_use]
    pub fn strictest(self) -> Option<Duration> {
        least(self.packets, self.data)
    }
}

impl Keep {
    /// Returns the policy's own limit of the time without data for a connection whose server gave
    /// `hint` in its last response.
    #[must_use]
    pub fn idle_limit(&self, hint: Option<Duration>) -> Option<Duration> {
        match (self.hint, hint) {
            (Hint::Ignored, _) | (_, None) => self.idle_max,
            (Hint::Heeded { margin, max }, Some(hint)) => {
                least(Some(hint), max).map(|hint| hint.saturating_sub(margin))
            }
            (Hint::Shortens { margin }, Some(hint)) => {
                self.idle_max.map(|own| own.min(hint.saturating_sub(margin)))
            }
        }
    }
}

/// Returns the shorter of two limits, of which `None` is none.
pub(crate) fn least(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, Reuse};

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn probes_refresh_the_gateway_and_not_the_balancer() {
        let probed = WireIdle { since_any_packet: secs(30), since_data: secs(400) };
        assert!(Cap { packets: Some(secs(350)), data: None }.admits(probed));
        assert!(!Cap { packets: None, data: Some(secs(400)) }.admits(probed));
    }

    #[test]
    fn a_connection_is_too_old_at_its_limit() {
        let cap = Cap { packets: Some(secs(350)), data: Some(secs(360)) };
        assert_eq!(cap.remaining(WireIdle::unprobed(secs(349))), Some(secs(1)));
        assert!(!cap.admits(WireIdle::unprobed(secs(350))));
        assert_eq!(cap.strictest(), Some(secs(350)));
    }

    #[test]
    fn a_hint_takes_the_place_of_the_limit_or_shortens_it() {
        let keep = |hint, idle_max: Option<Duration>| match Policy::learning().reuse {
            Reuse::Kept(keep) => Keep { idle_max, hint, ..keep },
            Reuse::Never => unreachable!("it learns from what it keeps"),
        };
        let margin = secs(1);
        let heeded = Hint::Heeded { margin, max: Some(secs(100)) };
        assert_eq!(keep(heeded, Some(secs(60))).idle_limit(Some(secs(90))), Some(secs(89)));
        assert_eq!(keep(heeded, Some(secs(60))).idle_limit(Some(secs(900))), Some(secs(99)));
        assert_eq!(keep(heeded, Some(secs(60))).idle_limit(None), Some(secs(60)));
        let shortens = Hint::Shortens { margin };
        assert_eq!(keep(shortens, Some(secs(60))).idle_limit(Some(secs(90))), Some(secs(60)));
        assert_eq!(keep(shortens, Some(secs(60))).idle_limit(Some(secs(5))), Some(secs(4)));
        assert_eq!(keep(shortens, None).idle_limit(Some(secs(5))), None);
        assert_eq!(keep(Hint::Ignored, None).idle_limit(Some(secs(5))), None);
    }
}
