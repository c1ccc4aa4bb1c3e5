//! The contract of the machines, on histories by chance.

use super::network::*;
use super::*;

/// What happens to a host from outside.
#[derive(Clone, Debug)]
enum Act {
    Packet(Packet),
    Connect,
    Send(usize),
    Receive,
    Keepalive,
    Shutdown,
    Close,
}

type Script = Vec<(Instant, Act)>;

fn perform(host: &mut Host, id: &mut Option<ConnectionId>, now: Instant, act: Act) {
    match (act, *id) {
        (Act::Packet(packet), _) => host.handle_packet(now, packet),
        (Act::Connect, _) => *id = host.connect(now, None, server()).ok(),
        (Act::Send(count), Some(id)) => _ = host.send(now, id, &vec![7; count]),
        (Act::Receive, Some(id)) => _ = host.receive(now, id, &mut [0; 5_000]),
        (Act::Keepalive, Some(id)) => {
            let keepalive = Keepalive { idle: secs(3.0), interval: secs(1.0), count: 3 };
            _ = host.set_keepalive(now, id, Some(keepalive));
        }
        (Act::Shutdown, Some(id)) => _ = host.shutdown(now, id),
        (Act::Close, Some(id)) => host.close(now, id),
        (_, None) => {}
    }
}

fn client_of(seed: u64) -> Host {
    Host::new(linux(CLIENT), Rng::new(seed))
}

fn note_deliveries(net: &mut Network, script: &mut Script) {
    let delivered = net.delivered_to_client.drain(..);
    script.extend(delivered.map(|(at, packet)| (at, Act::Packet(packet))));
}

/// Lets a client live through bad weather, and returns what happened to it and what it put out.
fn record(seed: u64) -> (Script, Vec<Output>) {
    let mut rng = Rng::new(seed);
    let weather = Weather {
        delay: Duration::from_millis(rng.below(40)),
        jitter: Duration::from_millis(rng.below(20)),
        loss: [0.0, 0.1, 0.5][rng.index(3)],
        duplication: 0.1,
    };
    let mut net = Network::new(seed, weather);
    net.client = client_of(seed);
    let listener = net.server.listen(server(), 4).unwrap();
    let (mut script, mut id, mut accepted): (Script, _, _) = (Vec::new(), None, None);
    for turn in 0..120 {
        let act = match rng.below(40) {
            _ if turn == 0 => Act::Connect,
            0..8 => Act::Send(rng.index(4_000) + 1),
            8..16 => Act::Receive,
            16 => Act::Keepalive,
            17 => Act::Shutdown,
            18 if turn > 60 => Act::Close,
            _ => {
                accepted = accepted.or_else(|| net.server.accept(listener));
                if let Some(end) = accepted {
                    let len = rng.index(3_000);
                    _ = net.server.send(net.now, end, &vec![1; len]);
                    _ = net.server.receive(net.now, end, &mut [0; 9_000]);
                }
                net.run_for(Duration::from_millis(rng.below(400)));
                continue;
            }
        };
        note_deliveries(&mut net, &mut script);
        script.push((net.now, act.clone()));
        perform(&mut net.client, &mut id, net.now, act);
        net.collect();
    }
    net.run_for(secs(200.0));
    note_deliveries(&mut net, &mut script);
    (script, net.client_output)
}

/// Lets a new client live through a script; `extra` are moments at which the driver calls though
/// nothing happens, and only a punctual one calls whenever something is due.
fn replay(seed: u64, script: &Script, punctual: bool, extra: &[Instant]) -> Vec<Output> {
    let (mut host, mut id, mut output) = (client_of(seed), None, Vec::new());
    let end = Instant::EPOCH + secs(100_000.0);
    let mut extra = extra.iter().copied().peekable();
    for (at, act) in script.iter().cloned().map(|(at, act)| (at, Some(act))).chain([(end, None)]) {
        loop {
            let due = host.poll_timeout().filter(|_| punctual);
            let next = [due, extra.peek().copied()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next < at) else { break };
            extra.next_if_eq(&next);
            let idle = host.poll_timeout().is_none_or(|due| due > next);
            host.handle_timeout(next);
            assert!(host.poll_timeout().is_none_or(|due| due > next), "seed {seed}: no progress");
            let before = output.len();
            output.extend(core::iter::from_fn(|| host.poll_output()));
            assert!(!idle || before == output.len(), "seed {seed}: something happened unasked");
        }
        match act {
            Some(act) => perform(&mut host, &mut id, at, act),
            None => host.handle_timeout(at),
        }
        output.extend(core::iter::from_fn(|| host.poll_output()));
    }
    output
}

#[test]
fn a_late_driver_and_a_restless_one_get_the_same_fates() {
    for seed in 0..100 {
        let (script, recorded) = record(seed);
        let punctual = replay(seed, &script, true, &[]);
        assert_eq!(punctual[..recorded.len()], recorded, "seed {seed}: not deterministic");
        assert_eq!(replay(seed, &script, false, &[]), punctual, "seed {seed}: late");
        let mut rng = Rng::new(seed);
        let last = script.last().unwrap().0.as_nanos();
        let mut restless: Vec<_> =
            (0..500).map(|_| Instant::from_nanos(rng.below(last * 2))).collect();
        restless.sort_unstable();
        assert_eq!(replay(seed, &script, true, &restless), punctual, "seed {seed}: restless");
    }
}
