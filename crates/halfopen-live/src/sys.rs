//! System calls that no safe crate offers. All unsafe code of the project is in this module.

#![expect(unsafe_code, reason = "libc's structures and calls; each block says why it is sound")]

pub(crate) mod bpf;
pub(crate) mod inherit;
pub(crate) mod inject;
pub(crate) mod packet;
pub(crate) mod privileges;
pub(crate) mod ring;
pub(crate) mod tun;

use core::mem::{MaybeUninit, size_of};
use core::time::Duration;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// For how long nothing of each kind happened on a connection, as the kernel counts it
/// (net/ipv4/tcp.c, `tcp_get_info`), in steps of the kernel's tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    /// Since data was last sent: `tcpi_last_data_sent`.
    pub(crate) data_sent: Duration,
    /// Since data last came: `tcpi_last_data_recv`.
    pub(crate) data_received: Duration,
    /// Since an acknowledgment last came, also one of a keepalive probe: `tcpi_last_ack_recv`.
    pub(crate) ack_received: Duration,
}

/// What of the data that was sent nobody acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unacknowledged {
    /// In how many segments it is: `tcpi_unacked`.
    pub(crate) segments: u32,
    /// How often the retransmission timer ran out since something was last acknowledged:
    /// `tcpi_retransmits` (`net/ipv4/tcp_timer.c`, `tcp_retransmit_timer`;
    /// `net/ipv4/tcp_input.c`, `tcp_ack`, resets it).
    pub(crate) timeouts: u32,
}

/// Asks for how long a TCP socket was silent.
pub(crate) fn silence(socket: BorrowedFd<'_>) -> io::Result<Silence> {
    let info = tcp_info(socket)?;
    let millis = |millis: u32| Duration::from_millis(millis.into());
    Ok(Silence {
        data_sent: millis(info.tcpi_last_data_sent),
        data_received: millis(info.tcpi_last_data_recv),
        ack_received: millis(info.tcpi_last_ack_recv),
    })
}

/// Asks what nobody acknowledged of what a TCP socket sent.
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<Unacknowledged> {
    let info = tcp_info(socket)?;
    Ok(Unacknowledged { segments: info.tcpi_unacked, timeouts: info.tcpi_retransmits.into() })
}

/// Asks for `TCP_INFO` of a TCP socket.
fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<libc::tcp_info> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let size = size_of::<libc::tcp_info>();
    let mut length = libc::socklen_t::try_from(size).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open while it is borrowed; `info` is writable for `length` bytes,
    // and the kernel writes no more than that (net/ipv4/tcp.c, `do_tcp_getsockopt`:
    // `len = min_t(unsigned int, len, sizeof(info))`).
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // An old kernel leaves what it does not know at zero, which would read as "just now".
    let needed = core::mem::offset_of!(libc::tcp_info, tcpi_pmtu);
    if (length as usize) < needed {
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    // SAFETY: every field is an integer or a bit field of integers, for which zeros are a value,
    // and all of it was zeroed before the kernel wrote.
    Ok(unsafe { info.assume_init() })
}
