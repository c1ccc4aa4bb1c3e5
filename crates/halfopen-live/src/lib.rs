//! Sockets and a clock: what needs the kernel.
//!
//! [`connect`] gives the pool connections whose silence is counted by the kernel. What only unsafe
//! code can ask stands in one private module, `sys`.

pub mod connect;
#[cfg(target_os = "linux")]
pub mod filter;
#[cfg(target_os = "linux")]
pub mod injector;
#[cfg(target_os = "linux")]
pub mod privileges;
#[cfg(target_os = "linux")]
pub mod sniffer;

#[cfg(target_os = "linux")]
mod sys;
