//! The two services as their users run them: programs, sockets, files and signals.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod bad_input;
mod payment;
mod postgres;
mod scheduler;
#[path = "../../../halfopen-billing/tests/storage/server.rs"]
mod server;
mod service;
