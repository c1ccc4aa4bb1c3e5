//! The programs that ship, on a path that forgets: in virtual time, or on real packets.
//!
//! The lab is the one place that knows the simulator, the kernel's networks and the programs. In
//! virtual time the same seed gives the same bytes.

pub mod connect;
pub mod contest;
pub mod hunt;
pub mod matrix;
pub mod policy;
pub mod reproduce;
pub mod sweep;
pub mod traffic;
