//! The project's gateway against Linux's: the same packets, the same fates.
//!
//! Lists of packets are played to netfilter, which is a router between two TUN devices in a
//! namespace of its own, and what comes out is held against what the project's gateway makes of
//! the same packets at the same times. Thousands of lists run at once, each between addresses of
//! its own, since netfilter's timers last whole seconds.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod cases;
mod compare;
mod fate;
mod generate;
mod kernel;
mod known;
mod list;
mod ours;
#[path = "../contained/owner.rs"]
mod owner;
mod path;
mod setup;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::cases::Conversation;
use crate::compare::{Judgement, Tally, compare, judge};
use crate::fate::{Fate, Outcome};
use crate::kernel::{Kernel, Played};
use crate::known::KNOWN;
use crate::list::{List, Step};
use crate::owner::as_owner;
use crate::setup::Setup;

/// How many lists are played to each of the setups that are compared.
const LISTS: u64 = 2_000;

const COMPARED: [Setup; 5] =
    [Setup::Adopting, Setup::Lenient, Setup::Silent, Setup::SilentLenient, Setup::Resetting];

#[test]
fn ten_thousand_packet_lists_meet_the_same_fates() {
    as_owner(|| {
        let tallies = thread::scope(|scope| {
            let run = |(setup, first)| {
                scope.spawn(move || (setup, compare(&mut Kernel::new(setup), setup, first)))
            };
            let seeds = (0..).map(|n: u64| n * LISTS..(n + 1) * LISTS);
            let running: Vec<_> = COMPARED.into_iter().zip(seeds).map(run).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        tell(&tallies);
        for (setup, Tally { same, unclear, differs, .. }) in tallies {
            assert!(differs.is_empty(), "{}", differs.join("\n"));
            let lists = usize::try_from(LISTS).unwrap();
            assert!(same * 10 >= lists * 6, "{setup:?}: only {same} lists are the same");
            assert!(unclear * 20 < lists, "{setup:?}: {unclear} lists are unclear");
        }
    });
}

#[expect(clippy::print_stdout, reason = "the numbers that docs/conformance.md has")]
fn tell(tallies: &[(Setup, Tally)]) {
    for (setup, Tally { packets, same, unclear, known, .. }) in tallies {
        println!("{setup:?}: {packets} packets, {same} lists alike, {unclear} unclear, {known:?}");
    }
}

#[test]
fn conversations_of_others_tests_go_alike() {
    as_owner(|| {
        for (conversation, judgement, outcomes) in converse(cases::alike()) {
            let name = conversation.name;
            assert_eq!(expected(&conversation), outcomes, "{name}");
            assert!(matches!(judgement, Judgement::Same), "{name}: {judgement:?}");
        }
    });
}

#[test]
fn each_known_difference_is_there() {
    as_owner(|| {
        let mut shown = BTreeSet::new();
        for (conversation, judgement, outcomes) in converse(cases::different()) {
            let name = conversation.name;
            assert_eq!(expected(&conversation), outcomes, "{name}");
            let Judgement::Known(known) = judgement else { panic!("{name}: {judgement:?}") };
            assert_eq!(known, [name]);
            shown.insert(name);
        }
        assert_eq!(shown, KNOWN.iter().map(|known| known.name).collect());
    });
}

/// What becomes of each packet, in the project's gateway and in netfilter.
type Outcomes = Vec<(Outcome, Outcome)>;

/// How often a conversation is played whose packets came late, on a machine that has much to do.
const TRIES: usize = 5;

fn expected(conversation: &Conversation) -> Outcomes {
    conversation.rows.iter().map(|row| (row.ours, row.theirs)).collect()
}

/// Plays conversations, all at once.
fn converse(conversations: Vec<Conversation>) -> Vec<(Conversation, Judgement, Outcomes)> {
    let mut waiting = conversations;
    thread::scope(|scope| {
        let mut running = Vec::new();
        for setup in Setup::ALL {
            let (own, others) = waiting.into_iter().partition(|one| one.setup == setup);
            waiting = others;
            running.push(scope.spawn(move || converse_with(setup, own)));
        }
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn converse_with(
    setup: Setup,
    mut waiting: Vec<Conversation>,
) -> Vec<(Conversation, Judgement, Outcomes)> {
    let (mut kernel, mut done) = (Kernel::new(setup), Vec::new());
    for _ in 0..TRIES {
        let lists: Vec<_> = waiting.iter().map(Conversation::list).collect();
        let played = kernel.play(&lists.iter().collect::<Vec<_>>(), Duration::ZERO);
        let mut again = Vec::new();
        for ((one, list), played) in waiting.into_iter().zip(&lists).zip(played) {
            match judge(setup, list, &played) {
                Judgement::Unclear => again.push(one),
                _ if played.late => again.push(one),
                judgement @ (Judgement::Same | Judgement::Known(_) | Judgement::Differs(_)) => {
                    done.push((one, judgement, outcomes(setup, list, &played)));
                }
            }
        }
        waiting = again;
    }
    let names: Vec<_> = waiting.iter().map(|one| one.name).collect();
    assert!(names.is_empty(), "{names:?} came late {TRIES} times");
    done
}

fn outcomes(setup: Setup, list: &List, theirs: &Played) -> Outcomes {
    let ours = ours::play(&setup.config(), theirs.number, list, &theirs.times);
    let fates = ours.fates.iter().zip(&theirs.fates);
    let outcome = |(step, (ours, theirs)): (&Step, (&Fate, &Fate))| {
        (ours.outcome(step.side), theirs.outcome(step.side))
    };
    list.0.iter().zip(fates).map(outcome).collect()
}
