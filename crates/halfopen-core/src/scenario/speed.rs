//! A scenario whose timers run faster, for those who play it in real time.

use core::fmt;

use super::{Answers, Asks, Balancer, Client, Gateway, Pool, Scenario, Station};
use crate::client;
use crate::idle::IdleTimers;
use crate::speed::Speed;
use crate::time::Duration;

/// TCP's keepalive (tcp(7), `TCP_KEEPIDLE`) and the `Keep-Alive` hint count in these.
const WHOLE: Duration = Duration::from_secs(1);

/// Why a scenario cannot run that fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooFast {
    /// What counts whole seconds, and how many.
    pub what: String,
    /// The largest speed below the one asked for at which the scenario is still the same.
    pub largest: Speed,
}

impl fmt::Display for TooFast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot run that fast; the largest speed is {}", self.what, self.largest.get())
    }
}

impl core::error::Error for TooFast {}

impl Scenario {
    /// Returns the scenario with its timers divided by `speed`: pauses, timeouts, what gateways,
    /// balancers and far ends count, how long answers take, the length.
    ///
    /// Links keep their delays and TCP its timers, so what waits for packets keeps at least a
    /// second of its patience. Keepalive counts whole seconds, rounded up, and a `Keep-Alive` hint
    /// whole seconds, rounded down. It fails where that would change who forgets first.
    pub fn sped_up(&self, speed: Speed) -> Result<Self, TooFast> {
        let faster = self.divided(speed);
        let Some(what) = self.changed_by(speed, &faster) else { return Ok(faster) };
        let mut slower = (1..speed.get()).rev().filter_map(Speed::new);
        let largest = slower.find(|&it| self.changed_by(it, &self.divided(it)).is_none());
        Err(TooFast { what, largest: largest.unwrap_or(Speed::REAL) })
    }

    fn divided(&self, by: Speed) -> Self {
        let mut scenario = self.clone();
        scenario.speed = self.speed.times(by);
        scenario.length = by.timer(self.length);
        by.client(&mut scenario.client);
        for station in &mut scenario.path {
            match station {
                Station::Link(_) => {}
                Station::Gateway(gateway) => by.gateway(gateway),
                Station::Balancer(balancer) => by.balancer(balancer),
            }
        }
        by.answers(&mut scenario.answers);
        for disturbance in &mut scenario.disturbances {
            disturbance.at = by.timer(disturbance.at);
        }
        scenario
    }

    /// Returns what tells the scenario from a faster one besides its speed.
    fn changed_by(&self, speed: Speed, faster: &Self) -> Option<String> {
        if let Some(hint) = self.hint().filter(|&hint| hint >= WHOLE && speed.hint(hint) < WHOLE) {
            return Some(format!("the Keep-Alive hint of {} s", hint.as_secs()));
        }
        let (limit, faster_limit) = (self.forgotten_after()?, faster.forgotten_after()?);
        let late = |probe: &Duration| *probe < limit && speed.whole(*probe) >= faster_limit;
        let late = self.probes().into_iter().find(late)?;
        Some(format!("a keepalive probe after {} s", late.as_secs()))
    }

    fn hint(&self) -> Option<Duration> {
        match &self.answers {
            Answers::FarEnd(far_end) => far_end.hint,
            Answers::Payment(payment) => payment.hint,
        }
    }

    /// Returns after how long either end's TCP probes an idle connection.
    fn probes(&self) -> Vec<Duration> {
        let Pool { preset, keepalive, .. } = &self.client.pool;
        let preset = preset.as_deref().and_then(client::Client::shipped);
        let client = keepalive.or_else(|| preset.and_then(|it| it.behaviour.keepalive));
        let server = match &self.answers {
            Answers::FarEnd(far_end) => far_end.keepalive,
            Answers::Payment(_) => None,
        };
        [client, server].into_iter().flatten().map(|keepalive| keepalive.idle).collect()
    }

    /// Returns after how long the first gateway forgets an idle connection.
    fn forgotten_after(&self) -> Option<Duration> {
        let limits = self.path.iter().filter_map(|station| match station {
            Station::Gateway(gateway) => gateway.config.idle.timers.tcp_established,
            Station::Link(_) | Station::Balancer(_) => None,
        });
        limits.min()
    }
}

impl Speed {
    fn all<const N: usize>(self, timers: [&mut Option<Duration>; N]) {
        for timer in timers {
            *timer = timer.map(|time| self.timer(time));
        }
    }

    fn client(self, client: &mut Client) {
        match &mut client.asks {
            Asks::Bursts(bursts) => {
                for start in &mut bursts.starts {
                    *start = self.timer(*start);
                }
            }
            // Its calendar runs faster: whoever makes it asks for the speed.
            Asks::Scheduler(_) => {}
        }
        let Pool { idle_cap, connect_timeout, read_timeout, user_timeout, keepalive, .. } =
            &mut client.pool;
        self.all([idle_cap]);
        for patience in [connect_timeout, read_timeout, user_timeout] {
            *patience = patience.map(|time| self.patience(time));
        }
        *keepalive = keepalive.map(|keepalive| self.keepalive(keepalive));
    }

    fn gateway(self, gateway: &mut Gateway) {
        let IdleTimers {
            tcp_opening,
            tcp_established,
            tcp_half_closed,
            tcp_closing,
            tcp_time_wait,
            tcp_reset,
            udp,
            udp_stream,
            icmp,
        } = &mut gateway.config.idle.timers;
        self.all([tcp_opening, tcp_established, tcp_half_closed, tcp_closing, tcp_time_wait]);
        self.all([tcp_reset, udp, udp_stream, icmp]);
    }

    fn balancer(self, balancer: &mut Balancer) {
        let config = &mut balancer.config;
        config.idle_timeout = self.timer(config.idle_timeout);
        self.all([&mut config.client_keep_alive]);
        config.connect_timeout = self.patience(config.connect_timeout);
        config.deregistration_delay = self.timer(config.deregistration_delay);
        if let Some(health) = &mut config.health {
            health.interval = self.timer(health.interval);
            health.timeout = self.timer(health.timeout);
        }
    }

    fn hint(self, hint: Duration) -> Duration {
        Duration::from_secs((hint / self.get()).as_secs())
    }

    fn answers(self, answers: &mut Answers) {
        match answers {
            Answers::FarEnd(far_end) => {
                self.all([&mut far_end.idle_timeout]);
                far_end.hint = far_end.hint.map(|hint| self.hint(hint));
                far_end.answers_after = self.timer(far_end.answers_after);
                far_end.keepalive = far_end.keepalive.map(|keepalive| self.keepalive(keepalive));
            }
            Answers::Payment(payment) => {
                self.all([&mut payment.keep_alive]);
                payment.hint = payment.hint.map(|hint| self.hint(hint));
                payment.answers_after = self.timer(payment.answers_after);
                if let Some(slow) = &mut payment.slow {
                    slow.least = self.timer(slow.least);
                    slow.most = self.timer(slow.most);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
