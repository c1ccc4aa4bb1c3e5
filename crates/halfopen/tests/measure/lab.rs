//! Two networks with a gateway between them, and servers to ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Output};
use std::sync::Arc;

use halfopen_core::gateway::{Gateway, GatewayConfig, OutOfWindow};
use halfopen_core::hop::Hop;
use halfopen_core::idle::{IdlePolicy, IdleTimers, OnExpiry, OnOrphan, Told};
use halfopen_core::link::{Link, LinkConfig};
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_core::time::Duration;
use halfopen_live::carry::Clock;
use halfopen_live::netfilter::{KernelGateway, Netfilter};
use halfopen_live::networks::{Joined, Networks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
/// RFC 5737: for documentation, so nobody's.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const DELAY: Duration = Duration::from_millis(1);

/// What a gateway does about connections that are idle for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ResetsNext,
    SwallowsNext,
    ResetsAtExpiry,
    ClosesAtExpiry,
}

impl Way {
    pub(crate) const ALL: [Self; 4] =
        [Self::ResetsNext, Self::SwallowsNext, Self::ResetsAtExpiry, Self::ClosesAtExpiry];

    /// Returns how a diagnosis calls it.
    pub(crate) const fn mechanism(self) -> &'static str {
        match self {
            Self::ResetsNext => "reset-on-reuse",
            Self::SwallowsNext => "silent-drop",
            Self::ResetsAtExpiry => "reset-at-expiry",
            Self::ClosesAtExpiry => "fin-at-expiry",
        }
    }

    pub(crate) fn gateway(self, limit: u64) -> GatewayConfig {
        let (on_expiry, on_orphan_inside) = match self {
            Self::ResetsNext => (OnExpiry::Silent, OnOrphan::Reset),
            Self::SwallowsNext => (OnExpiry::Silent, OnOrphan::Drop),
            Self::ResetsAtExpiry => (OnExpiry::Reset(Told::Both), OnOrphan::Drop),
            Self::ClosesAtExpiry => (OnExpiry::Fin(Told::Both), OnOrphan::Drop),
        };
        let limit = Some(Duration::from_secs(limit));
        let timers = IdleTimers { tcp_established: limit, ..IdleTimers::RFC };
        let policy = IdlePolicy { timers, on_expiry, on_orphan_inside, ..IdlePolicy::RFC };
        GatewayConfig::nat(EXTERNAL.into(), policy)
    }
}

/// Makes the networks of a client and a server.
pub(crate) fn networks() -> Networks {
    Networks::new(&[CLIENT.into()], &[SERVER.into()]).unwrap()
}

/// Joins the networks by the project's gateway.
pub(crate) fn join(networks: Networks, config: GatewayConfig) -> Joined {
    join_by(networks, Box::new(Gateway::new(config, Rng::new(0)).unwrap()))
}

/// Joins the networks by the kernel's gateway.
pub(crate) fn join_by_kernel(networks: Networks, config: &GatewayConfig) -> Joined {
    let config = GatewayConfig { out_of_window: OutOfWindow::Pass, ..Netfilter::nearest(config) };
    let witness = Gateway::new(config.clone(), Rng::new(0)).unwrap();
    let inside = vec![(CLIENT, 32)];
    join_by(
        networks,
        Box::new(KernelGateway::new(config, inside, Box::new(witness), Arc::default()).unwrap()),
    )
}

fn join_by(networks: Networks, gateway: Box<dyn Hop>) -> Joined {
    let link = Link::new(LinkConfig::delaying(DELAY), Rng::new(1));
    let path = Path::new(vec![gateway, Box::new(link)]);
    networks.join(path, Clock::start()).unwrap().0
}

/// Starts a server of HTTP that keeps every connection.
pub(crate) fn serve(networks: &Networks, port: u16) {
    let address = SocketAddr::new(IpAddr::V4(SERVER), port);
    let listener = networks.server().listen(address).unwrap();
    networks.server().start(accept(listener));
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) {
    let mut room = [0; 4_096];
    // A request of the command comes in one piece, and is the only one under way.
    while stream.read(&mut room).await.is_ok_and(|length| length > 0) {
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
            break;
        }
    }
}

/// Runs a program in the client's network to its end.
pub(crate) fn run(joined: &Joined, mut command: Command) -> Output {
    joined.client.namespace().run(move || command.output().unwrap()).unwrap()
}
