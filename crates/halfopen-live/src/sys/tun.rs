//! TUN devices (Documentation/networking/tuntap.rst).

use core::ffi::c_int;
use core::mem::MaybeUninit;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::packet::check;

/// Makes an opened `/dev/net/tun` the other end of a new interface of the thread's network
/// namespace. The name is at most 15 bytes; one that exists is an error.
pub(crate) fn attach(device: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = request(name)?;
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_TUN_EXCL;
    // The highest of the 16 bits is a flag, not a sign.
    let flags = u16::try_from(flags).map_err(io::Error::other)?.cast_signed();
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: the descriptor is open while it is borrowed, and the kernel reads and writes one
    // `ifreq` (drivers/net/tun.c, `__tun_chr_ioctl`).
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })
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
