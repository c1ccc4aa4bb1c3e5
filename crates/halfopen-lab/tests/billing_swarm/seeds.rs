//! Which seeds are played, and keeping those that fail.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test is told from outside how much to play, and keeps what it found"
)]

use std::env;
use std::fs::{File, OpenOptions};
use std::io::Write as _;

use crate::account::Wrong;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/billing_seeds.txt");

/// Returns the seeds that were asked for; where none were, those that failed once and `count` more.
pub(crate) fn asked(count: u64) -> Vec<u64> {
    let number = |name| env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let (first, asked) = (number("SWARM_SEED"), number("SWARM_COUNT"));
    let (kept, count) = match first {
        Some(_) => (Vec::new(), asked.unwrap_or(1)),
        None => (kept(), asked.unwrap_or(count)),
    };
    let first = first.unwrap_or(0);
    kept.into_iter().chain(first..first + count).collect()
}

/// Keeps a seed, so that whoever runs the tests next plays it first.
pub(crate) fn keep(seed: u64, wrong: &Wrong) {
    if kept().contains(&seed) {
        return;
    }
    let file = OpenOptions::new().append(true).open(KEPT);
    let line = |mut file: File| writeln!(file, "{seed} # {wrong}");
    // Where it cannot be written, it is at least printed.
    drop(file.and_then(line));
}

/// Returns the seeds that failed once.
fn kept() -> Vec<u64> {
    let seed = |line: &str| line.split('#').next()?.trim().parse().ok();
    include_str!("../billing_seeds.txt").lines().filter_map(seed).collect()
}
