//! The report as remarks on the frames of captures, for Wireshark to show in place.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use halfopen_capture::pcap::Remarks;
use halfopen_core::cause::Cause;

use super::untrusted::visible;
use super::{Evidence, Path, Report, advice};

/// Paths that the remark on a whole capture tells of.
const PATHS_MAX: usize = 20;
/// Addresses that get a name.
const NAMES_MAX: usize = 64;

/// Returns the remarks on one of the captures.
pub(crate) fn remarks(report: &Report, capture: usize) -> Remarks {
    let mut frames: BTreeMap<u64, String> = BTreeMap::new();
    let mut add = |seen: &Evidence, of: &str| {
        if seen.capture == capture {
            let remark = frames.entry(seen.frame).or_default();
            let fact = visible(&seen.fact);
            if !remark.contains(&*fact) {
                let before = if remark.is_empty() { "halfopen: " } else { "; " };
                remark.extend([before, &*fact, of]);
            }
        }
    };
    for flow in &report.flows {
        flow.evidence.iter().for_each(|seen| add(seen, &format!(" ({})", flow.finding)));
    }
    let paths = report.paths.iter();
    paths.for_each(|path| path.evidence.iter().for_each(|seen| add(seen, "")));
    Remarks { capture: whole(report), frames, names: names(report) }
}

/// Says what is wrong with all paths.
fn whole(report: &Report) -> String {
    let told: Vec<String> = report.paths.iter().take(PATHS_MAX).map(verdict).collect();
    let told =
        if told.is_empty() { "there is nothing to judge".to_owned() } else { told.join("\n") };
    format!("halfopen: {told}")
}

fn verdict(path: &Path) -> String {
    let headline = advice::headline(path);
    let because = if path.cause == Cause::None { "" } else { &path.because };
    visible(&format!("{headline} {because}")).trim_end().to_owned()
}

/// Names the ends of connections to servers with which something is wrong.
fn names(report: &Report) -> Vec<(IpAddr, String)> {
    let troubled = report.paths.iter().filter(|path| path.cause != Cause::None);
    let servers: BTreeSet<_> = troubled.filter_map(|path| path.address).collect();
    let flows = report.flows.iter().filter(|flow| servers.contains(&flow.key.responder));
    let clients: BTreeSet<IpAddr> = flows.map(|flow| flow.key.initiator.ip()).collect();
    let servers: BTreeSet<IpAddr> = servers.iter().map(SocketAddr::ip).collect();
    let clients: BTreeSet<IpAddr> = clients.difference(&servers).copied().collect();
    let mut names = numbered(&servers, "server");
    names.extend(numbered(&clients, "client"));
    names.truncate(NAMES_MAX);
    names
}

fn numbered(addresses: &BTreeSet<IpAddr>, name: &str) -> Vec<(IpAddr, String)> {
    let only = addresses.len() == 1;
    let number = |index: usize| if only { String::new() } else { format!("-{index}") };
    let all = addresses.iter().zip(1..);
    all.map(|(&address, index)| (address, format!("{name}{}", number(index)))).collect()
}
