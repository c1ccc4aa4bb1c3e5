//! What our gateway costs, next to the kernel's own: bulk transfers and small requests over TCP
//! through a gateway on TUN devices, and through netfilter's masquerade between the same
//! namespaces.
//!
//! `cargo bench -p halfopen-live --bench carry`; it needs `nft` (Debian: nftables), and to be root
//! or to be allowed user namespaces. Nothing else should run meanwhile: processor time is that of
//! the whole machine, since no process is charged for what the kernel does between two of them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
#![expect(clippy::print_stdout, reason = "it is what the benchmark is for")]

mod load;
mod road;

use std::env;
use std::net::IpAddr;
use std::time::Duration;

use halfopen_live::namespace::become_owner;

use load::{Bulk, Requests};
use road::Road;

/// How much is measured.
struct Extent {
    /// How often each is measured, in turn.
    rounds: usize,
    /// For how long a bulk transfer goes on.
    bulk: Duration,
    /// How many requests are made.
    requests: usize,
}

/// How many connections a bulk transfer has.
const FLOWS: [usize; 2] = [1, 8];

fn main() {
    become_owner().unwrap();
    // Cargo tests benchmarks by this argument.
    let extent = if env::args().any(|argument| argument == "--test") {
        Extent { rounds: 1, bulk: Duration::from_millis(100), requests: 100 }
    } else {
        Extent { rounds: 9, bulk: Duration::from_secs(2), requests: 20_000 }
    };
    let roads = [Road::carried(), Road::forwarded()];
    println!("{:<28}{:>12}{:>12}{:>10}", "median", roads[0].name, roads[1].name, "ratio");
    for family in road::SERVER {
        for flows in FLOWS {
            bulk(&roads, family, flows, &extent);
        }
        requests(&roads, family, &extent);
    }
}

fn bulk(roads: &[Road; 2], server: IpAddr, flows: usize, extent: &Extent) {
    let measured = in_turn(roads, extent, |road| load::bulk(road, server, flows, extent.bulk));
    let name = format!("{} bulk, {flows} flows", family(server));
    row(&format!("{name}: Gbit/s"), &measured, Bulk::gigabits_per_second);
    row("  machine: CPU s/GB", &measured, Bulk::machine_per_gigabyte);
    row("  carrier: CPU s/GB", &measured, Bulk::carrier_per_gigabyte);
}

fn requests(roads: &[Road; 2], server: IpAddr, extent: &Extent) {
    let measured = in_turn(roads, extent, |road| load::requests(road, server, extent.requests));
    let name = format!("{} request", family(server));
    let micros =
        |percent| move |requests: &Requests| requests.percentile(percent).as_secs_f64() * 1e6;
    row(&format!("{name}: median µs"), &measured, micros(50));
    row("  99 % of them: µs", &measured, micros(99));
}

/// Measures on both roads in turn, so that whatever else the machine does meets both.
fn in_turn<T>(roads: &[Road; 2], extent: &Extent, measure: impl Fn(&Road) -> T) -> [Vec<T>; 2] {
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..extent.rounds {
        for (road, measured) in roads.iter().zip(&mut measured) {
            measured.push(measure(road));
        }
    }
    measured
}

fn row<T>(name: &str, measured: &[Vec<T>; 2], figure: impl Fn(&T) -> f64) {
    let [ours, theirs] = measured.each_ref().map(|runs| {
        let mut figures: Vec<f64> = runs.iter().map(&figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    });
    let ratio = if theirs > 0.0 { format!("{:.2}", ours / theirs) } else { "-".to_owned() };
    println!("{name:<28}{ours:>12.2}{theirs:>12.2}{ratio:>10}");
}

const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}
