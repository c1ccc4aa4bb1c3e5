use super::network::*;
use super::*;

/// One direction of a conversation, as its two programs see it.
struct Stream {
    bytes: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    closed: bool,
}

impl Stream {
    fn new(rng: &mut Rng) -> Self {
        let len = rng.below(120_000);
        let bytes = (0..len).map(|_| rng.bits().to_be_bytes()[0]).collect();
        Self { bytes, sent: 0, received: Vec::new(), closed: false }
    }

    fn push(&mut self, host: &mut Host, now: Instant, id: ConnectionId, rng: &mut Rng) {
        if self.sent < self.bytes.len() {
            let end = (self.sent + rng.index(20_000) + 1).min(self.bytes.len());
            self.sent += host.send(now, id, &self.bytes[self.sent..end]).unwrap();
        } else if !self.closed {
            self.closed = true;
            host.shutdown(now, id).unwrap();
        }
    }

    /// Reads a little; true at the end.
    fn pull(&mut self, host: &mut Host, now: Instant, id: ConnectionId, rng: &mut Rng) -> bool {
        let mut buffer = vec![0; rng.index(40_000) + 1];
        match host.receive(now, id, &mut buffer).unwrap() {
            Received::Bytes(count) => {
                self.received.extend(&buffer[..count]);
                false
            }
            Received::Empty => false,
            Received::Finished => true,
        }
    }
}

/// Sends random bytes both ways through bad weather and tells what went wrong.
fn transfer(seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let weather = Weather {
        delay: Duration::from_micros(rng.below(50_000)),
        jitter: Duration::from_micros(rng.below(30_000)),
        loss: [0.0, 0.02, 0.1, 0.2][rng.index(4)],
        duplication: [0.0, 0.1][rng.index(2)],
    };
    let timestamps = rng.chance(0.7);
    let window_scale = rng.chance(0.7).then_some(10);
    let send_buffer = 1 << (12 + rng.below(8));
    let receive_buffer = 1 << (12 + rng.below(6));
    let set =
        |config: Config| Config { timestamps, window_scale, send_buffer, receive_buffer, ..config };
    let mut net = Network::with(seed, Weather::FAIR, set(linux(CLIENT)), set(linux(SERVER)));
    let (client, server) = net.open();
    net.weather = weather;
    let (mut up, mut down) = (Stream::new(&mut rng), Stream::new(&mut rng));
    for _ in 0..200_000 {
        up.push(&mut net.client, net.now, client, &mut rng);
        down.push(&mut net.server, net.now, server, &mut rng);
        let ended = up.pull(&mut net.server, net.now, server, &mut rng)
            & down.pull(&mut net.client, net.now, client, &mut rng);
        if ended {
            let whole = up.received == up.bytes && down.received == down.bytes;
            return whole.then_some(()).ok_or_else(|| "bytes differ".into());
        }
        net.run_for(Duration::from_millis(rng.below(50)));
    }
    let (there, back) = (up.received.len(), down.received.len());
    let all = (up.bytes.len(), down.bytes.len());
    Err(format!("{there} and {back} of {all:?} bytes came, then no more: {weather:?}"))
}

#[test]
fn every_byte_arrives_in_order_through_loss_reordering_and_duplication() {
    for seed in 0..60 {
        if let Err(wrong) = transfer(seed) {
            panic!("seed {seed}: {wrong}");
        }
    }
}
