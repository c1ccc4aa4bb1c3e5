//! Namespaces of our own, and what is in them.
//!
//! Where the tests do not run as root, a test starts itself again as root of a user namespace
//! (unshare(1), of util-linux), so that it needs no privileges where those are allowed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod device;
mod namespace;
mod owner;
mod program;
mod router;
