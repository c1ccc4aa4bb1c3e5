//! Any packets and pauses, through a gateway of any configuration.

use core::ops::RangeInclusive;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use halfopen_core::flow::FlowKey;
use halfopen_core::gateway::{
    Dependence, FragmentRule, Fragments, Gateway, GatewayConfig, OutOfWindow, Translation,
};
use halfopen_core::hop::{Command, EventKind, Hop as _, Output, Side};
use halfopen_core::idle::{
    Capacity, IdlePolicy, IdleTimers, OnExpiry, OnOrphan, Refresh, Told, WhenFull,
};
use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;

use super::script::{EXTERNAL, Script, Step};

/// More deadlines than a history as short as these can have between two steps.
const DEADLINES_MAX: usize = 10_000;

/// Reads the bytes as a configuration and a history, and holds the gateway to the contract of
/// hops.
pub fn run(bytes: &[u8]) {
    let mut script = Script(bytes);
    let config = config(&mut script);
    let checked = config.check();
    let make = || Gateway::new(config.clone(), Rng::new(7));
    let Ok(gateway) = make() else {
        assert!(checked.is_err());
        return;
    };
    let (history, punctual) = play(gateway, script, config.idle.capacity.flows);
    remembered_once(&punctual);
    let whole = |output: &Output| match output {
        Output::Packet(_, packet) => packet.checksums_hold(),
        Output::Event(_) => true,
    };
    assert!(punctual.iter().all(whole));
    let late = replay_late(make().expect("it was made before"), &history);
    assert_eq!(late, punctual, "a late driver gets the same fates");
}

/// Plays the script, meets every deadline, and returns what happened and what came out.
fn play(
    mut gateway: Gateway,
    mut script: Script<'_>,
    flows: u32,
) -> (Vec<(Instant, Step)>, Vec<Output>) {
    let (mut now, mut history, mut outputs) = (Instant::EPOCH, Vec::new(), Vec::new());
    let mut heard: Vec<(Side, Packet)> = Vec::new();
    while let Some(step) = script.step(&heard) {
        if let Step::Pause(pause) = step {
            now = now + pause;
        }
        run_until(&mut gateway, now, &mut outputs);
        let before = outputs.len();
        happen(&mut gateway, now, &step, &mut outputs);
        history.push((now, step));
        assert!(gateway.remembered() <= flows);
        heard.extend(outputs[before..].iter().filter_map(|output| match output {
            Output::Packet(side, packet) => Some((*side, packet.clone())),
            Output::Event(_) => None,
        }));
    }
    run_until(&mut gateway, end(now), &mut outputs);
    (history, outputs)
}

fn replay_late(mut gateway: Gateway, history: &[(Instant, Step)]) -> Vec<Output> {
    let (mut now, mut outputs) = (Instant::EPOCH, Vec::new());
    for (at, step) in history {
        now = *at;
        happen(&mut gateway, now, step, &mut outputs);
    }
    gateway.handle_timeout(end(now));
    drain(&mut gateway, &mut outputs);
    outputs
}

fn happen(gateway: &mut Gateway, now: Instant, step: &Step, outputs: &mut Vec<Output>) {
    match step {
        Step::Pause(_) => {}
        Step::Packet(side, packet) => gateway.handle_packet(now, *side, packet.clone()),
        Step::Flush => gateway.handle_command(now, Command::Flush),
    }
    drain(gateway, outputs);
}

fn run_until(gateway: &mut Gateway, now: Instant, outputs: &mut Vec<Output>) {
    for _ in 0..DEADLINES_MAX {
        let Some(due) = gateway.poll_timeout().filter(|&due| due <= now) else { return };
        gateway.handle_timeout(due);
        drain(gateway, outputs);
        let next = gateway.poll_timeout();
        assert!(next.is_none_or(|next| next > due), "due at {due:?}, and {next:?} is next");
    }
    panic!("more than {DEADLINES_MAX} deadlines before {now:?}");
}

fn drain(gateway: &mut Gateway, outputs: &mut Vec<Output>) {
    while let Some(output) = gateway.poll_output() {
        outputs.push(output);
    }
}

fn end(last: Instant) -> Instant {
    last + Duration::from_hours(10)
}

/// What is remembered was not, and what is forgotten was.
///
/// An address that is on both sides, which is a loop or a lie, can have two flows of one name: one
/// opened from each side.
fn remembered_once(outputs: &[Output]) {
    let mut remembered: BTreeMap<FlowKey, u8> = BTreeMap::new();
    for output in outputs {
        let Output::Event(event) = output else { continue };
        let fits = match &event.kind {
            EventKind::Remembered { flow } => {
                let count = remembered.entry(*flow).or_default();
                *count += 1;
                *count <= 2
            }
            EventKind::Forgot { flow, .. } => {
                let count = remembered.get_mut(flow).filter(|count| **count > 0);
                count.map(|count| *count -= 1).is_some()
            }
            EventKind::Orphaned { .. }
            | EventKind::Exhausted { .. }
            | EventKind::Discarded { .. }
            | EventKind::Refused { .. } => true,
        };
        assert!(fits, "{event:?}");
    }
}

fn config(script: &mut Script<'_>) -> GatewayConfig {
    let rule = |script: &mut Script<'_>| script.pick(&[FragmentRule::Forward, FragmentRule::Drop]);
    GatewayConfig {
        translation: script.pick(&[true, false]).then(|| translation(script)),
        filtering: dependence(script),
        idle: idle(script),
        fragments: Fragments { tcp: rule(script), udp: rule(script), icmp: rule(script) },
        out_of_window: script.pick(&[OutOfWindow::Pass, OutOfWindow::Drop]),
        ttl: script.pick(&[64, 255, 1, 0]),
        mtu: script.pick(&[None, Some(1500), Some(60), Some(0)]),
    }
}

fn translation(script: &mut Script<'_>) -> Translation {
    let external: Vec<IpAddr> = EXTERNAL
        .iter()
        .map(|end| end.parse::<SocketAddr>().expect("it is an address").ip())
        .collect();
    Translation {
        external: script.pick(&[&external[2..], &external[..1], &external[3..], &[]]).to_vec(),
        ports: script.pick(&[1024..=1025, 1024..=1024, 0..=u16::MAX, RangeInclusive::new(2, 1)]),
        mapping: dependence(script),
        per_destination: script.pick(&[None, Some(1), Some(0), Some(55_000)]),
        preserve_port: script.pick(&[false, true]),
        hairpinning: script.pick(&[false, true]),
    }
}

fn dependence(script: &mut Script<'_>) -> Dependence {
    script.pick(&[Dependence::AddressAndPort, Dependence::Address, Dependence::Endpoint])
}

fn idle(script: &mut Script<'_>) -> IdlePolicy {
    let mut timer = || {
        let seconds = script.pick(&[Some(350), None, Some(1), Some(5), Some(0)]);
        seconds.map(Duration::from_secs)
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
    let told = script.pick(&[Told::Both, Told::Inside, Told::Outside]);
    let orphan = [OnOrphan::Drop, OnOrphan::Reset, OnOrphan::Adopt, OnOrphan::Unreachable];
    IdlePolicy {
        timers,
        refresh: Refresh {
            by_outside: script.pick(&[true, false]),
            by_empty_segments: script.pick(&[true, false]),
        },
        on_expiry: script.pick(&[OnExpiry::Silent, OnExpiry::Reset(told), OnExpiry::Fin(told)]),
        on_orphan_inside: script.pick(&orphan),
        on_orphan_outside: script.pick(&orphan),
        capacity: Capacity {
            flows: script.pick(&[8, 1, 2, 0]),
            when_full: script.pick(&[WhenFull::EvictIdlest, WhenFull::Refuse]),
            forgotten: script.pick(&[4, 0, 1, 100]),
        },
    }
}
