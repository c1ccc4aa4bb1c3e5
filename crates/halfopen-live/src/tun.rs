//! A network interface whose other end is this process.
//!
//! What the kernel routes into the interface is received here, and what is sent here arrives at
//! the kernel. The interface lives as long as its [`Tun`], also when the process is killed.

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use crate::sys::tun as sys;

/// More than any packet that a TUN device hands over.
pub(crate) const PACKET_MAX: usize = 1 << 16;

/// The device that TUN devices come from.
const DEVICE: &str = "/dev/net/tun";

/// A TUN device.
#[derive(Debug)]
pub struct Tun {
    device: File,
    name: String,
}

/// What a new interface is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name: at most 15 bytes, and not that of another interface.
    pub name: String,
    /// Its largest packet, in bytes with the IP header.
    pub mtu: u16,
}

/// Why there is no interface.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device that they come from cannot be opened.
    #[error(
        "cannot open {DEVICE}: {0}; if it is missing, `modprobe tun` as root brings it, and a \
         container must be given it: `--device {DEVICE}`"
    )]
    Device(io::Error),
    /// The process may not make interfaces.
    #[error("no permission to make the interface `{0}`: it takes CAP_NET_ADMIN")]
    Privilege(String),
    /// The kernel refused something else.
    #[error("cannot make the interface `{name}`: {step}: {error}")]
    Kernel {
        /// The interface.
        name: String,
        /// What was asked of the kernel.
        step: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl Tun {
    /// Makes an interface in the network namespace of the calling thread. It is down and has no
    /// address. Other threads, in other namespaces too, may use what is returned.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let mut options = File::options();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        let device = options.open(DEVICE).map_err(Error::Device)?;
        let name = &settings.name;
        let failed = |step| move |error| refused(name, step, error);
        sys::attach(device.as_fd(), name).map_err(failed("its device"))?;
        // Any socket names the namespace; this one is bound to nothing.
        let socket = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"));
        let socket = socket.map_err(failed("a socket"))?;
        sys::set_mtu(socket.as_fd(), name, settings.mtu).map_err(failed("its MTU"))?;
        Ok(Self { device, name: name.clone() })
    }

    /// Takes one packet in place of what `buffer` holds. Tells whether there was one.
    pub(crate) fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        buffer.clear();
        buffer.reserve(PACKET_MAX);
        match rustix::io::read(&self.device, rustix::buffer::spare_capacity(buffer)) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands the kernel one packet, or says why it did not take it.
    pub(crate) fn send(&self, packet: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.device, packet)?;
        Ok(())
    }

    /// Returns the interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn refused(name: &str, step: &'static str, error: io::Error) -> Error {
    let name = name.to_owned();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Error::Privilege(name);
    }
    Error::Kernel { name, step, error }
}
