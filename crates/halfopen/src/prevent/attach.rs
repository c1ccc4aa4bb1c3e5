//! `halfopen prevent attach`: processes that run already.

use core::time::Duration;

use halfopen_live::guard::cgroup::Cgroup;
use halfopen_live::guard::{Error, Guard, pins};
use halfopen_live::privileges;

use super::GuardFailure;
use super::report::Report;
use super::rules::{mode, rules};
use super::watch::{listen, watch};
use crate::Outcome;
use crate::billing::signal::Ending;
use crate::cli::prevent::guard::{Attach, Group};
use crate::output;

pub(super) fn run(order: &Attach) -> Result<Outcome, GuardFailure> {
    let (rules, mode) = (rules(&order.rules)?, mode(&order.rules));
    let listener = order.listen.map(listen).transpose()?;
    let cgroup = find(&order.group).map_err(Error::from)?;
    let guard = Guard::attach(&rules, mode, &cgroup)?;
    let path = cgroup.path().display();
    if order.pin {
        pins::pin(&guard, &cgroup)?;
        let how = "until `halfopen prevent detach`, or the machine starts again";
        output::remark(&format!("guarding {path} {how}"));
        return Ok(Outcome::Clear);
    }
    privileges::give_up("root")?;
    let processes = cgroup.processes().map_err(Error::from)?;
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let metrics = address.map(|address| format!("; http://{address}/metrics"));
    output::remark(&format!(
        "guarding {path} ({processes} processes, and cgroups within){}; Ctrl-C ends it",
        metrics.unwrap_or_default()
    ));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(GuardFailure::Runtime)?;
    let mut ending = runtime.block_on(async { Ending::listen() }).map_err(GuardFailure::Runtime)?;
    let lasting = order.lasting.unwrap_or(Duration::MAX);
    let end = async {
        tokio::select! {
            biased;
            () = ending.asked() => {}
            () = tokio::time::sleep(lasting) => {}
        }
    };
    runtime.block_on(watch(&guard, listener, true, end));
    let report = Report::new(&guard, cgroup.path(), &rules, mode)?;
    let report = if order.json { report.json() } else { report.text() };
    // Whoever read it may be gone; that is no failure.
    drop(output::print_line(report.trim_end()));
    Ok(Outcome::Clear)
}

/// Finds the cgroup that is meant.
fn find(group: &Group) -> Result<Cgroup, halfopen_live::guard::cgroup::Error> {
    match group {
        Group { cgroup: Some(path), .. } => Cgroup::open(path),
        Group { pid: Some(process), .. } => Cgroup::of_process(*process),
        Group { systemd: Some(unit), .. } => Cgroup::of_unit(unit),
        Group { .. } => unreachable!("clap asks for one of them"),
    }
}
