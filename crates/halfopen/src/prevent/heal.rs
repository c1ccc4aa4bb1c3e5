//! `halfopen prevent heal`: connections that are open already.

use core::fmt::Write as _;

use halfopen_live::guard::Mode;
use halfopen_live::guard::heal::{Options, Socket, heal};
use serde::Serialize;

use super::GuardFailure;
use super::report::line;
use super::rules::{mode, rules};
use crate::Outcome;
use crate::cli::prevent::guard::Heal;
use crate::output;

#[derive(Debug, Serialize)]
struct Found {
    local_port: u16,
    remote: String,
    keepalive: bool,
    idle_s: u64,
    interval_s: u64,
    count: u32,
    user_timeout_s: Option<f64>,
    changed: bool,
    failed: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    dry_run: bool,
    connections: Vec<Found>,
}

pub(super) fn run(order: &Heal) -> Result<Outcome, GuardFailure> {
    let mode = mode(&order.rules);
    let found = heal(&rules(&order.rules)?, mode)?;
    let text = if order.json {
        let connections = found.iter().map(Found::from).collect();
        line(&Report { dry_run: mode == Mode::DryRun, connections })
    } else {
        words(&found, mode)
    };
    // Whoever read it may be gone; that is no failure.
    drop(output::print_line(text.trim_end()));
    let failed = found.iter().any(|socket| socket.failed);
    Ok(if failed { Outcome::Program(2) } else { Outcome::Clear })
}

impl From<&Socket> for Found {
    fn from(socket: &Socket) -> Self {
        let Options { keepalive, idle, interval, count, user_timeout } = socket.before;
        Self {
            local_port: socket.local_port,
            remote: socket.remote.to_string(),
            keepalive,
            idle_s: idle.as_secs(),
            interval_s: interval.as_secs(),
            count,
            user_timeout_s: user_timeout.map(|time| time.as_secs_f64()),
            changed: socket.changed,
            failed: socket.failed,
        }
    }
}

fn words(found: &[Socket], mode: Mode) -> String {
    let mut text = String::new();
    for socket in found.iter().filter(|socket| socket.changed || socket.failed) {
        let Options { keepalive, idle, .. } = socket.before;
        let was = if keepalive { format!("after {} s", idle.as_secs()) } else { "off".to_owned() };
        let refused = if socket.failed { "; the kernel refused something" } else { "" };
        let Socket { local_port, remote, .. } = socket;
        let _ = writeln!(text, "port {local_port} -> {remote}: keepalive was {was}{refused}");
    }
    let changed = found.iter().filter(|socket| socket.changed).count();
    let would = if mode == Mode::DryRun { "would be " } else { "" };
    let kept = found.len() - changed;
    let _ = writeln!(text, "{changed} connections {would}changed, {kept} kept as they were");
    text
}
