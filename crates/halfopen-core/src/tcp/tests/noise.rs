use super::network::*;
use super::*;
use crate::seq::Seq;
use crate::wire::tcp::{Options, Segment};

/// Returns a segment that comes near what a connection expects, or does not.
fn near(rng: &mut Rng, net: &Network, to_client: bool) -> Packet {
    let pick = |rng: &mut Rng, from_client: bool| {
        let sent: Vec<_> = net.seen.iter().filter(|seen| seen.from_client == from_client).collect();
        sent.get(rng.index(sent.len().max(1))).map(|seen| seen.packet.clone())
    };
    let nobody = Segment::new(server(), format!("{CLIENT}:9").parse().unwrap(), Flags::ACK);
    let model = pick(rng, !to_client).unwrap_or_else(|| nobody.into_packet());
    let view = model.view();
    let tcp = view.tcp().unwrap();
    let shift = |rng: &mut Rng, seq: Seq| {
        let reach = [1, 3, 2_000, 70_000, 1 << 32][rng.index(5)];
        let step = u32::try_from(rng.below(reach)).unwrap();
        if rng.chance(0.5) { seq + step } else { Seq(seq.0.wrapping_sub(step)) }
    };
    let payload = vec![9; rng.index(3_000) * usize::from(rng.chance(0.5))];
    let mut options = view.tcp_options();
    if rng.chance(0.3) {
        options = Options {
            mss: rng.chance(0.5).then(|| u16::try_from(rng.below(65_536)).unwrap()),
            window_scale: rng.chance(0.5).then(|| u8::try_from(rng.below(256)).unwrap()),
            sack_permitted: rng.chance(0.5),
            timestamps: rng.chance(0.5).then(|| {
                (
                    u32::try_from(rng.below(1 << 32)).unwrap(),
                    u32::try_from(rng.below(1 << 32)).unwrap(),
                )
            }),
            sack: None,
        };
    }
    let flags =
        if rng.chance(0.5) { tcp.flags } else { Flags(u8::try_from(rng.below(256)).unwrap()) };
    let src = SocketAddr::new(view.src(), tcp.src_port);
    let dst = SocketAddr::new(view.dst(), tcp.dst_port);
    let segment = Segment {
        seq: shift(rng, tcp.seq),
        ack: shift(rng, tcp.ack),
        window: u16::try_from(rng.below(65_536)).unwrap(),
        options,
        payload: &payload,
        ..Segment::new(src, dst, flags)
    };
    segment.into_packet()
}

#[test]
fn noise_never_panics_and_never_runs_away() {
    for seed in 0..80 {
        let mut rng = Rng::new(seed);
        let mut net = Network::new(seed, Weather { loss: 0.1, ..Weather::FAIR });
        let listener = net.server.listen(server(), 4).unwrap();
        let mut ids = Vec::new();
        for _ in 0..300 {
            match rng.below(12) {
                0 if ids.len() < 4 => {
                    ids.push(net.client.connect(net.now, None, server()).unwrap());
                }
                1..=3 => {
                    let Some(id) = ids.last().copied() else { continue };
                    _ = net.client.send(net.now, id, &[5; 2_000]);
                    _ = net.client.receive(net.now, id, &mut [0; 900]);
                    if rng.chance(0.1) {
                        net.client.close(net.now, id);
                        ids.pop();
                    }
                }
                4 => {
                    let Some(id) = net.server.accept(listener) else { continue };
                    _ = net.server.send(net.now, id, &[6; 9_000]);
                }
                5 => {
                    let offender = near(&mut rng, &net, true);
                    let from = offender.view().dst();
                    let error = crate::wire::icmp::unreachable(from, offender.view());
                    net.server.handle_packet(net.now, error);
                }
                6 => net.run_for(Duration::from_millis(rng.below(3_000))),
                _ => {
                    let to_client = rng.chance(0.5);
                    let packet = near(&mut rng, &net, to_client);
                    let host = if to_client { &mut net.client } else { &mut net.server };
                    host.handle_packet(net.now, packet);
                }
            }
            net.collect();
        }
        let before = net.seen.len();
        net.run_for(secs(3_000.0));
        // An hour of two confused hosts is a few retransmission ladders, not a storm.
        assert!(net.seen.len() - before < 5_000, "seed {seed}: {}", net.seen.len() - before);
    }
}
