//! How a balancer is set up. There are no defaults here: a product's are its profile's.

use core::fmt;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::time::Duration;

/// How a balancer behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancerConfig {
    /// After how long without a byte a connection is closed, toward clients and toward targets.
    /// Empty segments, such as TCP's keepalive probes, are no bytes.
    pub idle_timeout: Duration,
    /// After this age of a client's connection its next request is its last. `None`: at any age it
    /// may have more.
    pub client_keep_alive: Option<Duration>,
    /// How long the handshake with a target may take.
    pub connect_timeout: Duration,
    /// How long what is under way at a deregistered target may take.
    pub deregistration_delay: Duration,
    /// Which target gets a request.
    pub routing: Routing,
    /// What becomes of requests while no target is healthy.
    pub none_healthy: NoneHealthy,
    /// How targets are checked; `None`: all that are registered count as healthy.
    pub health: Option<HealthCheck>,
    /// How long messages' heads may be.
    pub limits: Limits,
    /// The `Server` field of responses that it makes itself; `None`: there is none.
    pub server: Option<String>,
    /// What it is called in its logs.
    pub names: Names,
    /// The UNIX time of [`Instant::EPOCH`](crate::time::Instant::EPOCH).
    pub epoch: Duration,
    /// How many connections it holds toward clients, and how many toward targets, in every state
    /// together; at least one.
    pub connections_max: usize,
}

/// Which target gets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// Each in turn.
    RoundRobin,
    /// The one with the fewest requests under way; among several, each in turn.
    LeastOutstanding,
}

/// What becomes of requests while no target is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoneHealthy {
    /// They go to any that is registered.
    RouteToAll,
    /// They are refused.
    Refuse,
}

/// How a target is checked: `GET`, each time on a new connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for, such as `/health`.
    pub path: String,
    /// How long it is from one check to the next.
    pub interval: Duration,
    /// How long a check may take; less than the interval.
    pub timeout: Duration,
    /// The status that is a success.
    pub success: u16,
    /// How many successes in a row make an unhealthy target healthy. One that was just registered
    /// needs one.
    pub healthy_after: u32,
    /// How many failures in a row make a target unhealthy.
    pub unhealthy_after: u32,
}

/// How long messages' heads may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The request line.
    pub request_line: usize,
    /// One field of a request.
    pub field: usize,
    /// The whole head of a request.
    pub request_head: usize,
    /// The whole head of a response.
    pub response_head: usize,
}

/// What a balancer is called in its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The load balancer, such as `app/my-loadbalancer/50dc6c495c0c9188`.
    pub balancer: String,
    /// The group of its targets, such as an ARN.
    pub target_group: String,
}

impl Default for Names {
    /// `app/balancer/0`, and `-` for the group.
    fn default() -> Self {
        Self { balancer: "app/balancer/0".into(), target_group: "-".into() }
    }
}

/// Why a balancer cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// This time is zero.
    NoTime(&'static str),
    /// A health check may take longer than the time to the next.
    SlowChecks,
    /// A number of checks in a row is zero.
    NoChecks,
    /// A path, name or `Server` field has characters that cannot stand in a head or a log.
    BadText(String),
    /// There is no room for a connection.
    NoRoom,
    /// A target is of another address family than the balancer.
    OtherFamily(SocketAddr),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime(which) => write!(f, "the {which} must be longer than zero"),
            Self::SlowChecks => {
                write!(f, "a health check's timeout must be shorter than its interval")
            }
            Self::NoChecks => write!(f, "it takes at least one health check to judge a target"),
            Self::BadText(text) => write!(f, "{text:?} is empty or has characters out of place"),
            Self::NoRoom => write!(f, "a balancer needs room for at least one connection"),
            Self::OtherFamily(target) => {
                write!(f, "the target {target} is of another address family than the balancer")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

impl BalancerConfig {
    /// Tells whether a balancer can be made of this.
    pub fn check(&self) -> Result<(), ConfigError> {
        let times = [
            ("idle timeout", self.idle_timeout),
            ("connect timeout", self.connect_timeout),
            ("client keep-alive", self.client_keep_alive.unwrap_or(Duration::MAX)),
        ];
        if let Some((which, _)) = times.into_iter().find(|(_, time)| time.is_zero()) {
            return Err(ConfigError::NoTime(which));
        }
        if self.connections_max == 0 {
            return Err(ConfigError::NoRoom);
        }
        let names = [&self.names.balancer, &self.names.target_group];
        let words = names.into_iter().chain(self.health.as_ref().map(|health| &health.path));
        if let Some(bad) = words.into_iter().find(|word| !is_word(word)) {
            return Err(ConfigError::BadText(bad.clone()));
        }
        let printable = |text: &&String| text.bytes().all(|byte| byte == b' ' || is_plain(byte));
        if let Some(bad) = self.server.as_ref().filter(|server| !printable(server)) {
            return Err(ConfigError::BadText(bad.clone()));
        }
        self.health.as_ref().map_or(Ok(()), HealthCheck::check)
    }
}

impl HealthCheck {
    fn check(&self) -> Result<(), ConfigError> {
        if self.timeout.is_zero() {
            return Err(ConfigError::NoTime("health check's timeout"));
        }
        if self.timeout >= self.interval {
            return Err(ConfigError::SlowChecks);
        }
        if self.healthy_after == 0 || self.unhealthy_after == 0 {
            return Err(ConfigError::NoChecks);
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_plain)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"'
}
