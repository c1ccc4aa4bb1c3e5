//! Sending whole frames, many in a call.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};

use super::packet::PacketSocket;

/// Sends frames through a socket that is bound to an interface, and returns how many it took.
pub(crate) fn send(socket: &PacketSocket, frames: &[impl AsRef<[u8]>]) -> io::Result<usize> {
    let mut parts: Vec<libc::iovec> = frames
        .iter()
        .map(AsRef::as_ref)
        .map(|frame| libc::iovec {
            // The kernel reads from there and does not write.
            iov_base: frame.as_ptr().cast_mut().cast(),
            iov_len: frame.len(),
        })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = parts
        .iter_mut()
        .map(|part| {
            // SAFETY: `mmsghdr` is made of integers and pointers, for which zeros are a value.
            let mut message: libc::mmsghdr =
                unsafe { core::mem::MaybeUninit::zeroed().assume_init() };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message
        })
        .collect();
    let count = u32::try_from(messages.len()).map_err(io::Error::other)?;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: `messages` has `count` entries; each points to a part, and each part to a frame, and
    // all of them live until the call returns.
    let sent = unsafe { libc::sendmmsg(socket, messages.as_mut_ptr(), count, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
