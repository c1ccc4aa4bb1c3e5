//! What the fuzz targets do with their bytes, free of any fuzzer.
//!
//! `crates/halfopen/tests/corpora.rs` compiles this as well and replays each committed corpus, so
//! that the tests need no nightly toolchain.

pub mod balancer;
pub mod gateway;
pub mod ledger;
pub mod logs;
pub mod packet;
pub mod pcap;
mod script;
pub mod tracker;
