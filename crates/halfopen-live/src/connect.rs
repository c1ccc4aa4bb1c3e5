//! A connector of the pool over the kernel's TCP.
//!
//! Over [`TcpConnector`](halfopen_pool::connect::TcpConnector) it can choose where connections
//! leave from, and on Linux it knows for how long the wire was silent and what was acknowledged.

use std::io;
use std::net::{IpAddr, SocketAddr};

use halfopen_pool::connect::{Connect, Delivery, Destination, Socket};
use halfopen_pool::idle::WireIdle;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

#[cfg(test)]
mod tests;

/// Opens TCP connections from an address or an interface of choice.
#[derive(Clone, Debug, Default)]
pub struct Connector {
    address: Option<IpAddr>,
    device: Option<String>,
}

impl Connector {
    /// Returns a connector that leaves the choice of interface and address to the system.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects from this address. Destinations of the other family are then out of reach.
    #[must_use]
    pub fn from_address(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Connects through this interface (`SO_BINDTODEVICE`); Linux only, elsewhere connecting fails.
    #[must_use]
    pub fn through(self, device: impl Into<String>) -> Self {
        Self { device: Some(device.into()), ..self }
    }

    async fn connect_to(&self, remote: SocketAddr) -> io::Result<TcpStream> {
        let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(device) = &self.device {
            bind_device(&socket, device)?;
        }
        if let Some(address) = self.address {
            socket.bind(SocketAddr::new(address, 0))?;
        }
        socket.set_nodelay(true)?;
        socket.connect(remote).await
    }
}

impl Connect for Connector {
    type Transport = Socket;

    async fn connect(&self, to: &Destination) -> io::Result<Socket> {
        let mut last = io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} has no address of a family that can be reached from here", to.host),
        );
        for remote in lookup_host((&*to.host, to.port)).await? {
            if self.address.is_some_and(|local| local.is_ipv4() != remote.is_ipv4()) {
                continue;
            }
            match self.connect_to(remote).await {
                Ok(stream) => {
                    let socket = Socket::new(stream);
                    return Ok(socket.with_wire_idle(wire_idle).with_delivery(delivery));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn source(&self) -> Option<String> {
        match (&self.device, self.address) {
            (Some(device), Some(address)) => Some(format!("{address}%{device}")),
            (Some(device), None) => Some(device.clone()),
            (None, address) => address.map(|address| address.to_string()),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_device(socket: &TcpSocket, device: &str) -> io::Result<()> {
    socket.bind_device(Some(device.as_bytes()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_device(_socket: &TcpSocket, device: &str) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("this system cannot bind to interface {device}; bind to its address instead"),
    ))
}

/// Returns for how long the wire was silent, as the kernel counts it.
#[cfg(target_os = "linux")]
fn wire_idle(stream: &TcpStream) -> Option<WireIdle> {
    use std::os::fd::AsFd as _;
    let silence = crate::sys::silence(stream.as_fd()).ok()?;
    let since_data = silence.data_sent.min(silence.data_received);
    Some(WireIdle { since_any_packet: since_data.min(silence.ack_received), since_data })
}

#[cfg(not(target_os = "linux"))]
fn wire_idle(_stream: &TcpStream) -> Option<WireIdle> {
    None
}

/// Returns what became of what was sent, as the kernel knows.
#[cfg(target_os = "linux")]
fn delivery(stream: &TcpStream) -> Option<Delivery> {
    use std::os::fd::AsFd as _;
    let crate::sys::Unacknowledged { segments, timeouts } =
        crate::sys::unacknowledged(stream.as_fd()).ok()?;
    Some(if segments == 0 { Delivery::Acknowledged } else { Delivery::Outstanding { timeouts } })
}

#[cfg(not(target_os = "linux"))]
fn delivery(_stream: &TcpStream) -> Option<Delivery> {
    None
}
