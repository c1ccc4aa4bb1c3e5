//! Lists, played to the kernel.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant as Clock};

use halfopen_core::time::Instant;
use halfopen_live::netfilter::Router;

use crate::fate::{Fate, Ports};
use crate::list::{CLIENTS, Ends, Last, List};
use crate::setup::Setup;

/// How much later than it should a packet may come before a list counts as late.
const LATE: Duration = Duration::from_millis(200);

/// The kernel as a gateway.
#[derive(Debug)]
pub(crate) struct Kernel {
    router: Router,
    /// How many lists were played.
    played: u32,
}

/// When each packet of a list came, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// The list's number, which its addresses are made of.
    pub(crate) number: u32,
    pub(crate) times: Vec<Instant>,
    pub(crate) fates: Vec<Fate>,
    /// Whether a packet came much later than it should.
    pub(crate) late: bool,
}

/// A list that is being played.
struct Playing<'a> {
    list: &'a List,
    ports: Ports,
    last: Last,
    played: Played,
}

impl Kernel {
    /// Makes a namespace that is such a gateway.
    pub(crate) fn new(setup: Setup) -> Self {
        Self { router: Router::new(&setup.config(), &[CLIENTS]).unwrap(), played: 0 }
    }

    /// Plays all lists at once, each from its own start within `spread`.
    pub(crate) fn play(&mut self, lists: &[&List], spread: Duration) -> Vec<Played> {
        let start = Clock::now();
        let count = u32::try_from(lists.len()).unwrap();
        let mut due = BinaryHeap::new();
        let mut playing = Vec::new();
        for (index, list) in (0..).zip(lists) {
            let played = Played { number: self.played + index, ..Played::default() };
            let (ports, last) = (Ports::default(), Last::default());
            playing.push(Playing { list, ports, last, played });
            if let Some(first) = list.0.first() {
                due.push(Reverse((spread * index / count + first.pause, index as usize)));
            }
        }
        self.played += count;
        while let Some(Reverse((at, index))) = due.pop() {
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            let now = start.elapsed();
            let one = &mut playing[index];
            one.played.late |= now > at + LATE;
            self.step(one, now);
            if let Some(next) = one.list.0.get(one.played.times.len()) {
                due.push(Reverse((now + next.pause, index)));
            }
        }
        playing.into_iter().map(|one| one.played).collect()
    }

    fn step(&mut self, one: &mut Playing<'_>, now: Duration) {
        let step = &one.list.0[one.played.times.len()];
        let ends = Ends::of(one.played.number, step.flow);
        let packet = step.packet(ends, one.ports.of(step.flow, ends), &one.last);
        one.last.sent(step);
        let sent = self.router.exchange(step.side, packet).unwrap();
        one.played.times.push(Instant::EPOCH + now);
        one.played.fates.push(one.ports.fate(ends, step, &sent));
    }
}
