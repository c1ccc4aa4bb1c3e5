//! Sockets with the shape of `tokio::net`'s, for programs that run in a world.
//!
//! [`TcpStream`] and [`TcpListener`] take their host from the program that calls them; see
//! [`Host::current`](crate::host::Host::current). A [`SocketTable`] shows what a host has of them.
//! What is not here (UDP, UNIX sockets, readiness without reading) has no model behind it.

use std::io;

use halfopen_core::tcp;

pub(crate) use address::{Target, target};
pub use address::{ToSocketAddrs, lookup_host};
pub use listener::TcpListener;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
pub use table::SocketTable;

mod address;
mod listener;
mod split;
mod stream;
mod table;

/// Returns the error that a program on Linux sees, by the kind that std gives its `errno`.
fn io_error(error: tcp::Error) -> io::Error {
    io::Error::new(kind(error), error)
}

const fn kind(error: tcp::Error) -> io::ErrorKind {
    match error {
        tcp::Error::Refused => io::ErrorKind::ConnectionRefused,
        tcp::Error::Reset => io::ErrorKind::ConnectionReset,
        tcp::Error::TimedOut => io::ErrorKind::TimedOut,
        tcp::Error::HostUnreachable => io::ErrorKind::HostUnreachable,
        tcp::Error::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
        tcp::Error::Prohibited => io::ErrorKind::PermissionDenied,
        tcp::Error::BrokenPipe => io::ErrorKind::BrokenPipe,
        tcp::Error::AddressInUse => io::ErrorKind::AddrInUse,
        tcp::Error::NotOurs | tcp::Error::NoPorts => io::ErrorKind::AddrNotAvailable,
        // EBADF and EMFILE, for which std has no kind.
        tcp::Error::Closed | tcp::Error::TooManyConnections => io::ErrorKind::Other,
    }
}
