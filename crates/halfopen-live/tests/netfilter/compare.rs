//! What both gateways did with lists, held against each other.

use core::ops::Range;
use std::collections::BTreeMap;
use std::time::Duration;

use halfopen_core::gateway::{GatewayConfig, OutOfWindow};

use crate::generate;
use crate::kernel::{self, Kernel};
use crate::known::Case;
use crate::list::List;
use crate::ours;
use crate::setup::Setup;

/// How a list ended.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// Both did the same with every packet.
    Same,
    /// A packet came so near to a deadline that it is chance what it met.
    Unclear,
    /// They differ, but only as they are known to.
    Known(Vec<&'static str>),
    /// They differ, as the text says.
    Differs(String),
}

/// How many lists ended how.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) packets: usize,
    pub(crate) same: usize,
    pub(crate) unclear: usize,
    pub(crate) known: BTreeMap<&'static str, usize>,
    /// What nobody knows of, each as its seed and its shortest list.
    pub(crate) differs: Vec<String>,
}

/// Within what time lists begin that are played at once.
const SPREAD: Duration = Duration::from_secs(5);

/// How often a list is made shorter at most.
const ROUNDS: usize = 12;

/// Plays the lists of these seeds.
pub(crate) fn compare(kernel: &mut Kernel, setup: Setup, seeds: Range<u64>) -> Tally {
    let lists: Vec<(u64, List)> = seeds.map(|seed| (seed, generate::list(seed))).collect();
    let played = kernel.play(&lists.iter().map(|(_, list)| list).collect::<Vec<_>>(), SPREAD);
    let (mut tally, mut differs) = (Tally::default(), Vec::new());
    for ((seed, list), played) in lists.iter().zip(&played) {
        tally.packets += list.0.len();
        match judge(setup, list, played) {
            Judgement::Same => tally.same += 1,
            Judgement::Unclear => tally.unclear += 1,
            Judgement::Known(mut known) => {
                known.dedup();
                for name in known {
                    *tally.known.entry(name).or_default() += 1;
                }
            }
            Judgement::Differs(_) => differs.push((*seed, list)),
        }
    }
    // What is chance does not come again.
    let again: Vec<&List> = differs.iter().map(|(_, list)| *list).collect();
    let played = kernel.play(&again, SPREAD);
    for ((seed, list), played) in differs.into_iter().zip(&played) {
        match judge(setup, list, played) {
            Judgement::Differs(how) if tally.differs.is_empty() => {
                let how = shorten(kernel, setup, list).unwrap_or(how);
                tally.differs.push(format!("seed {seed}, shortened: {how}"));
            }
            Judgement::Differs(how) => tally.differs.push(format!("seed {seed}: {how}")),
            Judgement::Same | Judgement::Unclear | Judgement::Known(_) => tally.unclear += 1,
        }
    }
    tally
}

/// Holds what netfilter did with a list against what the project's gateway does.
pub(crate) fn judge(setup: Setup, list: &List, theirs: &kernel::Played) -> Judgement {
    let config = setup.config();
    let strict = GatewayConfig { out_of_window: OutOfWindow::Drop, ..config.clone() };
    let ours = ours::play(&config, theirs.number, list, &theirs.times);
    let strict = ours::play(&strict, theirs.number, list, &theirs.times);
    let mut known = Vec::new();
    for at in 0..list.0.len() {
        if ours.close.is_some_and(|close| close <= at) {
            return Judgement::Unclear;
        }
        if ours.fates[at] == theirs.fates[at] {
            continue;
        }
        let case = Case {
            setup,
            list,
            times: &theirs.times,
            ours: &ours.fates,
            theirs: &theirs.fates,
            out_of_window: &strict.out_of_window,
            adopted: &ours.adopted,
            at,
        };
        let Some(fitting) = case.known() else {
            let (list, ours) = (List(list.0[..=at].to_vec()), &ours.fates[at]);
            let theirs = &theirs.fates[at];
            let how = format!("{setup:?}\n{list:?}  ours:      {ours:?}\n  netfilter: {theirs:?}");
            return Judgement::Differs(how);
        };
        known.push(fitting.name);
        if fitting.lasts {
            break;
        }
    }
    if known.is_empty() { Judgement::Same } else { Judgement::Known(known) }
}

/// Takes packets out of a list as long as it differs, and says how the shortest one does; `None`
/// if the list does not differ when it is played again.
fn shorten(kernel: &mut Kernel, setup: Setup, list: &List) -> Option<String> {
    let mut candidates = vec![list.clone()];
    let mut shortest = None;
    for _ in 0..ROUNDS {
        let played =
            kernel.play(&candidates.iter().collect::<Vec<_>>(), Duration::from_millis(100));
        let differing = candidates.iter().zip(&played).filter_map(|(list, played)| {
            match judge(setup, list, played) {
                Judgement::Differs(how) => Some((list, how)),
                Judgement::Same | Judgement::Unclear | Judgement::Known(_) => None,
            }
        });
        let Some((list, how)) = differing.min_by_key(|(list, _)| list.0.len()) else { break };
        shortest = Some(how);
        candidates = without_some(list);
    }
    shortest
}

/// Returns the list without each of its packets, and without each run of packets.
fn without_some(List(steps): &List) -> Vec<List> {
    let mut lists = Vec::new();
    let mut len = steps.len() / 2;
    while len > 0 {
        for start in (0..=steps.len() - len).step_by(len) {
            lists.push(List([&steps[..start], &steps[start + len..]].concat()));
        }
        len /= 2;
    }
    lists
}
