//! The report of a fleet, for people and for programs.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use halfopen_core::cause::{Cause, Harm, Mechanism};
use halfopen_core::time::{Duration, Instant};
use halfopen_diagnosis::evidence::{Fleet, Hosts, PathVerdict};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::output::{BAD, BOLD, DIM, GOOD, WARN};

/// The number of the report's form for programs.
const FORMAT: u64 = 1;
/// Paths that are shown one by one; the others are counted by their cause.
const SHOWN_MAX: usize = 20;
/// Products that are named for a limit.
const FITS_MAX: usize = 4;

/// Returns the report for people.
pub(super) fn text(files: u64, fleet: &Fleet, paths: &[PathVerdict]) -> String {
    let mut text = String::new();
    let bad: Vec<&PathVerdict> = paths.iter().filter(|path| path.cause != Cause::None).collect();
    let _ = writeln!(
        text,
        "Evidence of {files} files: {} paths, {} with a finding\n",
        paths.len(),
        bad.len()
    );
    for path in bad.iter().take(SHOWN_MAX) {
        show(&mut text, path);
    }
    let mut others: BTreeMap<Cause, u64> = BTreeMap::new();
    for path in bad.iter().skip(SHOWN_MAX) {
        *others.entry(path.cause).or_default() += 1;
    }
    for (cause, count) in others {
        let _ = writeln!(text, "and {count} paths more with {cause}");
    }
    if bad.is_empty() {
        let _ = writeln!(text, "{GOOD}Nothing is wrong with these paths{GOOD:#}");
    }
    if fleet.left_out() > 0 {
        let _ = writeln!(text, "{WARN}{} rows found no room{WARN:#}", fleet.left_out());
    }
    text
}

fn show(text: &mut String, path: &PathVerdict) {
    let style = if path.harm == Harm::Failed { BAD } else { WARN };
    let PathVerdict { group, cause, because, .. } = path;
    let _ = writeln!(text, "{BOLD}{} → {}{BOLD:#}", group.hosts, group.server);
    let _ = writeln!(text, "  {style}{cause}{style:#}: {because}");
    if let Some(died) = path.died.filter(|_| path.cause != Cause::Inconclusive) {
        let from = path.survived.map_or("0 s".to_owned(), seconds);
        let _ = writeln!(text, "  limit between {from} and {}", seconds(died));
    }
    let _ = writeln!(
        text,
        "  {} hosts; {} connections, {} requests, {} failed, {} masked",
        path.hosts, path.connections, path.requests, path.failures, path.masked
    );
    for limit in path.limits() {
        let fits: Vec<&str> =
            limit.fits.iter().take(FITS_MAX).map(|fit| fit.title.as_str()).collect();
        if !fits.is_empty() {
            let _ = writeln!(text, "  {DIM}fits: {}{DIM:#}", fits.join("; "));
        }
    }
    text.push('\n');
}

fn seconds(idle: Duration) -> String {
    format!("{:.1} s", idle.as_secs_f64())
}

/// Returns the report for programs, as docs/fleet.md describes it.
pub(super) fn json(files: u64, fleet: &Fleet, paths: &[PathVerdict]) -> String {
    let report = json!({
        "format": FORMAT,
        "files": files,
        "rows_left_out": fleet.left_out(),
        "paths": paths.iter().map(path).collect::<Vec<Value>>(),
    });
    format!("{report:#}\n")
}

fn path(path: &PathVerdict) -> Value {
    let (host, labels) = match &path.group.hosts {
        Hosts::One(host, labels) => (Some(host), labels),
        Hosts::Labelled(labels) => (None, labels),
    };
    let causes = path.causes.iter().map(|(cause, harm, count)| {
        json!({ "cause": cause.as_str(), "harm": harm.as_str(), "diagnoses": count })
    });
    json!({
        "server": path.group.server,
        "host": host,
        "labels": labels,
        "hosts": path.hosts,
        "first_hour": date(path.hours.0),
        "last_hour": date(path.hours.1),
        "cause": path.cause.as_str(),
        "mechanism": path.mechanism.map(Mechanism::as_str),
        "harm": path.harm.as_str(),
        "survived_seconds": path.survived.map(|idle| idle.as_secs_f64()),
        "died_seconds": path.died.map(|idle| idle.as_secs_f64()),
        "deaths_by_hour_of_day": path.deaths_by_hour,
        "causes": causes.collect::<Vec<Value>>(),
        "connections": path.connections,
        "requests": path.requests,
        "failures": path.failures,
        "masked": path.masked,
        "because": path.because,
    })
}

fn date(at: Instant) -> String {
    let since = at.saturating_since(Instant::EPOCH);
    Timestamp::UNIX_EPOCH.saturating_add(since).unwrap_or(Timestamp::MAX).to_string()
}
