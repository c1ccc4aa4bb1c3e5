//! The arguments of watching an interface.

use std::net::SocketAddr;

use clap::Args;
use halfopen_core::profile::Profile;
use halfopen_core::time::Duration;

/// Watching an interface instead of reading captures.
#[derive(Debug, Args)]
#[command(next_help_heading = "Watching an interface (Linux)")]
pub(crate) struct Live {
    /// Watch this interface, or `any` for all, and tell each finding in a line, until stopped.
    #[arg(long, value_name = "IFACE", conflicts_with_all = ["files", "forms"])]
    pub(crate) interface: Option<String>,
    /// Look at these TCP ports only, of either end.
    #[arg(long, value_name = "PORT", value_delimiter = ',', requires = "interface")]
    pub(crate) filter_port: Vec<u16>,
    /// Answer Prometheus at this address: `/metrics` and `/healthz`.
    #[arg(long, value_name = "ADDRESS", requires = "interface")]
    pub(crate) listen: Option<SocketAddr>,
    /// Push metrics every minute to this collector, by OTLP over HTTP: its address, such as
    /// `http://127.0.0.1:4318`.
    #[arg(long, value_name = "URL", requires = "interface")]
    pub(crate) otlp: Option<String>,
    /// Push findings there, too, as log records.
    #[arg(long, requires = "otlp")]
    pub(crate) otlp_findings: bool,
    /// Whom root becomes once the interface is open; `root` stays, without its privileges.
    #[arg(long, value_name = "USER", default_value = "nobody")]
    pub(crate) user: String,
    /// End after this time, such as 10m.
    #[arg(long = "for", value_name = "TIME", value_parser = time, requires = "interface")]
    pub(crate) lasting: Option<Duration>,
    /// Hold connections that are idle for as long to be at risk: a time, or a profile's name.
    #[arg(long, value_name = "TIME|PROFILE", value_parser = limit, requires = "interface")]
    pub(crate) limit: Option<Duration>,
    /// Remember so many connections, of about 300 bytes each.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(16..=100_000_000))]
    pub(crate) connections: u32,
    /// Share a ring of so many MiB with the kernel.
    #[arg(long, value_name = "MIB", default_value_t = 32)]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=4_000))]
    pub(crate) ring: u32,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("no time at all".to_owned()) } else { Ok(time) }
}

/// Reads a limit, or looks up when a product forgets established connections.
fn limit(text: &str) -> Result<Duration, String> {
    let Some(profile) = Profile::shipped(text) else {
        let names: Vec<_> = Profile::names().collect();
        let profiles = names.join(", ");
        return time(text).map_err(|error| format!("{error}; nor is it one of {profiles}"));
    };
    let gateway = profile.gateway(Vec::new()).and_then(|box_| box_.idle.timers.tcp_established);
    let balancer = profile.balancer().map(|balancer| balancer.idle_timeout);
    gateway.or(balancer).ok_or_else(|| format!("{text} forgets no established connection"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_time_or_a_products() {
        assert_eq!(limit("5min"), Ok(Duration::from_mins(5)));
        assert_eq!(limit("aws-nat-gateway"), Ok(Duration::from_secs(350)));
        assert_eq!(limit("aws-alb"), Ok(Duration::from_mins(1)));
        assert!(limit("aws-nut-gateway").unwrap_err().contains("aws-nat-gateway"));
        assert!(time("0s").is_err());
    }
}
