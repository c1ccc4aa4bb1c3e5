//! Sending frames as they are, past the kernel's TCP: to try a sensor, or to load it.

use std::io;

use crate::sys::inject;
use crate::sys::packet::{Kind, PacketSocket, index_of};

/// Sends frames through one interface.
#[derive(Debug)]
pub struct Injector {
    socket: PacketSocket,
}

impl Injector {
    /// Opens the interface; this needs the capability `CAP_NET_RAW`. Frames go out at once, without
    /// queueing, and are lost if the interface has no room.
    pub fn open(interface: &str) -> io::Result<Self> {
        let socket = PacketSocket::open(Kind::Raw)?;
        socket.set_number(libc::PACKET_QDISC_BYPASS, 1)?;
        socket.bind(index_of(interface)?, 0)?;
        Ok(Self { socket })
    }

    /// Sends frames, link header included, and returns how many were taken, from the first on.
    pub fn send(&self, frames: &[impl AsRef<[u8]>]) -> io::Result<usize> {
        inject::send(&self.socket, frames)
    }
}
