//! A ring of blocks that the kernel fills with frames (`TPACKET_V3`,
//! `Documentation/networking/packet_mmap.rst`).
//!
//! Each block belongs to the kernel or to us, as its status says. The kernel does not write to a
//! block that is ours (`net/packet/af_packet.c`, `prb_retire_current_block`), so its bytes are
//! plain memory until it is given back.

use core::ffi::c_int;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};

use super::packet::{PacketSocket, check};

/// Where a block's status stands in it.
const STATUS: usize =
    offset_of!(libc::tpacket_block_desc, hdr) + offset_of!(libc::tpacket_hdr_v1, block_status);

/// How large a ring is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many blocks there are.
    pub(crate) blocks: u32,
    /// How many bytes each has; a multiple of the size of a page.
    pub(crate) block_len: u32,
    /// A block that is not full is handed over after this.
    pub(crate) retire: Duration,
}

/// A packet socket with its ring.
#[derive(Debug)]
pub(crate) struct Ring {
    socket: PacketSocket,
    start: NonNull<u8>,
    block_len: usize,
    blocks: usize,
    /// The block that is filled next.
    next: usize,
}

/// A block that is ours until it is dropped.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    start: NonNull<u8>,
    len: usize,
    ring: &'a mut Ring,
}

// SAFETY: the mapping belongs to the process and not to a thread, and nobody else has its address.
unsafe impl Send for Ring {}

impl Ring {
    /// Gives a socket a ring. Nothing is in it before the socket is bound.
    pub(crate) fn new(socket: PacketSocket, size: Size) -> io::Result<Self> {
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        socket.set_number(libc::PACKET_VERSION, version)?;
        let frame_len = 2048; // Version 3 packs frames; the kernel checks that it fits the block.
        let request = libc::tpacket_req3 {
            tp_block_size: size.block_len,
            tp_block_nr: size.blocks,
            tp_frame_size: frame_len,
            tp_frame_nr: size.block_len / frame_len * size.blocks,
            tp_retire_blk_tov: u32::try_from(size.retire.as_millis()).unwrap_or(u32::MAX),
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        socket.set(libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let (blocks, block_len) = (size.blocks as usize, size.block_len as usize);
        let start = map(&socket, blocks * block_len)?;
        Ok(Self { socket, start, block_len, blocks, next: 0 })
    }

    pub(crate) const fn socket(&self) -> &PacketSocket {
        &self.socket
    }

    /// Waits until a block is ours or `patience` is over; tells whether an error waits.
    pub(crate) fn wait(&self, patience: Duration) -> io::Result<()> {
        let mut poll = libc::pollfd {
            fd: self.socket.as_fd().as_raw_fd(),
            events: libc::POLLIN | libc::POLLERR,
            revents: 0,
        };
        let millis = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: `poll` is one structure, and lives until the call returns.
        let result = unsafe { libc::poll(&raw mut poll, 1, millis) };
        match check(result) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            Err(_) | Ok(()) if poll.revents & libc::POLLERR != 0 => self.socket.take_error(),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// Tells whether the kernel has handed the next block over.
    pub(crate) fn is_ready(&self) -> bool {
        status(self.next_block()).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// Returns the next block if the kernel has handed it over.
    pub(crate) fn block(&mut self) -> Option<Block<'_>> {
        let (start, len) = (self.next_block(), self.block_len);
        self.is_ready().then(|| Block { start, len, ring: self })
    }

    fn next_block(&self) -> NonNull<u8> {
        // SAFETY: `next` is below `blocks`, so the block lies within the mapping.
        unsafe { self.start.add(self.next * self.block_len) }
    }

    /// Returns how many packets the kernel took since it was last asked, those that it then dropped
    /// included, how many it dropped, and how often the ring was full.
    pub(crate) fn statistics(&self) -> io::Result<(u32, u32, u32)> {
        let counts = self.socket.statistics()?;
        Ok((counts.tp_packets, counts.tp_drops, counts.tp_freeze_q_cnt))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping, and all blocks borrow the ring, so none is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.blocks * self.block_len) };
    }
}

impl Block<'_> {
    pub(crate) const fn bytes(&self) -> &[u8] {
        // SAFETY: the block lies within the mapping, and nobody writes to it while it is ours: the
        // kernel does not, and we do when it is given back, which needs this borrow to be over.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        status(self.start).store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.ring.next = (self.ring.next + 1) % self.ring.blocks;
    }
}

fn map(socket: &PacketSocket, length: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: the address is the kernel's choice, so no memory in use is replaced.
    let start = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            socket.as_fd().as_raw_fd(),
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}

/// Returns the status of the block that starts there. Callers pass blocks of a ring that lives.
fn status<'a>(block: NonNull<u8>) -> &'a AtomicU32 {
    // SAFETY: the status lies within the block.
    let status = unsafe { block.add(STATUS) };
    // SAFETY: it is aligned, for blocks start at pages; it lives as long as the mapping, which the
    // callers hold while they use it; and both sides write to it as a whole.
    unsafe { AtomicU32::from_ptr(status.cast().as_ptr()) }
}
