//! Storages: one suite against each, and schedulers that share one.
//!
//! PostgreSQL's tests start a server of their own from the system's package and stop it again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "real servers run by the real time")]

mod paying;
mod server;
mod sharing;
mod suite;
mod trouble;
