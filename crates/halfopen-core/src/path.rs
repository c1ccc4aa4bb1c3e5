//! A path: hops in a row. A path is itself a hop.

use std::collections::VecDeque;

use crate::hop::{Command, Event, Hop, Output, Side};
use crate::tap::Tap;
use crate::time::Instant;
use crate::wire::Packet;

/// Hops in a row, counted from inside.
#[derive(Debug, Default)]
pub struct Path {
    hops: Vec<Box<dyn Hop>>,
    outputs: VecDeque<Output>,
    taps: Vec<(usize, Box<dyn Tap>)>,
}

impl Path {
    /// Returns a path through `hops`, the innermost first.
    #[must_use]
    pub fn new(hops: Vec<Box<dyn Hop>>) -> Self {
        Self { hops, outputs: VecDeque::new(), taps: Vec::new() }
    }

    /// Watches a gap of the path: gap 0 is before the innermost hop, gap [`len`](Self::len) is
    /// behind the outermost one, and there must be such a gap. Sees packets when they cross it,
    /// to the nanosecond, however late the driver is.
    pub fn tap(&mut self, gap: usize, tap: Box<dyn Tap>) {
        assert!(gap <= self.hops.len(), "a path of {} hops has no gap {gap}", self.hops.len());
        self.taps.push((gap, tap));
    }

    /// Gives an order to one hop, counted from zero at the inside; there must be such a hop.
    pub fn command(&mut self, now: Instant, hop: usize, command: Command) {
        self.handle_timeout(now);
        self.hops[hop].handle_command(now, command);
        self.carry(now);
    }

    /// Returns the number of hops.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hops.len()
    }

    /// Tells whether there is no hop, so that packets pass straight through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hops.is_empty()
    }

    /// Hands what each hop has put out to the next, until all are drained.
    fn carry(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(hop) = self.hops.get_mut(index) {
            match hop.poll_output() {
                None => index += 1,
                Some(Output::Event(event)) => {
                    self.outputs.push_back(Output::Event(Event { hop: index, ..event }));
                }
                Some(Output::Packet(side, packet)) => {
                    index = self.pass_on(now, index, side, packet);
                }
            }
        }
    }

    /// Hands a packet that left hop `from` on, and returns the hop to drain next.
    fn pass_on(&mut self, now: Instant, from: usize, side: Side, packet: Packet) -> usize {
        self.show(now, from + usize::from(side == Side::Outside), side, &packet);
        let next = match side {
            Side::Inside => from.checked_sub(1),
            Side::Outside => Some(from + 1).filter(|&next| next < self.hops.len()),
        };
        let Some(next) = next else {
            self.outputs.push_back(Output::Packet(side, packet));
            return from;
        };
        self.hops[next].handle_packet(now, side.opposite(), packet);
        from.min(next)
    }

    fn show(&mut self, now: Instant, gap: usize, toward: Side, packet: &Packet) {
        for (_, tap) in self.taps.iter_mut().filter(|(place, _)| *place == gap) {
            tap.see(now, toward, packet);
        }
    }
}

impl Hop for Path {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        self.handle_timeout(now);
        let gap = if side == Side::Inside { 0 } else { self.hops.len() };
        self.show(now, gap, side.opposite(), &packet);
        let entry = match side {
            Side::Inside => self.hops.first_mut(),
            Side::Outside => self.hops.last_mut(),
        };
        match entry {
            None => self.outputs.push_back(Output::Packet(side.opposite(), packet)),
            Some(hop) => hop.handle_packet(now, side, packet),
        }
        self.carry(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        // One deadline at a time: what a hop lets go at its own deadline reaches the next hop then,
        // however late the driver is.
        while let Some(due) = self.poll_timeout().filter(|&due| due <= now) {
            for hop in &mut self.hops {
                hop.handle_timeout(due);
            }
            self.carry(due);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.hops.iter().filter_map(|hop| hop.poll_timeout()).min()
    }
}
