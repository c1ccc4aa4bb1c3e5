//! A network interface whose other end is this process.
//!
//! What the kernel routes into the interface is received here, and what is sent here arrives at
//! the kernel. The interface lives as long as its [`Tun`], also when the process is killed.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use halfopen_core::wire::{Packet, vnet};
use nix::sys::uio::writev;

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
    #[error("cannot open {DEVICE}: {0}; {advice}", advice = advice(.0))]
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
        // Long segments and checksums that are not computed pass through memory as they are.
        let offloads = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
        sys::set_offloads(device.as_fd(), offloads).map_err(failed("its offloads"))?;
        // Any socket names the namespace; this one is bound to nothing.
        let socket = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"));
        let socket = socket.map_err(failed("a socket"))?;
        sys::set_mtu(socket.as_fd(), name, settings.mtu).map_err(failed("its MTU"))?;
        Ok(Self { device, name: name.clone() })
    }

    /// Takes one packet in place of what `buffer` holds, and returns the header that came with it,
    /// if there was one. The buffer needs room for [`PACKET_MAX`] bytes.
    pub(crate) fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<Option<[u8; vnet::HEADER]>> {
        match sys::receive(self.device.as_fd(), buffer) {
            Ok(header) => Ok(Some(header)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands the kernel one packet, or says why it did not take it.
    pub(crate) fn send(&self, packet: &Packet) -> io::Result<()> {
        let header = vnet::header(packet);
        let parts = [IoSlice::new(&header), IoSlice::new(packet.bytes())];
        // A device takes a packet as a whole or not at all.
        writev(&self.device, &parts)?;
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

fn advice(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return format!("run this as root, or let users open it: `sudo chmod 666 {DEVICE}`");
    }
    format!(
        "if it is missing, `modprobe tun` as root brings it, and a container must be given it: \
         `--device {DEVICE}`"
    )
}

fn refused(name: &str, step: &'static str, error: io::Error) -> Error {
    let name = name.to_owned();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Error::Privilege(name);
    }
    Error::Kernel { name, step, error }
}

#[cfg(test)]
mod tests;
