//! Sockets and a clock: what needs the kernel.
//!
//! [`connect`] gives the pool connections whose silence is counted by the kernel. A `sensor` judges
//! the connections of an interface for as long as they come (Linux only): a `sniffer` shows it the
//! frames that a `filter` lets through; `metrics` tell others what it knows, which [`exporter`]
//! answers with and `otlp` pushes; a `witness` watches while
//! something else goes on. A `carry::Carrier` drives the hops of a path with real
//! packets, between two `tun` interfaces; a `namespace` is a network of its own for such
//! packets, where they meet nobody else's, and a `program` runs inside. A `guard` switches on
//! keepalive for processes that cannot be changed. What only unsafe code can ask stands in one
//! private module, `sys`.

#[cfg(target_os = "linux")]
pub mod carry;
pub mod connect;
#[cfg(target_os = "linux")]
pub mod descriptors;
#[cfg(target_os = "linux")]
pub mod every_way;
#[cfg(target_os = "linux")]
mod exit_code;
pub mod exporter;
#[cfg(target_os = "linux")]
pub mod filter;
#[cfg(target_os = "linux")]
pub mod guard;
#[cfg(target_os = "linux")]
pub mod injector;
#[cfg(target_os = "linux")]
pub mod metrics;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod netfilter;
#[cfg(target_os = "linux")]
pub mod networks;
#[cfg(target_os = "linux")]
pub mod otlp;
#[cfg(target_os = "linux")]
pub mod privileges;
#[cfg(target_os = "linux")]
pub mod program;
#[cfg(target_os = "linux")]
pub mod recording;
#[cfg(target_os = "linux")]
pub mod sensor;
#[cfg(target_os = "linux")]
pub mod sniffer;
#[cfg(target_os = "linux")]
pub mod socket_tables;
pub mod sockets;
#[cfg(target_os = "linux")]
pub mod tun;
#[cfg(target_os = "linux")]
pub mod witness;

#[cfg(target_os = "linux")]
mod sys;
