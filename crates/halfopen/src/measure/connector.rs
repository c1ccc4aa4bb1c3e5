//! Connections to one address of the server, under TLS if it is to be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use halfopen_live::connect::Connector;
use halfopen_measure::answer::{Because, Failure as CannotAsk, Finding, Outcome};
use halfopen_measure::known::KnownError;
use halfopen_measure::settings::{CONNECTIONS_MIN, SettingsError};
use halfopen_pool::connect::{Connect, Destination, Socket};
use halfopen_pool::tls::TlsConnector;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Target;
use crate::cli::measure::Measure;

mod trust;

/// How long the first connection may take, to each address. Linux has sent three SYNs by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// What connects to the same address each time.
pub(super) type Connection = TlsConnector<Pinned>;

/// Connects to an address, whatever its name resolves to meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Pinned {
    connector: Connector,
    address: SocketAddr,
}

impl Connect for Pinned {
    type Transport = Socket;

    async fn connect(&self, _: &Destination) -> io::Result<Socket> {
        let (host, port) = (self.address.ip().to_string().into(), self.address.port());
        self.connector.connect(&Destination { tls: false, host, port }).await
    }

    fn source(&self) -> Option<String> {
        self.connector.source()
    }
}

/// Connects for the first time: to each address of the server, until one answers. Returns what
/// connects there from then on.
pub(super) async fn first(order: &Measure) -> Result<(Connection, SocketAddr), MeasureFailure> {
    let Target { to, .. } = &order.target;
    let config = trust::config(order.insecure)?;
    let addresses = lookup_host((&*to.host, to.port)).await;
    let addresses = addresses.map_err(|error| MeasureFailure::Name(to.host.to_string(), error))?;
    let mut last = MeasureFailure::NoAddress(to.host.to_string());
    for address in addresses {
        if order.from.is_some_and(|from| from.is_ipv4() != address.is_ipv4()) {
            continue;
        }
        let connector =
            order.from.map_or_else(Connector::new, |from| Connector::new().from_address(from));
        let connection = TlsConnector::new(Pinned { connector, address }, Arc::clone(&config));
        let error = match timeout(PATIENCE, connection.connect(to)).await {
            Ok(Ok(_)) => return Ok((connection, address)),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        last = MeasureFailure::Connect(address, error);
    }
    Err(last)
}

/// Returns why nothing could be asked, if nothing could.
pub(super) fn cannot_ask(finding: &Finding) -> Option<MeasureFailure> {
    match &finding.outcome {
        Outcome::Inconclusive { because: Because::CannotAsk(why), .. } => {
            Some(MeasureFailure::CannotAsk(why.clone()))
        }
        Outcome::Inconclusive { .. } | Outcome::Limit(_) | Outcome::AtLeast { .. } => None,
    }
}

/// Why a path cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureFailure {
    #[error("{0}")]
    Settings(SettingsError),
    #[error(
        "this process may open {0} sockets more, and {CONNECTIONS_MIN} are the least that it \
             takes"
    )]
    Descriptors(u32),
    #[error("cannot find `{0}`: {1}")]
    Name(String, io::Error),
    #[error("`{0}` has no address of the family that is connected from")]
    NoAddress(String),
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    #[error("cannot read the system's certificates: {0}")]
    Roots(String),
    #[error("cannot speak TLS: {0}")]
    Tls(rustls::Error),
    #[error("nothing could be asked: {0}")]
    CannotAsk(CannotAsk),
    #[error("`{path}`: {error}")]
    Known { path: String, error: KnownError },
    #[error("cannot begin: {0}")]
    Runtime(io::Error),
}

impl MeasureFailure {
    /// Returns what the user can do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Descriptors(_) => Some("allow more: `ulimit -n 1024`"),
            Self::Connect(_, error) if is_about_certificates(error) => {
                Some("if the certificate is what you expect there, take it: --insecure")
            }
            Self::Connect(_, error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Some("see whether the server listens on this port")
            }
            Self::Connect(..) => Some("see whether the server is up and speaks this protocol"),
            Self::CannotAsk(CannotAsk::Foreign(_)) => {
                Some("tcp://HOST:PORT, or tls:// under TLS, asks any server, and sends no byte")
            }
            Self::CannotAsk(CannotAsk::ClosesAfterAnswer) => Some(
                "a server that keeps no connection has no idle ones; tcp://HOST:PORT asks without \
                 a request",
            ),
            Self::Roots(_) => Some("without checking certificates: --insecure"),
            Self::CannotAsk(_)
            | Self::Settings(_)
            | Self::Name(..)
            | Self::Tls(_)
            | Self::NoAddress(_)
            | Self::Known { .. }
            | Self::Runtime(_) => None,
        }
    }
}

fn is_about_certificates(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}
