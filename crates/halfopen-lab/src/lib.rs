//! The programs that ship, on a path that forgets, in virtual time.
//!
//! The lab is the one place that knows both the simulator and the programs. The same seed gives
//! the same bytes.

pub mod connect;
pub mod contest;
pub mod hunt;
pub mod matrix;
pub mod policy;
pub mod reproduce;
pub mod sweep;
pub mod traffic;
