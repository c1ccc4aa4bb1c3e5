//! Sockets that see frames as they are on the wire (packet(7)).

use core::ffi::c_int;
use core::mem::{MaybeUninit, size_of};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// How frames begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With the header of their link.
    Raw,
    /// With the IP header.
    Cooked,
}

/// An instruction of the classic packet filter (Documentation/networking/filter.rst).
pub(crate) type Instruction = libc::sock_filter;

/// A packet socket. It is told of no packet until it is bound with a protocol.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    socket: OwnedFd,
}

/// Returns the number of an interface.
pub(crate) fn index_of(interface: &str) -> io::Result<c_int> {
    let unknown = || io::Error::from(io::ErrorKind::NotFound);
    let name = CString::new(interface).map_err(|_| unknown())?;
    // SAFETY: `name` is a string that ends in zero and lives until the call returns.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    c_int::try_from(index).ok().filter(|&index| index != 0).ok_or_else(unknown)
}

impl PacketSocket {
    /// Opens a socket; this is what needs `CAP_NET_RAW`.
    pub(crate) fn open(kind: Kind) -> io::Result<Self> {
        let kind = match kind {
            Kind::Raw => libc::SOCK_RAW,
            Kind::Cooked => libc::SOCK_DGRAM,
        };
        // SAFETY: the call takes numbers only; protocol 0 is "none yet".
        let socket = unsafe { libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just opened, and nobody else knows it.
        Ok(Self { socket: unsafe { OwnedFd::from_raw_fd(socket) } })
    }

    /// Binds it to an interface; `protocol` is an `EtherType`, or zero to see nothing.
    pub(crate) fn bind(&self, interface: c_int, protocol: c_int) -> io::Result<()> {
        let protocol = u16::try_from(protocol).map_err(io::Error::other)?.to_be();
        // SAFETY: `sockaddr_ll` is made of integers, for which zeros are a value.
        let mut address: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
        address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        address.sll_protocol = protocol;
        address.sll_ifindex = interface;
        let length = length_of::<libc::sockaddr_ll>()?;
        // SAFETY: `address` lives until the call returns, and is as long as is said.
        let result =
            unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), length) };
        check(result)
    }

    /// Returns the hardware type (`ARPHRD_*` of `linux/if_arp.h`) of the interface bound to.
    pub(crate) fn hardware(&self) -> io::Result<u16> {
        let mut address = MaybeUninit::<libc::sockaddr_ll>::zeroed();
        let mut length = length_of::<libc::sockaddr_ll>()?;
        // SAFETY: `address` is writable for `length` bytes, and the kernel writes no more.
        let result = unsafe {
            libc::getsockname(self.socket.as_raw_fd(), address.as_mut_ptr().cast(), &raw mut length)
        };
        check(result)?;
        // SAFETY: it is made of integers, and what the kernel left alone is zero.
        Ok(unsafe { address.assume_init() }.sll_hatype)
    }

    /// Lets through what `program` lets through.
    pub(crate) fn attach(&self, program: &[Instruction]) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(program.len()).map_err(io::Error::other)?,
            // The kernel copies from there and does not write (net/core/filter.c, `__get_filter`).
            filter: program.as_ptr().cast_mut(),
        };
        self.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Sets an option of packet sockets that is a number.
    pub(crate) fn set_number(&self, option: c_int, value: c_int) -> io::Result<()> {
        self.set(libc::SOL_PACKET, option, &value)
    }

    pub(super) fn set<T>(&self, level: c_int, option: c_int, value: &T) -> io::Result<()> {
        let length = length_of::<T>()?;
        // SAFETY: `value` is readable for `length` bytes until the call returns.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                option,
                core::ptr::from_ref(value).cast(),
                length,
            )
        };
        check(result)
    }

    /// Returns what the kernel counted since it was last asked.
    pub(super) fn statistics(&self) -> io::Result<libc::tpacket_stats_v3> {
        let mut counts = MaybeUninit::<libc::tpacket_stats_v3>::zeroed();
        let mut length = length_of::<libc::tpacket_stats_v3>()?;
        // SAFETY: `counts` is writable for `length` bytes, and the kernel writes no more.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                counts.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        check(result)?;
        // SAFETY: it is made of integers, and what the kernel left alone is zero.
        Ok(unsafe { counts.assume_init() })
    }

    /// Returns the error that waits at the socket, and takes it away.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        let mut error: c_int = 0;
        let mut length = length_of::<c_int>()?;
        // SAFETY: `error` is writable for `length` bytes, and the kernel writes no more.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ERROR,
                (&raw mut error).cast(),
                &raw mut length,
            )
        };
        check(result)?;
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

pub(super) fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn length_of<T>() -> io::Result<libc::socklen_t> {
    libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)
}
