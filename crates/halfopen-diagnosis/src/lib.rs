//! From all that a user has to one judgement.
//!
//! Captures say what became of packets; logs, socket tables and metrics say what each place knew of
//! it. Here they are put on one time line, and from what they say together follow the cause of each
//! path, the suspects that stay and those that are ruled out, the products that fit, and what to
//! change.

mod account;
pub mod advice;
mod between;
mod clocks;
mod conclude;
pub mod evidence;
mod join;
mod judgement;
mod log;
pub mod matching;
pub mod suspect;
mod view;

pub use between::Between;
pub use halfopen_capture::Ahead;
pub use judgement::{Flow, Judgement, Offset, Path, Server, judge};
pub use log::{Log, Logs};
