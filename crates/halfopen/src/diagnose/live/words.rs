//! News and the last report, for people.

use core::fmt::Write as _;
use std::net::SocketAddr;

use halfopen_capture::PathReport;
use halfopen_core::cause::{Cause, Harm};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::Verdict;

use super::watching::Watched;
use crate::output::{BAD, BOLD, DIM, GOOD, WARN};
use crate::report::Seconds;
use crate::report::value::At;

/// Healthy servers beyond this many are counted and not told one by one.
const HEALTHY_TOLD_MAX: usize = 10;

/// Returns when the last thing was seen that a verdict rests on.
pub(super) fn ended(verdict: &Verdict) -> Option<Instant> {
    verdict.evidence.iter().map(|seen| seen.at).max()
}

/// Says what became of a connection.
pub(super) fn finding(verdict: &Verdict, cause: Cause) -> String {
    let style = match verdict.harm {
        Harm::Failed => BAD,
        Harm::Masked | Harm::Latent | Harm::None => WARN,
    };
    let at = ended(verdict).map(|at| format!("{} ", At(at))).unwrap_or_default();
    let idle = verdict.idle.map(|idle| format!(" after {}", Seconds(idle))).unwrap_or_default();
    let (flow, finding, harm) = (verdict.flow, verdict.finding, verdict.harm);
    let mut line = format!(
        "{DIM}{at}{DIM:#} {flow} {style}{finding}{idle}{style:#} ({cause}, requests: {harm})"
    );
    if let Some(telling) = verdict.evidence.last() {
        let _ = write!(line, ": {}", telling.fact);
    }
    line
}

/// Says between which pauses a path's limit lies.
pub(super) fn limit(server: SocketAddr, survived: Option<Duration>, died: Duration) -> String {
    let pauses = pauses(survived, Some(died)).unwrap_or_default();
    format!("{BOLD}limit{BOLD:#} {server} {pauses}")
}

fn pauses(survived: Option<Duration>, died: Option<Duration>) -> Option<String> {
    match (survived, died) {
        (Some(survived), Some(died)) => {
            let (survived, died) = (Seconds(survived).exact(), Seconds(died).exact());
            Some(format!("survived a pause of {survived}, died after one of {died}"))
        }
        (None, Some(died)) => Some(format!("died after a pause of {}", Seconds(died).exact())),
        (Some(survived), None) => Some(format!("survived a pause of {}", Seconds(survived))),
        (None, None) => None,
    }
}

/// Says what was seen, when it is over.
pub(super) fn report(watched: &Watched) -> String {
    let mut text = String::from("\n");
    let healthy = |path: &&PathReport| path.cause == Cause::None;
    for path in watched.paths.iter().filter(|path| !healthy(path)) {
        trouble(&mut text, path);
    }
    let well: Vec<_> = watched.paths.iter().filter(healthy).collect();
    for path in well.iter().take(HEALTHY_TOLD_MAX) {
        let survived = pauses(path.survived, None).map(|it| format!("; it {it}"));
        let survived = survived.unwrap_or_default();
        let (server, count) = (path.server, path.connections);
        let _ = writeln!(
            text,
            "{GOOD}Nothing is wrong with {server}.{GOOD:#} {} {}, {} {}{survived}.",
            count,
            if count == 1 { "connection" } else { "connections" },
            path.requests,
            if path.requests == 1 { "request" } else { "requests" },
        );
    }
    if let Some(more) = well.len().checked_sub(HEALTHY_TOLD_MAX).filter(|&more| more > 0) {
        let _ = writeln!(text, "Nothing is wrong with {more} more servers.");
    }
    counts(&mut text, watched);
    text
}

/// A path with which something is wrong.
fn trouble(text: &mut String, path: &PathReport) {
    let style = if path.harm == Harm::Failed { BAD } else { WARN };
    let how = path.mechanism.map_or(String::new(), |how| format!(" ({how})"));
    let (server, cause, because) = (path.server, path.cause, &path.because);
    let _ = writeln!(text, "{style}{server}: {cause}{how}{style:#}\n  {because}");
    let _ = writeln!(
        text,
        "  {} of {} requests failed, {} were repeated by the client",
        path.failures, path.requests, path.masked
    );
    if let Some(pauses) = pauses(path.survived, path.died) {
        let _ = writeln!(text, "  {pauses}");
    }
}

fn counts(text: &mut String, watched: &Watched) {
    let Watched { interface, lasted, counts, holdings, kernel, lost, .. } = watched;
    let (packets, drops) = (kernel.packets, kernel.drops);
    let _ = write!(
        text,
        "{interface}: watched for {}; {packets} packets, {drops} dropped by the kernel; {} \
         connections",
        Seconds(*lasted),
        counts.connections
    );
    for (count, what) in [
        (counts.untracked, "segments without room for their connection"),
        (holdings.evicted, "connections forgotten unjudged to make room"),
        (*lost, "lines lost, since nobody read them in time"),
    ] {
        if count > 0 {
            let _ = write!(text, "; {count} {what}");
        }
    }
}
