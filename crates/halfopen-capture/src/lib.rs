//! From a capture to verdicts.

pub mod frame;
pub mod pcap;
