//! Giving up what a process may do (capabilities(7), credentials(7)).
//!
//! Capabilities belong to threads, so this is to be done before there is a second one. The changes
//! of user and group go through the C library, which changes all threads.

use core::ffi::{c_int, c_ulong};
use std::io;

use super::packet::check;

/// `_LINUX_CAPABILITY_VERSION_3` of `linux/capability.h`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct` of `linux/capability.h`.
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

/// `struct __user_cap_data_struct` of `linux/capability.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Tells whether the process runs as root.
pub(crate) fn is_root() -> bool {
    // SAFETY: the call has no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Leaves all groups and becomes another user, for good.
pub(crate) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: no group is read, since there are none.
    check(unsafe { libc::setgroups(0, core::ptr::null()) })?;
    // SAFETY: the call takes numbers only.
    check(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: the call takes numbers only.
    check(unsafe { libc::setresuid(uid, uid, uid) })
}

/// Drops every capability, and the ways to get one back.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    let (on, none): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: the call takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, none, none, none) })?;
    let clear = c_ulong::try_from(libc::PR_CAP_AMBIENT_CLEAR_ALL).map_err(io::Error::other)?;
    // SAFETY: the call takes numbers only.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear, none, none, none) })?;
    let mut header = Header { version: CAPABILITY_VERSION, pid: 0 };
    let sets = [Sets { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: both are as the kernel lays them out for this version, two sets of 32 bits each, and
    // live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
