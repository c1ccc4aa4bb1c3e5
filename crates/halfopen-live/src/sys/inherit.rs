//! Descriptors that a process is started with.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use super::packet::check;

/// Takes over a descriptor that whoever started this process opened for it, by the number that it
/// was told. No program that is started from here gets it.
///
/// Only the first to ask for a number may have it, so this is for the beginning of `main`, before
/// anything else is opened.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only; it fails if no such descriptor is open.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: the descriptor is open, as the call above has shown. It was open when this process
    // began, so nothing here opened it, and the contract is that nothing else takes it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
