//! Held against captures/silent30-go: a Go client and a Node server on Linux 6.18.

use super::network::*;
use super::*;

/// What the client did and when the server answered, in seconds of the capture.
const REQUESTS: [f64; 7] =
    [0.001_337, 0.016_652, 10.028_104, 10.033_727, 35.056_475, 35.059_816, 75.100_430];
const RESPONSES: [f64; 6] = [0.016_365, 0.026_911, 10.033_555, 10.035_895, 35.059_573, 35.062_298];

/// The capture, frame by frame: seconds, flags, payload, window and options' length.
type Frame = (f64, &'static str, usize, u16, usize);
const FRAMES: [Frame; 29] = [
    (0.000, ">S", 0, 64_240, 20),
    (0.000, "<S.", 0, 65_160, 20),
    (0.000, ">.", 0, 63, 12),
    (0.001, ">P.", 164, 63, 12),
    (0.016, "<P.", 106, 64, 12),
    (0.016, ">.", 0, 63, 12),
    (0.017, ">P.", 164, 63, 12),
    (0.027, "<P.", 106, 64, 12),
    (0.068, ">.", 0, 63, 12),
    (10.028, ">P.", 164, 63, 12),
    (10.034, "<P.", 106, 64, 12),
    (10.034, ">.", 0, 63, 12),
    (10.034, ">P.", 164, 63, 12),
    (10.036, "<P.", 106, 64, 12),
    (10.076, ">.", 0, 63, 12),
    (35.056, ">P.", 164, 63, 12),
    (35.060, "<P.", 106, 64, 12),
    (35.060, ">.", 0, 63, 12),
    (35.060, ">P.", 164, 63, 12),
    (35.062, "<P.", 106, 64, 12),
    (35.104, ">.", 0, 63, 12),
    (65.916, ">.", 0, 63, 12),
    (75.100, ">P.", 164, 63, 12),
    (75.308, ">P.", 164, 63, 12),
    (75.516, ">P.", 164, 63, 12),
    (75.932, ">P.", 164, 63, 12),
    (76.768, ">P.", 164, 63, 12),
    (78.428, ">P.", 164, 63, 12),
    (81.788, ">P.", 164, 63, 12),
];

fn at(seconds: f64) -> Instant {
    Instant::EPOCH + secs(seconds)
}

/// Repeats what the programs of the capture did.
fn repeat_history() -> Network {
    let weather = Weather { delay: Duration::from_micros(30), ..Weather::FAIR };
    let mut net = Network::new(1, weather);
    let listener = net.server.listen(server(), 16).unwrap();
    let client = net.client.connect(net.now, None, server()).unwrap();
    net.client.set_nodelay(net.now, client, true).unwrap();
    // Go's 30 s, and what the kernel's timer wheel makes of them.
    let keepalive = Keepalive { idle: secs(30.85), interval: secs(15.0), count: 9 };
    net.client.set_keepalive(net.now, client, Some(keepalive)).unwrap();
    net.run_until(at(0.001));
    let accepted = net.server.accept(listener).unwrap();
    let mut programs: Vec<_> = REQUESTS.map(|when| (when, true)).to_vec();
    programs.extend(RESPONSES.map(|when| (when, false)));
    programs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut buffer = [0; 1_000];
    for (when, from_client) in programs {
        if when > 65.0 {
            net.run_until(at(60.0));
            net.weather.loss = 1.0;
        }
        net.run_until(at(when));
        let now = net.now;
        if from_client {
            net.client.send(now, client, &[1; 164]).unwrap();
        } else {
            net.server.send(now, accepted, &[2; 106]).unwrap();
        }
        net.run_for(Duration::from_micros(100));
        // Go's reader goroutine and Node's event loop read at once.
        net.client.receive(net.now, client, &mut buffer).unwrap();
        net.server.receive(net.now, accepted, &mut buffer).unwrap();
    }
    net.run_until(at(84.0));
    net
}

#[test]
fn a_conversation_looks_as_linux_would_have_it() {
    let mut net = repeat_history();
    // HAProxy asks for no quick acknowledgments (TCP_QUICKACK), which is the program's doing.
    net.seen.retain(|seen| {
        seen.from_client
            || seen.packet.view().tcp().unwrap().window != 64
            || seen.packet.view().payload_len() > 0
    });
    let mut last_id = None;
    for (index, frame) in FRAMES.into_iter().enumerate() {
        let seen = &net.seen[index];
        let view = seen.packet.view();
        let tcp = view.tcp().unwrap();
        let arrow = if seen.from_client { '>' } else { '<' };
        let options = view.bytes().len() - 40 - view.payload_len();
        let like = (format!("{arrow}{:?}", tcp.flags), view.payload_len(), tcp.window, options);
        let (when, flags, len, window, options_len) = frame;
        assert_eq!(like, (flags.to_owned(), len, window, options_len), "frame {}", index + 1);
        // The kernel's clock ticks every 4 ms, and backing off doubles what is off.
        let off = (seen.at.as_secs_f64() - when).abs();
        let slack = 0.006 + (when - 75.1).max(0.0) * 0.05;
        assert!(off < slack, "frame {} is off by {off}", index + 1);
        let id = view.ip_id().unwrap();
        if seen.from_client {
            assert_eq!(id, last_id.map_or(id, |last: u16| last.wrapping_add(1)));
            last_id = Some(id);
        }
    }
    assert_eq!(net.seen.len(), FRAMES.len());
    assert_eq!(net.seen[1].packet.view().ip_id(), Some(0));
}
