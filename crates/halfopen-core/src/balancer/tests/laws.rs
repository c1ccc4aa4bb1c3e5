//! The contract of hops: on histories by chance of noise, and of clients and targets that talk.

use super::scene::*;
use super::*;

fn checked() -> BalancerConfig {
    let health = HealthCheck {
        path: "/health".into(),
        success: 200,
        interval: secs(30),
        timeout: secs(5),
        healthy_after: 2,
        unhealthy_after: 2,
    };
    BalancerConfig { health: Some(health), idle_timeout: secs(40), ..config() }
}

#[test]
fn noise_finds_a_balancer_that_keeps_the_laws() {
    for seed in 0..30 {
        let make = |rng: Rng| -> Box<dyn Hop> {
            let (address, target) = (end("198.0.0.1:1000"), end("198.0.0.2:1001"));
            let log = Box::new(Records::new(10));
            Box::new(Balancer::new(checked(), address, vec![target], rng, log).unwrap())
        };
        crate::laws::check(seed, &make).unwrap();
    }
}

/// Lets clients and targets do what they like, and returns what the balancer lived through.
fn record(seed: u64) -> Scene {
    let (mut scene, mut rng) = (Scene::new(checked()), Rng::new(seed));
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        match rng.below(16) {
            0 => clients.push(scene.connect()),
            1..6 if !clients.is_empty() => {
                let text = *rng.pick(&[GET, GET, GET, POST, &POST[..70], "?\r\n\r\n", "G"]);
                let _ = scene.clients.send(scene.now, *rng.pick(&clients), text.as_bytes());
            }
            6 if !clients.is_empty() => scene.clients.close(scene.now, *rng.pick(&clients)),
            7..12 if !servers.is_empty() => {
                let answer = *rng.pick(&[OK, OK, OK, CHUNKED, &OK[..30], "?", ""]);
                let _ = scene.servers.send(scene.now, *rng.pick(&servers), answer.as_bytes());
            }
            12 if !servers.is_empty() => {
                let server = servers.swap_remove(rng.index(servers.len()));
                if rng.chance(0.5) {
                    scene.servers.abort(scene.now, server);
                } else {
                    scene.servers.close(scene.now, server);
                }
            }
            13 if rng.chance(0.2) => {
                let target = rng.index(2);
                let orders =
                    [Command::Flush, Command::Deregister { target }, Command::Register { target }];
                scene.command(*rng.pick(&orders));
            }
            _ => {
                let magnitude = rng.below(16);
                scene.wait(Duration::from_millis(rng.below(1 << magnitude)));
            }
        }
        scene.carry();
        for &end in &clients {
            let _ = scene.clients.receive(scene.now, end, &mut [0; 9_000]);
        }
        for &end in &servers {
            let _ = scene.servers.receive(scene.now, end, &mut [0; 9_000]);
        }
        servers.extend(scene.listeners.iter().filter_map(|&at| scene.servers.accept(at)));
    }
    scene.wait(secs(2_000));

    scene
}

const POST: &str = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n0\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

/// Lets another balancer live through the same, and returns what it put out and wrote down.
fn replay(scene: &Scene, punctual: bool, restless: &[Instant]) -> (Vec<Output>, Vec<String>) {
    let mut other = Scene::new(checked());
    let (hop, mut outputs) = (&mut other.balancer, Vec::new());
    let mut restless = restless.iter().copied().peekable();
    let happenings = scene.history.iter().map(|(at, what)| (*at, Some(what)));
    for (at, what) in happenings.chain([(scene.now, None)]) {
        loop {
            let due = hop.poll_timeout().filter(|_| punctual);
            let next = [due, restless.peek().copied()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= at) else { break };
            restless.next_if_eq(&next);
            hop.handle_timeout(next);
            outputs.extend(core::iter::from_fn(|| hop.poll_output()));
            assert!(hop.poll_timeout().is_none_or(|due| due > next), "what was due is done");
        }
        match what.cloned() {
            Some(Happening::Packet(side, packet)) => hop.handle_packet(at, side, packet),
            Some(Happening::Command(command)) => hop.handle_command(at, command),
            None => hop.handle_timeout(at),
        }
        outputs.extend(core::iter::from_fn(|| hop.poll_output()));
    }
    (outputs, other.records.requests().iter().map(ToString::to_string).collect())
}

#[test]
fn a_late_driver_and_a_restless_one_get_the_same_fates_and_the_same_log() {
    let mut met = BTreeSet::new();
    for seed in 0..30 {
        let scene = record(seed);
        let punctual = replay(&scene, true, &[]);
        assert_eq!(punctual.0, scene.outputs, "seed {seed}: not deterministic");
        assert_eq!(replay(&scene, false, &[]), punctual, "seed {seed}: late");
        let mut rng = Rng::new(seed);
        let last = scene.now.as_nanos();
        let mut restless: Vec<_> = (0..300).map(|_| Instant::from_nanos(rng.below(last))).collect();
        restless.sort_unstable();
        assert_eq!(replay(&scene, true, &restless), punctual, "seed {seed}: restless");
        met.extend(scene.refusals());
        let lines = &punctual.1;
        assert!(lines.iter().all(|line| line.contains("TID_")), "seed {seed}");
    }
    let common = [
        Refusal::Malformed,
        Refusal::Incomplete,
        Refusal::Abandoned,
        Refusal::ClosedByTarget,
        Refusal::ResetByTarget,
        Refusal::BadResponse,
        Refusal::SilentTarget,
    ];
    assert!(common.iter().all(|why| met.contains(why)), "{met:?}");
}

#[test]
fn every_connection_that_was_remembered_is_forgotten_in_the_end() {
    for seed in 0..30 {
        let scene = record(seed);
        let mut remembered = BTreeSet::new();
        for event in &scene.events {
            if let EventKind::Remembered { flow } = event.kind {
                assert!(remembered.insert(flow), "seed {seed}");
            } else if let EventKind::Forgot { flow, .. } = event.kind {
                assert!(remembered.remove(&flow), "seed {seed}");
            }
        }
        // A health check may be under way.
        assert!(remembered.len() <= 2, "seed {seed}: {remembered:?}");
        assert!(scene.balancer.sessions.is_empty(), "seed {seed}");
        let outstanding = (0..2).map(|at| scene.balancer.targets.get(at).unwrap().outstanding);
        assert_eq!(outstanding.sum::<usize>(), 0, "seed {seed}");
    }
}
