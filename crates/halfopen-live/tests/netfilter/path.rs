//! The kernel's gateway on a path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant as Clock};

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::hop::{Command, Demise, EventKind, Hop as _, Output, Reaction, Side};
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::time::Instant;
use halfopen_core::wire::tcp::{Flags, Segment};
use halfopen_core::wire::{Packet, View};
use halfopen_live::netfilter::KernelGateway;

use crate::list::{CLIENTS, Ends, Flow};
use crate::owner::as_owner;
use crate::setup::Setup;

const SYN_ACK: Flags = Flags(0x12);

/// A path through the kernel's gateway, which chooses ports as it likes.
struct Scene {
    path: Path,
    start: Clock,
    now: Instant,
    ends: Ends,
    events: Vec<EventKind>,
    /// How many packets met something else than with the witness.
    differing: Arc<AtomicU64>,
}

impl Scene {
    fn new() -> Self {
        let mut config: GatewayConfig = Setup::Resetting.config();
        config.translation.as_mut().unwrap().preserve_port = false;
        let witness = Gateway::new(config.clone(), Rng::new(7)).unwrap();
        let differing = Arc::default();
        let witness = Box::new(witness);
        let hop = KernelGateway::new(config, vec![CLIENTS], witness, Arc::clone(&differing));
        let hop = hop.unwrap();
        let ends = Ends::of(0, Flow::Tcp);
        let (path, start) = (Path::new(vec![Box::new(hop)]), Clock::now());
        Self { path, start, now: Instant::EPOCH, ends, events: Vec::new(), differing }
    }

    /// A connection after its handshake.
    fn established() -> (Self, Packet) {
        let mut scene = Self::new();
        let syn = scene.inside(Flags::SYN, 999, 0);
        let answer = scene.answer(&syn);
        assert_eq!(answer.view().flow().unwrap().responder, scene.ends.client);
        let ack = scene.inside(Flags::ACK, 1_000, 5_000);
        (scene, ack)
    }

    fn inside(&mut self, flags: Flags, seq: u32, ack: u32) -> Packet {
        let segment = Segment::new(self.ends.client, self.ends.server, flags);
        let segment = Segment { seq: Seq(seq), ack: Seq(ack), window: 9_000, ..segment };
        self.send(Side::Inside, segment.into_packet())
    }

    /// The server's answer to a SYN, as it reaches the client.
    fn answer(&mut self, syn: &Packet) -> Packet {
        let client = syn.view().flow().unwrap().initiator;
        let segment = Segment::new(self.ends.server, client, SYN_ACK);
        let segment = Segment { seq: Seq(4_999), ack: Seq(1_000), window: 9_000, ..segment };
        self.send(Side::Outside, segment.into_packet())
    }

    /// Returns the one packet that leaves the path for this one.
    fn send(&mut self, side: Side, packet: Packet) -> Packet {
        self.now = Instant::EPOCH + self.start.elapsed();
        self.path.handle_timeout(self.now);
        self.path.handle_packet(self.now, side, packet);
        let mut left = Vec::new();
        while let Some(output) = self.path.poll_output() {
            match output {
                Output::Packet(_, packet) => left.push(packet),
                Output::Event(event) => self.events.push(event.kind),
            }
        }
        assert_eq!(left.len(), 1, "{left:?}");
        left.remove(0)
    }
}

fn flags(view: View<'_>) -> Flags {
    view.tcp().unwrap().flags
}

#[test]
fn a_request_after_the_pause_is_reset_by_the_kernel_and_the_witness_says_why() {
    as_owner(|| {
        let (mut scene, ack) = Scene::established();
        assert_eq!((flags(ack.view()), ack.view().ttl()), (Flags::ACK, 63));
        sleep(Duration::from_millis(4_500));
        let reset = scene.inside(Flags::ACK, 1_000, 5_000);
        assert_eq!((flags(reset.view()), reset.view().ttl()), (Flags::RST, 64));
        let forgot =
            |event: &EventKind| matches!(event, EventKind::Forgot { because: Demise::Idle, .. });
        let reset = |event: &EventKind| {
            let EventKind::Orphaned { reaction, forgotten, .. } = event else { return false };
            *reaction == Reaction::Reset && forgotten.is_some()
        };
        assert!(scene.events.iter().any(forgot), "{:?}", scene.events);
        assert!(scene.events.iter().any(reset), "{:?}", scene.events);
        assert_eq!(scene.differing.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_flushed_kernel_remembers_nothing() {
    as_owner(|| {
        let (mut scene, _) = Scene::established();
        scene.path.command(scene.now, 0, Command::Flush);
        let reset = scene.inside(Flags::ACK, 1_000, 5_000);
        assert_eq!(flags(reset.view()), Flags::RST);
    });
}
