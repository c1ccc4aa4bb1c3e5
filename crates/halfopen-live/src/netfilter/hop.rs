//! The kernel's gateway as a hop of a path.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use halfopen_core::gateway::GatewayConfig;
use halfopen_core::hop::{Command, Hop, Output, Side};
use halfopen_core::time::Instant;
use halfopen_core::wire::{Packet, View};

use super::router::{Router, RouterError};

/// The most ports of which it is known what the witness calls them.
const NAMES_MAX: usize = 1 << 16;

/// A gateway whose packets meet netfilter.
///
/// Netfilter does not say what it remembers, so a witness, the project's gateway with the same
/// configuration, is shown the same packets: its events are the hop's, and what it would have
/// done is counted where it is something else. It is no machine: its time is the kernel's, and
/// only who drives it by a real clock may have it.
#[derive(Debug)]
pub struct KernelGateway {
    config: GatewayConfig,
    inside: Vec<(Ipv4Addr, u8)>,
    /// `None` after a restart that failed: nothing passes any more.
    router: Option<Router>,
    witness: Box<dyn Hop>,
    /// The port of the witness, by the far end and the kernel's port.
    names: BTreeMap<(SocketAddr, u16), u16>,
    outputs: VecDeque<Output>,
    differing: Arc<AtomicU64>,
}

impl KernelGateway {
    /// Makes the gateway that `config` describes, whose inside is these networks. Packets that
    /// meet something else than they would have with the witness are added to `differing`.
    pub fn new(
        config: GatewayConfig,
        inside: Vec<(Ipv4Addr, u8)>,
        witness: Box<dyn Hop>,
        differing: Arc<AtomicU64>,
    ) -> Result<Self, RouterError> {
        let router = Some(Router::new(&config, &inside)?);
        let (names, outputs) = (BTreeMap::new(), VecDeque::new());
        Ok(Self { config, inside, router, witness, names, outputs, differing })
    }

    /// Takes the events of the witness, and returns what it sent.
    fn hear(&mut self) -> Vec<(Side, Packet)> {
        let mut sent = Vec::new();
        while let Some(output) = self.witness.poll_output() {
            match output {
                Output::Packet(side, packet) => sent.push((side, packet)),
                Output::Event(_) => self.outputs.push_back(output),
            }
        }
        sent
    }

    /// Returns the packet as it would have come back to the witness, which may have given the
    /// client another port than the kernel.
    fn as_the_witness_knows(&self, side: Side, mut packet: Packet) -> Packet {
        if side == Side::Inside {
            return packet;
        }
        let quoted = packet.view().quoted().and_then(ends);
        let is_error = quoted.is_some();
        let Some((near, far)) =
            quoted.or_else(|| ends(packet.view()).map(|(far, near)| (near, far)))
        else {
            return packet;
        };
        let Some(&port) = self.names.get(&(far, near.port())) else { return packet };
        let near = SocketAddr::new(near.ip(), port);
        if is_error {
            packet.set_quoted_src(near);
        } else {
            packet.set_dst(near);
            packet.set_icmp_identifier(port);
        }
        packet
    }

    fn learn_names(&mut self, kernel: &[(Side, Packet)], witness: &[(Side, Packet)]) {
        let left = |sent: &[(Side, Packet)]| {
            let left = sent.iter().find(|(side, _)| *side == Side::Outside);
            left.and_then(|(_, packet)| ends(packet.view()))
        };
        if let (Some((near, far)), Some((known, _))) = (left(kernel), left(witness)) {
            if self.names.len() == NAMES_MAX {
                self.names.clear();
            }
            self.names.insert((far, near.port()), known.port());
        }
    }
}

/// Returns source and destination; an echo's identifier is the port of both.
fn ends(view: View<'_>) -> Option<(SocketAddr, SocketAddr)> {
    let echo = view.icmp().filter(halfopen_core::wire::icmp::Header::is_echo);
    let identifier = echo.map(|icmp| (icmp.identifier(), icmp.identifier()));
    let (src, dst) = view.ports().or(identifier)?;
    Some((SocketAddr::new(view.src(), src), SocketAddr::new(view.dst(), dst)))
}

impl Hop for KernelGateway {
    fn handle_packet(&mut self, now: Instant, side: Side, packet: Packet) {
        let shown = self.as_the_witness_knows(side, packet.clone());
        let sent = self.router.as_mut().map(|router| router.exchange(side, packet));
        let sent = sent.and_then(Result::ok).unwrap_or_default();
        self.witness.handle_packet(now, side, shown);
        let witnessed = self.hear();
        let to = |sent: &[(Side, Packet)]| sent.iter().map(|(to, _)| *to).collect::<Vec<_>>();
        let differs = to(&sent) != to(&witnessed);
        self.differing.fetch_add(u64::from(differs), Ordering::Relaxed);
        if side == Side::Inside {
            self.learn_names(&sent, &witnessed);
        }
        self.outputs.extend(sent.into_iter().map(|(to, packet)| Output::Packet(to, packet)));
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.witness.handle_timeout(now);
        // Netfilter tells nobody when it forgets, and so has the witness nothing to send.
        drop(self.hear());
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.witness.poll_timeout()
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        if command == Command::Flush {
            // A restart: what the kernel remembers goes away with its namespace.
            self.router = None;
            self.router = Router::new(&self.config, &self.inside).ok();
            self.names.clear();
        }
        self.witness.handle_command(now, command);
        drop(self.hear());
    }
}
