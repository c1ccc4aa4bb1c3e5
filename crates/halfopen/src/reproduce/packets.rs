//! The packets of a capture that end a connection.

use std::net::SocketAddr;

use halfopen_capture::frame::network_layer;
use halfopen_capture::pcap;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::Flags;

/// A FIN or a reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Farewell {
    pub(super) at: Instant,
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) reset: bool,
    pub(super) ttl: u8,
}

/// Returns the FINs and resets of a capture that the simulator wrote of a run that began at that
/// UNIX time.
pub(super) fn farewells(capture: &[u8], began: Duration) -> Vec<Farewell> {
    let mut reader = pcap::Reader::new(capture).expect("the simulator writes whole files");
    let mut farewells = Vec::new();
    while let Some(frame) = reader.next().expect("the simulator writes whole files") {
        let ip = network_layer(frame.link, frame.bytes, frame.wire_len).ok();
        let view = ip.and_then(|ip| View::parse(ip.bytes, ip.wire_len).ok());
        let Some((view, at)) = view.zip(frame.at) else { continue };
        let Some(tcp) = view.tcp() else { continue };
        let reset = tcp.flags.has(Flags::RST);
        if reset || tcp.flags.has(Flags::FIN) {
            let at = Instant::EPOCH + at.saturating_since(Instant::EPOCH + began);
            let src = SocketAddr::new(view.src(), tcp.src_port);
            let dst = SocketAddr::new(view.dst(), tcp.dst_port);
            farewells.push(Farewell { at, src, dst, reset, ttl: view.ttl() });
        }
    }
    farewells
}
