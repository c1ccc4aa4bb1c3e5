//! Measuring paths whose truth is known, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod hurried;
mod limits;
mod rivals;
mod rounds;
mod scene;
mod server;
mod swarm;
