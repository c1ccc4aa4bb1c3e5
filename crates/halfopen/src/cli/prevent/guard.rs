//! The arguments of the guard.

use core::net::SocketAddr;
use core::time::Duration;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// Runs a program whose connections are kept alive by TCP keepalive, without the program's doing.
///
/// It is started in a cgroup of its own. Each connection that it, or a program that it starts,
/// opens or accepts gets keepalive with times no longer than the limits; what it set shorter stays.
/// All ends with the program, or with this command. The exit code is the program's.
#[derive(Debug, Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Answer Prometheus at this address: `/metrics` and `/healthz`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Print what was counted for programs; the program's own output then goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

const RUN_HELP: &str = "\
Examples:
  sudo halfopen prevent run -- python3 client.py
  sudo halfopen prevent run --profile aws-nat-gateway -- java -jar client.jar
  sudo halfopen prevent run --idle 60s --to 10.0.0.0/8 --except 10.0.0.53 -- node app.js
  halfopen reproduce --live --speed 17 -- halfopen prevent run --idle 8s -- python3 client.py

Exit code: the program's; 128 and the signal's number if one killed it; 2 if it cannot be guarded.";

/// Guards processes that run already: the connections that they open or accept from now on.
#[derive(Debug, Args)]
#[command(after_help = ATTACH_HELP)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) group: Group,
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Stay attached when this command has ended, which is at once; `detach` ends it.
    #[arg(long, conflicts_with_all = ["listen", "lasting", "dry_run"])]
    pub(crate) pin: bool,
    /// Answer Prometheus at this address: `/metrics` and `/healthz`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// End after this time, such as 10m.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) lasting: Option<Duration>,
    /// Print what was counted for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

const ATTACH_HELP: &str = "\
Examples:
  sudo halfopen prevent attach --cgroup / --dry-run --for 10m
  sudo halfopen prevent attach --systemd billing
  sudo halfopen prevent attach --pid 4711 --idle 60s --listen 127.0.0.1:9465
  sudo halfopen prevent attach --cgroup /system.slice/billing.service --pin
  sudo halfopen prevent attach --systemd billing --dry-run --for 1h

Connections that are open already: `halfopen prevent heal`.
Exit code: 0 ended when asked to; 2 failed.";

/// Whose connections.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Group {
    /// Those of a cgroup and of all within, by its path as of /proc/PID/cgroup, or in the file
    /// system.
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,
    /// Those of the cgroup that this process is in.
    #[arg(long, value_name = "N")]
    pub(crate) pid: Option<u32>,
    /// Those of a unit of systemd, as of `systemctl`.
    #[arg(long, value_name = "UNIT")]
    pub(crate) systemd: Option<String>,
}

/// Switches keepalive on for connections that are open already, whoever's they are.
///
/// It looks at each established connection of this network namespace, once. One that has been idle
/// for longer than its limit is probed at once; what a box has forgotten by then stays lost.
#[derive(Debug, Args)]
#[command(after_help = HEAL_HELP)]
pub(crate) struct Heal {
    #[command(flatten)]
    pub(crate) rules: Rules,
    /// Print for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

const HEAL_HELP: &str = "\
Examples:
  sudo halfopen prevent heal --to '*:5432' --dry-run
  sudo halfopen prevent heal --to payments.internal:443 --dry-run
  sudo halfopen prevent heal --to 10.0.0.0/8 --idle 60s
  sudo nsenter --net --target 4711 halfopen prevent heal --to '*:5432'

Exit code: 0 done; 2 failed, or the kernel refused to change a connection.";

/// Tells which cgroups are guarded, and what was counted there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sudo halfopen prevent status")]
pub(crate) struct Status {
    /// Print for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ends guards that stay by `--pin`. Others end with the command that attached them.
#[derive(Debug, Args)]
#[command(after_help = DETACH_HELP)]
pub(crate) struct Detach {
    /// Only the one of this cgroup.
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,
}

const DETACH_HELP: &str = "\
Examples:
  sudo halfopen prevent detach
  sudo halfopen prevent detach --cgroup /system.slice/billing.service";

/// Which connections are guarded, and how.
#[derive(Debug, Args)]
pub(crate) struct Rules {
    /// No silence is longer than this, in whole seconds. Without it, half of the shortest timer of
    /// the products that are known: 2 minutes.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) idle: Option<Duration>,
    /// Instead, half of the timer of this product: its profile's name.
    #[arg(long, value_name = "PROFILE", conflicts_with = "idle")]
    pub(crate) profile: Option<String>,
    /// Half of what each path is known to survive, by this ledger of halfopen's own pool. What it
    /// does not know is guarded as without it, or not at all if there are others with `--to`.
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// After a probe that is not answered, the next one. Without it, an eighth of the idle time,
    /// and 15 s at most.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) interval: Option<Duration>,
    /// So many probes without an answer end a connection. Without it, 3.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u32>,
    /// Guard connections to there only: NETWORK, NETWORK:PORT, *:PORT or HOST:PORT; `=TIME` behind
    /// it is an idle time of its own. May be given again.
    #[arg(long, value_name = "DESTINATION", value_parser = to)]
    pub(crate) to: Vec<To>,
    /// Leave connections to there alone, whatever else is said. May be given again.
    #[arg(long = "except", value_name = "DESTINATION")]
    pub(crate) except: Vec<String>,
    /// Change nothing, and tell what would be changed.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A destination, as the user says it, and perhaps its own idle time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct To {
    pub(crate) destination: String,
    pub(crate) idle: Option<Duration>,
}

fn to(text: &str) -> Result<To, String> {
    let (destination, idle) = match text.split_once('=') {
        Some((destination, idle)) => (destination, Some(time(idle)?)),
        None => (text, None),
    };
    Ok(To { destination: destination.to_owned(), idle })
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("no time at all".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_may_have_an_idle_time_of_its_own() {
        let idle = Some(Duration::from_mins(1));
        assert_eq!(to("*:443=1min"), Ok(To { destination: "*:443".to_owned(), idle }));
        assert_eq!(to("h:1"), Ok(To { destination: "h:1".to_owned(), idle: None }));
        assert!(to("h:1=0s").is_err() && to("h:1=x").is_err());
    }
}
