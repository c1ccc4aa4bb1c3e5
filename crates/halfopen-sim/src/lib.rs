//! A world in virtual time.

pub mod host;
pub mod net;
pub mod reproduce;
pub mod trace;
pub mod world;

mod clock;
mod stage;

pub use host::spawn;
