//! Transfers that are long enough to be left to be cut up.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Hop, Side};
use halfopen_core::idle::IdlePolicy;
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::tap::Tap;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;

use crate::connect;
use crate::owner::as_owner;
use crate::stage::{EXTERNAL, EXTERNAL_V6, SERVER, SERVER_V6, Stage};

/// Many times what is in flight at once.
const LENGTH: usize = 8 << 20;

/// The most packets that one stood for that passed.
#[derive(Clone, Debug, Default)]
struct Longest(Arc<AtomicUsize>);

impl Tap for Longest {
    fn see(&mut self, _now: Instant, _toward: Side, packet: &Packet) {
        self.0.fetch_max(packet.count(), Ordering::Relaxed);
    }
}

/// Sends a lot through a stage, checks that it arrives, and returns the most packets that one stood
/// for before the path and behind it.
fn transfer(hops: Vec<Box<dyn Hop>>, server: IpAddr) -> [usize; 2] {
    let seen = [Longest::default(), Longest::default()];
    let outermost = hops.len();
    let mut path = Path::new(hops);
    path.tap(0, Box::new(seen[0].clone()));
    path.tap(outermost, Box::new(seen[1].clone()));
    let stage = Stage::new(path);
    let (mut client, mut server, _) = connect(&stage, server);
    let sent: Vec<u8> = (0..LENGTH).map(|at| ((at * at) >> 7).to_le_bytes()[0]).collect();
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            client.write_all(&sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        server.read_to_end(&mut received).unwrap();
    });
    assert!(sent == received, "what arrived is not what was sent");
    assert_eq!(stage.carrier.status().passed_over.malformed, 0);
    seen.map(|seen| seen.0.load(Ordering::Relaxed))
}

#[test]
fn long_segments_pass_a_gateway_whole() {
    as_owner(|| {
        let mut config = GatewayConfig::nat(EXTERNAL.into(), IdlePolicy::RFC);
        config = config.translating_to(vec![EXTERNAL.into(), EXTERNAL_V6.into()]);
        for server in [SERVER.into(), SERVER_V6.into()] {
            let gateway = Gateway::new(config.clone(), Rng::new(1)).unwrap();
            let link = Link::new(LinkConfig::delaying(Duration::from_millis(2)), Rng::new(1));
            let [before, behind] = transfer(vec![Box::new(gateway), Box::new(link)], server);
            assert!(before >= 10, "at most {before} at once");
            assert_eq!(before, behind);
        }
    });
}

#[test]
fn a_link_that_loses_packets_loses_them_one_by_one() {
    as_owner(|| {
        let link = LinkConfig { loss: 0.001, ..LinkConfig::delaying(Duration::from_millis(1)) };
        let link = Link::new(link, Rng::new(3));
        let [before, behind] = transfer(vec![Box::new(link)], SERVER.into());
        assert!(before >= 10, "at most {before} at once");
        assert_eq!(behind, 1);
    });
}

#[test]
fn a_sender_learns_how_long_a_packet_the_path_takes() {
    as_owner(|| {
        let mut config = GatewayConfig::nat(EXTERNAL.into(), IdlePolicy::RFC);
        config = config.translating_to(vec![EXTERNAL.into(), EXTERNAL_V6.into()]);
        config.mtu = Some(1_300);
        for server in [SERVER.into(), SERVER_V6.into()] {
            let gateway = Gateway::new(config.clone(), Rng::new(1)).unwrap();
            let [before, behind] = transfer(vec![Box::new(gateway)], server);
            assert!(before >= 10 && behind >= 10, "at most {before} and {behind} at once");
        }
    });
}
