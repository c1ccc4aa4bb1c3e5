//! TUN devices (Documentation/networking/tuntap.rst).

use core::ffi::{c_int, c_uint};
use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use halfopen_core::wire::vnet::HEADER;

use super::packet::check;

/// Makes an opened `/dev/net/tun` the other end of a new interface of the thread's network
/// namespace. The name is at most 15 bytes; one that exists is an error. Before each packet comes
/// a header of [`halfopen_core::wire::vnet`].
pub(crate) fn attach(device: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = request(name)?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
    // The highest of the 16 bits is a flag, not a sign.
    let flags = u16::try_from(flags).map_err(io::Error::other)?.cast_signed();
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: the descriptor is open while it is borrowed, and the kernel reads and writes one
    // `ifreq` (drivers/net/tun.c, `__tun_chr_ioctl`).
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })
}

/// Lets the kernel leave to us what the flags `TUN_F_*` of `linux/if_tun.h` say.
pub(crate) fn set_offloads(device: BorrowedFd<'_>, flags: c_uint) -> io::Result<()> {
    let flags = libc::c_ulong::from(flags);
    // SAFETY: the descriptor is open while it is borrowed, and the call takes a number.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD, flags) })
}

/// Reads a header and what comes after it, as far as the buffer has room without growing, in place
/// of what the buffer holds.
pub(crate) fn receive(device: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<[u8; HEADER]> {
    let mut header = [0; HEADER];
    buffer.clear();
    let room = buffer.spare_capacity_mut();
    let parts = [
        libc::iovec { iov_base: header.as_mut_ptr().cast(), iov_len: header.len() },
        libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() },
    ];
    // SAFETY: the descriptor is open while it is borrowed; both parts are writable for as long as
    // they say, live until the call returns, and need no value before it.
    let read = unsafe { libc::readv(device.as_raw_fd(), parts.as_ptr(), 2) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has written as many bytes as it says, the header's first, and no more
    // than there was room for.
    unsafe { buffer.set_len(read.saturating_sub(HEADER)) };
    Ok(header)
}

/// Sets the largest packet of an interface, in bytes with the IP header. `socket` is any of the
/// interface's network namespace.
pub(crate) fn set_mtu(socket: BorrowedFd<'_>, name: &str, mtu: u16) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_mtu = c_int::from(mtu);
    // SAFETY: the descriptor is open while it is borrowed, and the kernel reads one `ifreq`
    // (net/core/dev_ioctl.c, `dev_ifsioc`).
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFMTU, &raw mut request) })
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: `ifreq` is made of integers and pointers, for which zeros are a value.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    // The last byte stays zero and ends the name.
    let places = request.ifr_name.len() - 1;
    if name.is_empty() || name.len() > places || name.contains('\0') {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    Ok(request)
}
