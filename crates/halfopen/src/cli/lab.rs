//! The arguments of running a scenario on real packets.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use halfopen_core::speed::Speed;
use serde::Serialize;

/// Running a scenario on real packets instead of in virtual time.
#[derive(Debug, Args)]
#[command(next_help_heading = "On real packets (Linux)")]
pub(crate) struct Lab {
    /// Run the scenario on the kernel's sockets: its path stands between two networks of our own,
    /// and nothing leaves them. Whoever is not root becomes root of a user namespace.
    #[arg(long, conflicts_with_all = ["list", "hunt", "traffic", "sweep"])]
    pub(crate) live: bool,
    /// Run its timers N times faster; links and TCP's own timers stay. Without it, so many times
    /// that the run takes about half a minute; 1 is as the scenario has them.
    #[arg(long, value_name = "N", value_parser = speed, requires = "live")]
    pub(crate) speed: Option<Speed>,
    /// Who the path's gateways are: halfopen's own, or the kernel's netfilter as near to each as it
    /// can be, with timers of whole seconds. The kernel takes nft (Debian: nftables).
    #[arg(long, value_name = "WHO", requires = "live", default_value = "own")]
    pub(crate) gateway: Who,
    /// Try COMMAND, an HTTP client, against every way in which a kept connection can end, and tell
    /// what becomes of its second request. It sends `$HALFOPEN_METHOD` to `$HALFOPEN_URL`, pauses
    /// for `$HALFOPEN_PAUSE_S` seconds, sends it once more, and exits with 0 if both were answered.
    #[arg(long, requires_all = ["live", "command"])]
    #[arg(conflicts_with_all = ["scenario", "seed", "speed", "gateway", "shell", "captures"])]
    pub(crate) every_way: bool,
    /// Run a shell in the client's network, in place of the scenario's own client.
    #[arg(long, requires = "live", conflicts_with_all = ["command", "json"])]
    pub(crate) shell: bool,
    /// Run this program in the client's network, in place of the scenario's own client. It finds
    /// the service at `$HALFOPEN_URL`, and its exit code is passed on.
    #[arg(last = true, value_name = "COMMAND", requires = "live")]
    pub(crate) command: Vec<OsString>,
}

/// Who the gateways of a path are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Who {
    /// The gateways that the simulator has, too.
    Own,
    /// The kernel's netfilter.
    Kernel,
}

fn speed(text: &str) -> Result<Speed, String> {
    const MOST: u32 = 10_000;
    let times = text.parse().map_err(|_| "it is a whole number".to_owned())?;
    let speed = Speed::new(times).filter(|speed| speed.get() <= MOST);
    speed.ok_or_else(|| format!("it is 1 to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_whole_number_of_times() {
        assert_eq!(speed("100"), Ok(Speed::new(100).unwrap()));
        assert!(speed("0").is_err() && speed("1.5").is_err() && speed("10001").is_err());
    }
}
