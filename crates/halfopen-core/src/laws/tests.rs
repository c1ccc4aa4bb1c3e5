use core::num::NonZeroU64;
use std::net::IpAddr;

use super::*;
use crate::gateway::{
    Dependence, FragmentRule, Fragments, Gateway, GatewayConfig, OutOfWindow, Translation,
};
use crate::idle::{Capacity, IdlePolicy, IdleTimers, OnExpiry, OnOrphan, Refresh, Told, WhenFull};
use crate::link::{Bandwidth, Link, LinkConfig};
use crate::path::Path;

fn any_policy(rng: &mut Rng) -> IdlePolicy {
    let mut timer = || {
        let timer = Duration::from_millis(rng.below(200_000));
        rng.chance(0.9).then_some(timer)
    };
    let timers = IdleTimers {
        tcp_opening: timer(),
        tcp_established: timer(),
        tcp_half_closed: timer(),
        tcp_closing: timer(),
        tcp_time_wait: timer(),
        tcp_reset: timer(),
        udp: timer(),
        udp_stream: timer(),
        icmp: timer(),
    };
    let told = *rng.pick(&[Told::Inside, Told::Outside, Told::Both]);
    let on_expiry = [OnExpiry::Silent, OnExpiry::Reset(told), OnExpiry::Fin(told)];
    let on_orphan = [OnOrphan::Drop, OnOrphan::Reset, OnOrphan::Adopt, OnOrphan::Unreachable];
    IdlePolicy {
        timers,
        refresh: Refresh { by_outside: rng.chance(0.5), by_empty_segments: rng.chance(0.5) },
        on_expiry: *rng.pick(&on_expiry),
        on_orphan_inside: *rng.pick(&on_orphan),
        on_orphan_outside: *rng.pick(&on_orphan),
        capacity: Capacity {
            flows: u32::try_from(1 + rng.below(30)).unwrap(),
            when_full: *rng.pick(&[WhenFull::EvictIdlest, WhenFull::Refuse]),
            forgotten: u32::try_from(rng.below(20)).unwrap(),
        },
    }
}

fn any_gateway(rng: &mut Rng) -> Gateway {
    let classes = [Dependence::Endpoint, Dependence::Address, Dependence::AddressAndPort];
    let external: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
        .map(|address| address.parse().unwrap())
        .into_iter()
        .skip(rng.index(2))
        .collect();
    let ports = 5_000..=5_000 + u16::try_from(rng.below(12)).unwrap();
    let translation = Translation {
        external,
        ports,
        mapping: *rng.pick(&classes),
        per_destination: rng.chance(0.3).then_some(3),
        preserve_port: rng.chance(0.3),
        hairpinning: rng.chance(0.5),
    };
    let rules = [FragmentRule::Forward, FragmentRule::Drop];
    let config = GatewayConfig {
        translation: rng.chance(0.7).then_some(translation),
        filtering: *rng.pick(&classes),
        idle: any_policy(rng),
        fragments: Fragments {
            tcp: *rng.pick(&rules),
            udp: *rng.pick(&rules),
            icmp: *rng.pick(&rules),
        },
        out_of_window: *rng.pick(&[OutOfWindow::Pass, OutOfWindow::Drop]),
        ttl: 64,
        mtu: rng.chance(0.1).then_some(1_000),
    };
    Gateway::new(config, rng.fork()).unwrap()
}

fn any_line(rng: &mut Rng) -> LinkConfig {
    let bandwidth = Bandwidth { bits_per_second: NonZeroU64::new(50_000).unwrap(), queue: 5_000 };
    LinkConfig {
        delay: Duration::from_micros(rng.below(300_000)),
        jitter: Duration::from_micros(rng.below(50_000)),
        reordering: if rng.chance(0.5) { 0.1 } else { 0.0 },
        held_back: Duration::from_millis(rng.below(40)),
        loss: if rng.chance(0.5) { 0.1 } else { 0.0 },
        duplication: if rng.chance(0.5) { 0.1 } else { 0.0 },
        bandwidth: rng.chance(0.5).then_some(bandwidth),
        mtu: rng.chance(0.1).then_some(1_000),
        packets_max: 1 + rng.index(50),
    }
}

fn any_link(rng: &mut Rng) -> Link {
    Link::asymmetric(any_line(rng), any_line(rng), rng.fork())
}

fn any_path(rng: &mut Rng) -> Path {
    let hops = (0..rng.below(5)).map(|_| -> Box<dyn Hop> {
        if rng.chance(0.5) { Box::new(any_gateway(rng)) } else { Box::new(any_link(rng)) }
    });
    Path::new(hops.collect())
}

fn obeys(histories: u64, make: &dyn Fn(Rng) -> Box<dyn Hop>) {
    for seed in 0..histories {
        if let Err(broken) = check(seed, make) {
            panic!("{broken}");
        }
    }
}

#[test]
fn every_gateway_obeys_the_laws() {
    obeys(200, &|mut rng| Box::new(any_gateway(&mut rng)));
}

#[test]
fn every_link_obeys_the_laws() {
    obeys(50, &|mut rng| Box::new(any_link(&mut rng)));
}

#[test]
fn every_path_obeys_the_laws() {
    obeys(100, &|mut rng| Box::new(any_path(&mut rng)));
}

#[test]
fn the_histories_meet_everything_that_a_gateway_can_do() {
    let mut met = BTreeSet::new();
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let hop_rng = rng.fork();
        let make = || -> Box<dyn Hop> { Box::new(any_gateway(&mut hop_rng.clone())) };
        let (_, trace) = Driver { seed, make: &make }.record(&mut rng).unwrap();
        met.extend(trace.iter().map(|(_, output)| match output {
            Output::Packet(side, packet) => format!("{:?} {side:?}", packet.view().protocol()),
            Output::Event(event) => match &event.kind {
                EventKind::Remembered { .. } => "remembered".into(),
                EventKind::Forgot { because, .. } => format!("forgot {because:?}"),
                EventKind::Orphaned { side, reaction, forgotten, .. } => {
                    format!("orphaned {side:?} {reaction:?} {}", forgotten.is_some())
                }
                EventKind::Exhausted { .. } => "exhausted".into(),
                EventKind::Discarded { why, .. } => format!("discarded {why:?}"),
                EventKind::Refused { why, .. } => format!("refused {why:?}"),
            },
        }));
    }
    // Three protocols out of two sides; remembered, exhausted; five demises; orphans from two sides
    // with four reactions, forgotten or not; six discards, all but a link's two and the expired.
    assert_eq!(met.len(), 6 + 2 + 5 + 16 + 6, "{met:#?}");
}

#[test]
fn in_the_histories_packets_for_several_pass_whole_and_are_cut_up() {
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..120 {
        let mut rng = Rng::new(seed);
        let hop_rng = rng.fork();
        let make = || -> Box<dyn Hop> { Box::new(any_gateway(&mut hop_rng.clone())) };
        let driver = Driver { seed, make: &make };
        let (history, trace) = driver.record(&mut rng).unwrap();
        let came = history.iter().filter(|(_, happening)| match happening {
            Happening::Packet(_, packet) => packet.count() > 1,
            Happening::Command(_) => false,
        });
        let left = trace.iter().filter(|(_, output)| match output {
            Output::Packet(_, packet) => packet.count() > 1,
            Output::Event(_) => false,
        });
        let left = left.count();
        whole += left;
        cut += came.count() - left;
    }
    assert!(whole > 20 && cut > 100, "{whole} whole, {cut} cut up or dropped");
}

/// A link that breaks the laws in one way each.
#[derive(Debug)]
struct Outlaw {
    link: Link,
    crime: Crime,
    timeouts: u64,
}

#[derive(Clone, Copy, Debug)]
enum Crime {
    /// Counts timeouts and drops an output at every seventh.
    CountsTimeouts,
    /// Does not say when it has something to do.
    HidesDeadline,
    /// Does not do what is due.
    NeverDone,
    /// Damages packets.
    Damages,
    /// Cuts packets for several up, and drops the last of them.
    DropsTheLast,
}

impl Hop for Outlaw {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        if matches!(self.crime, Crime::DropsTheLast) && packet.count() > 1 {
            let all_but_one = packet.count() - 1;
            for packet in packet.into_segments().take(all_but_one) {
                self.link.handle_packet(now, side, packet);
            }
        } else {
            self.link.handle_packet(now, side, packet);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.timeouts += 1;
        if !matches!(self.crime, Crime::NeverDone) {
            self.link.handle_timeout(now);
        }
        if matches!(self.crime, Crime::CountsTimeouts) && self.timeouts.is_multiple_of(7) {
            self.link.poll_output();
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = self.link.poll_output()?;
        match (self.crime, output) {
            (Crime::Damages, Output::Packet(side, packet)) => {
                let mut bytes = packet.bytes().to_vec();
                *bytes.last_mut()? ^= 1;
                Some(Output::Packet(side, Packet::parse(bytes).unwrap_or(packet)))
            }
            (_, output) => Some(output),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.crime {
            Crime::HidesDeadline => None,
            Crime::CountsTimeouts | Crime::NeverDone | Crime::Damages | Crime::DropsTheLast => {
                self.link.poll_timeout()
            }
        }
    }
}

#[test]
fn an_outlaw_is_caught() {
    let law_broken_by = |crime| {
        let make = |rng| -> Box<dyn Hop> {
            let link = Link::new(LinkConfig::delaying(Duration::from_millis(20)), rng);
            Box::new(Outlaw { link, crime, timeouts: 0 })
        };
        (0..20).find_map(|seed| check(seed, &make).err()).map(|broken| broken.law)
    };
    assert_eq!(law_broken_by(Crime::CountsTimeouts), Some("spurious timeouts change nothing"));
    assert_eq!(law_broken_by(Crime::HidesDeadline), Some("spurious timeouts change nothing"));
    assert_eq!(law_broken_by(Crime::NeverDone), Some("what was due is done"));
    assert_eq!(law_broken_by(Crime::Damages), Some("packets stay whole"));
    let law = "a packet that stands for several has their fates";
    assert_eq!(law_broken_by(Crime::DropsTheLast), Some(law));
}
