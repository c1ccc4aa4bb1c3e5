//! An HTTP client that knows its path.
//!
//! The pure half decides and has no clock, no I/O and no async: [`policy`] says when a connection
//! may be used again.

pub mod policy;
pub mod preset;
