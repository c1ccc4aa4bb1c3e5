//! What TCP keepalive does to a product's timer.

use super::Profile;
use crate::time::Duration;

/// What TCP keepalive does to a product's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keepalive {
    /// Each probe starts the timer again.
    Refreshes {
        /// The timer of established connections.
        timer: Duration,
    },
    /// The timer counts bytes or requests, and a probe carries none.
    Ignored {
        /// The timer of established connections.
        timer: Duration,
    },
    /// No established connection is ever forgotten.
    Needless,
}

impl Profile {
    /// Returns what TCP keepalive does to the product's timer.
    #[must_use]
    pub fn keepalive(&self) -> Keepalive {
        if let Some(balancer) = self.balancer() {
            return Keepalive::Ignored { timer: balancer.idle_timeout };
        }
        let idle = self.gateway(Vec::new()).map(|gateway| gateway.idle);
        match idle.and_then(|idle| Some((idle.timers.tcp_established?, idle.refresh))) {
            Some((timer, refresh)) if refresh.by_empty_segments => Keepalive::Refreshes { timer },
            Some((timer, _)) => Keepalive::Ignored { timer },
            None => Keepalive::Needless,
        }
    }
}

/// Returns after which silence to probe, so that a timer does not run out: half of it, in whole
/// seconds where it is more than two. A probe that is lost can then be sent again in time.
#[must_use]
pub fn probe_after(timer: Duration) -> Duration {
    let half = timer / 2;
    let whole = Duration::from_secs(half.as_secs());
    if whole.is_zero() { half } else { whole }
}

/// Returns the shortest timer of the products that ship among those that probes start again.
#[must_use]
pub fn shortest_refreshed() -> Duration {
    let timers = Profile::names().filter_map(Profile::shipped).filter_map(|profile| match profile
        .keepalive()
    {
        Keepalive::Refreshes { timer } => Some(timer),
        Keepalive::Ignored { .. } | Keepalive::Needless => None,
    });
    timers.min().expect("profiles of gateways ship")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keepalive(name: &str) -> Keepalive {
        Profile::shipped(name).unwrap().keepalive()
    }

    #[test]
    fn a_gateway_counts_packets_and_an_http_balancer_bytes() {
        let timer = Duration::from_secs(350);
        assert_eq!(keepalive("aws-nat-gateway"), Keepalive::Refreshes { timer });
        let timer = Duration::from_mins(1);
        assert_eq!(keepalive("aws-alb"), Keepalive::Ignored { timer });
    }

    #[test]
    fn a_probe_comes_after_half_of_the_timer() {
        assert_eq!(probe_after(Duration::from_secs(350)), Duration::from_secs(175));
        assert_eq!(probe_after(Duration::from_secs(5)), Duration::from_secs(2));
        assert_eq!(probe_after(Duration::from_secs(1)), Duration::from_millis(500));
        assert!(shortest_refreshed() <= Duration::from_mins(4));
    }
}
