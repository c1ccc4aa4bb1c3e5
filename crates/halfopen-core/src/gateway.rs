//! A box that translates addresses, or only watches, and forgets idle flows.
//!
//! A [`Gateway`] is a NAT gateway, a firewall or a passthrough balancer, as its [`GatewayConfig`]
//! says. A packet's way goes through this file from top to bottom: forget what is due, decide the
//! packet's fate, then carry it out. It is not a router and not a proxy: it knows two sides, and a
//! connection passes through it between its two ends.
//!
//! Limits: a packet whose time to live runs out vanishes without an ICMP error, and so does one
//! that is too long and may be fragmented, for the gateway fragments nothing; fragments that come
//! before the first of their packet are dropped, not kept; a packet between two inside ends passes
//! the gateway twice and loses two from its time to live; an address that sends from both sides,
//! which is a loop or a lie, can have two flows of one name where nothing is translated and anyone
//! may open a flow: one opened from each side.
//!
//! The invariant: whatever a packet meets depends only on what was due before it, so a driver that
//! is late, or that calls more often than it must, gets the same outputs in the same order.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

mod config;
mod counters;
mod filter;
mod fragments;
mod mapping;
mod notice;
mod ports;
mod table;
mod tally;
mod tracker;

pub use config::{
    ConfigError, Dependence, FragmentRule, Fragments, GatewayConfig, OutOfWindow, Translation,
};
pub use counters::{Counters, Traffic};

use crate::flow::Protocol;
use crate::hop::{Command, Demise, Discard, Event, EventKind, Hop, Output, Reaction, Side};
use crate::idle::{OnExpiry, OnOrphan, Told, WhenFull};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::tcp::Flags;
use crate::wire::{Offload, Packet, View};
use filter::Filter;
use mapping::{Ends, Mapping, Phase};
use ports::Ports;
use table::Table;
use tracker::{Segment, Step, Tracker};

/// A NAT gateway, a firewall or a passthrough balancer.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    table: Table,
    /// `None` if nothing is translated.
    ports: Option<Ports>,
    filter: Filter,
    fragments: fragments::Fragments,
    counters: Counters,
    outputs: VecDeque<Output>,
    now: Instant,
}

/// What becomes of a packet.
#[derive(Debug)]
enum Fate {
    /// It belongs to a remembered flow.
    Follow(u32),
    /// It is an ICMP error about a packet of a remembered flow.
    Relate(u32),
    /// It is a later fragment of a packet whose near end was translated so.
    Trail(SocketAddr),
    /// It opens a flow with these ends, as named inside.
    Open(Ends),
    /// A stranger opens a flow with these ends, through an external end that is there.
    Admit(Ends, SocketAddr),
    /// Its flow is not remembered, and it opens none.
    Orphan { ends: Ends, forgotten: Option<u32>, reaction: Reaction },
    /// It does not pass.
    Discard(Discard),
}

impl Gateway {
    /// Returns a gateway that remembers nothing yet. Chance chooses its ports.
    pub fn new(config: GatewayConfig, mut rng: Rng) -> Result<Self, ConfigError> {
        config.check()?;
        let (idle, filtering) = (&config.idle, config.filtering);
        let translates = config.translation.is_some();
        Ok(Self {
            table: Table::new(&idle.timers, idle.capacity, translates, rng.bits()),
            ports: config.translation.clone().map(|to| Ports::new(to, filtering, rng.fork())),
            filter: Filter::new(filtering, translates),
            fragments: fragments::Fragments::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
            now: Instant::EPOCH,
            config,
        })
    }

    /// Returns what it counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns how many flows it remembers.
    #[must_use]
    pub const fn remembered(&self) -> u32 {
        self.table.remembered()
    }

    /// Forgets what is due by `now`, each at its own time.
    #[inline]
    fn advance(&mut self, now: Instant) {
        assert!(self.now <= now, "time went back from {:?} to {now:?}", self.now);
        while let Some((deadline, id)) = self.table.pop_due(now) {
            self.now = deadline;
            self.forget(id, self.table[id].phase.demise());
        }
        self.now = now;
    }

    /// Meets a packet, which passes as it is only if all that it stands for would pass alike.
    fn route(&mut self, side: Side, packet: Packet) {
        let fate = self.decide(side, &packet);
        if packet.offload() == Offload::Nothing || self.passes_whole(&fate, side, &packet) {
            return self.execute(fate, side, packet);
        }
        for packet in packet.into_segments() {
            self.advance(self.now);
            let fate = self.decide(side, &packet);
            self.execute(fate, side, packet);
        }
    }

    /// Tells whether a packet that stands for several, or is not complete, only belongs to a
    /// connection that is open.
    #[inline]
    fn passes_whole(&self, fate: &Fate, side: Side, packet: &Packet) -> bool {
        let Fate::Follow(id) = *fate else { return false };
        let mapping = &self.table[id];
        packet.count() == 1
            || matches!(mapping.phase, Phase::Established | Phase::HalfClosed)
                && Segment::read(packet.view())
                    .is_some_and(|segment| mapping.tcp.admits_throughout(side, &segment))
    }

    /// Decides what becomes of a packet, and changes nothing.
    fn decide(&self, side: Side, packet: &Packet) -> Fate {
        let view = packet.view();
        if let Some(why) = self.obstacle(side, packet) {
            return Fate::Discard(why);
        }
        if view.fragment().is_some_and(|fragment| fragment.offset > 0) {
            let trail = self.fragments.find(view, self.now).map(Fate::Trail);
            return trail.unwrap_or(Fate::Discard(Discard::Fragment));
        }
        let (ends, is_error) = match view.quoted() {
            // The quoted packet had come from the other side.
            Some(quoted) => (Ends::of(quoted, side.opposite()), true),
            None => (Ends::of(view, side), false),
        };
        let Some(ends) = ends else { return Fate::Discard(Discard::Protocol) };
        let known = self.table.find(side, &ends);
        match known.filter(|&id| self.table[id].phase != Phase::Forgotten) {
            Some(id) if is_error => Fate::Relate(id),
            Some(id) => Fate::Follow(id),
            None if is_error => {
                Fate::Orphan { ends, forgotten: known, reaction: Reaction::Dropped }
            }
            None => self.decide_unknown(side, ends, known, view),
        }
    }

    /// Returns why a packet cannot pass, whatever its flow.
    #[inline]
    fn obstacle(&self, side: Side, packet: &Packet) -> Option<Discard> {
        let view = packet.view();
        let rules = self.config.fragments;
        let rule = match view.protocol() {
            Protocol::Tcp => rules.tcp,
            Protocol::Udp => rules.udp,
            Protocol::Icmp => rules.icmp,
            Protocol::Other(_) => return Some(Discard::Protocol),
        };
        let unroutable = self.ports.as_ref().is_some_and(|ports| match side {
            Side::Inside => {
                !ports.serves(view.dst()) || ports.owns(view.dst()) && !ports.hairpins()
            }
            Side::Outside => !ports.owns(view.dst()),
        });
        if unroutable {
            Some(Discard::Unroutable)
        } else if view.ttl() <= 1 {
            Some(Discard::TtlExpired)
        } else if self.config.mtu.is_some_and(|mtu| packet.longest() > usize::from(mtu)) {
            Some(Discard::TooBig)
        } else if rule == FragmentRule::Drop && view.fragment().is_some() {
            Some(Discard::Fragment)
        } else {
            None
        }
    }

    fn decide_unknown(
        &self,
        side: Side,
        ends: Ends,
        forgotten: Option<u32>,
        view: View<'_>,
    ) -> Fate {
        let opens = match ends.protocol {
            Protocol::Tcp => Segment::read(view).is_some_and(|segment| segment.opens()),
            Protocol::Udp => true,
            Protocol::Icmp => view.icmp().is_some_and(|icmp| icmp.is_echo_request()),
            Protocol::Other(_) => false,
        };
        let is_tcp = ends.protocol == Protocol::Tcp;
        match side {
            Side::Inside if opens => Fate::Open(ends),
            Side::Outside if opens && let Some(inside) = self.filter.admit(&ends) => {
                let inner = ends.with_near(inside);
                let known = self.table.find(Side::Inside, &inner);
                if known.is_some_and(|id| self.table[id].phase != Phase::Forgotten) {
                    return Fate::Discard(Discard::Filtered); // it has another external end
                }
                Fate::Admit(inner, ends.near())
            }
            // A stranger's packet is only an orphan if it may once have had a flow.
            Side::Outside if opens && is_tcp || forgotten.is_none() && !is_tcp => {
                Fate::Discard(Discard::Filtered)
            }
            Side::Inside | Side::Outside => {
                let reaction = self.reaction(side, view);
                Fate::Orphan { ends, forgotten, reaction }
            }
        }
    }

    fn reaction(&self, side: Side, view: View<'_>) -> Reaction {
        let rule = match side {
            Side::Inside => self.config.idle.on_orphan_inside,
            Side::Outside => self.config.idle.on_orphan_outside,
        };
        let is_reset = view.tcp().is_some_and(|header| header.flags.has(Flags::RST));
        let can_be_adopted = Segment::read(view).is_some_and(|segment| segment.can_be_adopted())
            && (side == Side::Inside || self.ports.is_none());
        match rule {
            OnOrphan::Reset if view.protocol() == Protocol::Tcp && !is_reset => Reaction::Reset,
            OnOrphan::Adopt if can_be_adopted => Reaction::Adopted,
            OnOrphan::Unreachable => Reaction::Unreachable,
            OnOrphan::Drop | OnOrphan::Reset | OnOrphan::Adopt => Reaction::Dropped,
        }
    }

    /// Does what was decided.
    fn execute(&mut self, fate: Fate, side: Side, packet: Packet) {
        match fate {
            Fate::Follow(id) => self.follow(id, side, packet),
            Fate::Relate(id) => self.relate(id, side, packet),
            Fate::Trail(to) => self.forward(to, side, packet),
            Fate::Open(inner) => match self.choose_external(&inner) {
                Some(external) => self.open(inner, external, side, packet),
                None => self.counters.packets_dropped += 1,
            },
            Fate::Admit(inner, external) => self.open(inner, external, side, packet),
            Fate::Orphan { ends, forgotten, reaction } => {
                self.meet_orphan(ends, forgotten, reaction, side, packet);
            }
            Fate::Discard(why) => {
                self.discard(side, why);
                let mtu = self.config.mtu.filter(|_| why == Discard::TooBig);
                let answer = mtu.and_then(|mtu| notice::too_big_in_answer(packet.view(), mtu));
                if let Some(answer) = answer {
                    self.send(side, answer);
                }
            }
        }
    }

    #[inline]
    fn follow(&mut self, id: u32, side: Side, packet: Packet) {
        let mapping = self.table.get_mut(id);
        let before = mapping.phase;
        let step = if mapping.protocol() == Protocol::Tcp {
            let (segment, opener) = (Segment::read(packet.view()), mapping.opened_by());
            let track = |segment| mapping.tcp.track(before, side, opener, &segment);
            segment.map_or(Step::Aside, track)
        } else if before == Phase::Udp && side != mapping.opened_by() {
            Step::To { phase: Phase::UdpStream, news: true }
        } else {
            Step::To { phase: before, news: true }
        };
        match step {
            Step::To { phase, news } => {
                let refresh = self.config.idle.refresh;
                let counts = (side == Side::Inside || refresh.by_outside)
                    && (news || refresh.by_empty_segments);
                if phase != before {
                    self.counters.moved(before, phase);
                    self.table.enter(id, phase, self.now);
                } else if counts {
                    self.table.refresh(id, self.now);
                }
            }
            Step::OutOfWindow if self.config.out_of_window == OutOfWindow::Drop => {
                return self.discard(side, Discard::OutOfWindow);
            }
            Step::Aside | Step::OutOfWindow => {}
            Step::Anew => {
                self.forget(id, before.demise());
                return self.route(side, packet);
            }
        }
        self.pass(id, side, packet);
    }

    /// Passes an ICMP error on with the names that its receiver knows, and refreshes nothing (RFC
    /// 5508 REQ-4, REQ-6).
    fn relate(&mut self, id: u32, side: Side, mut packet: Packet) {
        let mapping = &self.table[id];
        let to = match side {
            Side::Inside => mapping.external(),
            Side::Outside => mapping.inside(),
        };
        if self.ports.is_some() {
            match side {
                Side::Inside => packet.set_quoted_dst(to),
                Side::Outside => packet.set_quoted_src(to),
            }
        }
        self.forward(to, side, packet);
    }

    /// Opens a flow for the packet and passes it on, if there is room.
    fn open(&mut self, inner: Ends, external: SocketAddr, side: Side, packet: Packet) {
        if self.make_room(&inner) {
            let id = self.remember(inner, external, side, side, &packet);
            self.pass(id, side, packet);
        } else {
            self.counters.packets_dropped += 1;
        }
    }

    /// Chooses the external end of a new flow; without translation it is the inside end itself.
    fn choose_external(&mut self, inner: &Ends) -> Option<SocketAddr> {
        let Some(ports) = &mut self.ports else { return Some(inner.near()) };
        let table = &self.table;
        let external = ports.choose(inner, |outer| {
            let known = table.find(Side::Outside, outer);
            known.is_some_and(|id| table[id].phase != Phase::Forgotten)
        });
        if external.is_none() {
            self.counters.port_allocation_errors += 1;
            self.report(EventKind::Exhausted { flow: inner.opened_by(Side::Inside) });
        }
        external
    }

    /// Makes sure that there is room for one more flow, or tells that there is none.
    fn make_room(&mut self, inner: &Ends) -> bool {
        let capacity = self.config.idle.capacity;
        if self.table.remembered() < capacity.flows {
            return true;
        }
        let evicted = match capacity.when_full {
            WhenFull::EvictIdlest => self.table.idlest(),
            WhenFull::Refuse => None,
        };
        match evicted {
            Some(id) => self.forget(id, Demise::Evicted),
            None => self.report(EventKind::Exhausted { flow: inner.opened_by(Side::Inside) }),
        }
        evicted.is_some()
    }

    fn remember(
        &mut self,
        inner: Ends,
        external: SocketAddr,
        opened_by: Side,
        side: Side,
        packet: &Packet,
    ) -> u32 {
        let (phase, tcp) = match (inner.protocol, Segment::read(packet.view())) {
            (Protocol::Tcp, Some(segment)) if segment.opens() => {
                self.counters.connection_attempts += 1;
                (Phase::Opening, Tracker::opened(side, &segment))
            }
            (Protocol::Tcp, Some(segment)) => {
                let tcp = Tracker::adopted(side, &segment);
                (tcp.phase(), tcp)
            }
            (Protocol::Icmp, _) => (Phase::Icmp, Tracker::NONE),
            (Protocol::Tcp | Protocol::Udp | Protocol::Other(_), _) => (Phase::Udp, Tracker::NONE),
        };
        let mapping = Mapping::new(inner, external, opened_by, phase, self.now, tcp);
        if let Some(ports) = &mut self.ports {
            ports.acquire(&mapping);
        }
        self.filter.open(&mapping);
        self.counters.moved(Phase::Forgotten, phase);
        let flow = mapping.flow();
        let id = self.table.remember(mapping);
        self.report(EventKind::Remembered { flow });
        id
    }

    fn meet_orphan(
        &mut self,
        ends: Ends,
        forgotten: Option<u32>,
        reaction: Reaction,
        side: Side,
        packet: Packet,
    ) {
        let opened_by = forgotten.map_or(Side::Inside, |id| self.table[id].opened_by());
        let flow = forgotten.map_or(ends.opened_by(opened_by), |id| self.table[id].flow());
        let forgotten = forgotten.map(|id| self.table[id].started);
        let external = match reaction {
            Reaction::Adopted => self.choose_external(&ends).filter(|_| self.make_room(&ends)),
            Reaction::Dropped | Reaction::Reset | Reaction::Unreachable => None,
        };
        let answer = match reaction {
            Reaction::Reset => notice::reset_in_answer(packet.view(), self.config.ttl),
            Reaction::Unreachable => notice::unreachable_in_answer(packet.view()),
            Reaction::Dropped | Reaction::Adopted => None,
        };
        let unable = external.is_none() && answer.is_none();
        let reaction = if unable { Reaction::Dropped } else { reaction };
        self.report(EventKind::Orphaned { flow, side, reaction, forgotten });
        if let Some(external) = external {
            let id = self.remember(ends, external, opened_by, side, &packet);
            self.pass(id, side, packet);
        } else {
            self.counters.packets_dropped += 1;
            if let Some(answer) = answer {
                self.send(side, answer);
            }
        }
    }

    fn discard(&mut self, side: Side, why: Discard) {
        self.counters.packets_dropped += 1;
        self.report(EventKind::Discarded { side, why });
    }

    /// Passes a packet of a remembered flow on.
    #[inline]
    fn pass(&mut self, id: u32, side: Side, packet: Packet) {
        let mapping = &self.table[id];
        let to = match side {
            Side::Inside => mapping.external(),
            Side::Outside => mapping.inside(),
        };
        if packet.view().fragment().is_some() {
            self.fragments.follow(packet.view(), to, self.now);
        }
        self.forward(to, side, packet);
    }

    /// Passes a packet on with its near end translated.
    #[inline]
    fn forward(&mut self, to: SocketAddr, side: Side, mut packet: Packet) {
        if self.ports.is_some() {
            match side {
                Side::Inside => packet.set_src(to),
                Side::Outside => packet.set_dst(to),
            }
            packet.set_icmp_identifier(to.port());
        }
        packet.decrement_ttl();
        self.send(side.opposite(), packet);
    }

    /// Sends a packet; one to an external address of the gateway's own comes back in.
    #[inline]
    fn send(&mut self, side: Side, packet: Packet) {
        if side == Side::Outside && self.owns(packet.view().dst()) {
            return self.route(Side::Outside, packet);
        }
        self.counters.left(side, &packet);
        self.outputs.push_back(Output::Packet(side, packet));
    }

    fn forget(&mut self, id: u32, because: Demise) {
        let mapping = &self.table[id];
        let flow = mapping.flow();
        let idle = self.now.saturating_since(mapping.started);
        let notices = self.notices(mapping, because);
        if because == Demise::Idle && mapping.phase.is_active() {
            self.counters.idle_timeouts += 1;
        }
        self.counters.moved(mapping.phase, Phase::Forgotten);
        if let Some(ports) = &mut self.ports {
            ports.release(mapping);
        }
        self.filter.close(mapping);
        self.table.forget(id, self.now);
        self.report(EventKind::Forgot { flow, idle, because });
        for (side, packet) in notices.into_iter().flatten() {
            self.send(side, packet);
        }
    }

    /// Returns what the ends are told when their connection is forgotten.
    fn notices(&self, mapping: &Mapping, because: Demise) -> [Option<(Side, Packet)>; 2] {
        let (told, how) = match self.config.idle.on_expiry {
            OnExpiry::Reset(told) => (told, Flags::RST),
            OnExpiry::Fin(told) => (told, Flags::FIN),
            OnExpiry::Silent => return [None, None],
        };
        let sides = match told {
            Told::Inside => [Some(Side::Inside), None],
            Told::Outside => [None, Some(Side::Outside)],
            Told::Both => [Some(Side::Inside), Some(Side::Outside)],
        };
        let is_due = because == Demise::Idle && mapping.phase.is_active();
        sides.map(|side| {
            let side = side.filter(|_| is_due)?;
            Some((side, notice::of_the_end(mapping, side, how, self.config.ttl)))
        })
    }

    /// Tells whether an address is one of those that it translates to.
    fn owns(&self, address: IpAddr) -> bool {
        self.ports.as_ref().is_some_and(|ports| ports.owns(address))
    }

    fn report(&mut self, kind: EventKind) {
        self.outputs.push_back(Output::Event(Event { at: self.now, hop: 0, kind }));
    }
}

impl Hop for Gateway {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        self.advance(now);
        self.counters.came(side, &packet);
        self.route(side, packet);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.table.next_deadline()
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        self.advance(now);
        match command {
            Command::Flush => {
                for id in self.table.remembered_ids() {
                    self.forget(id, Demise::Flushed);
                }
            }
            Command::Deregister { .. } | Command::Register { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
