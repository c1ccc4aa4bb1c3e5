//! From a capture to verdicts that name their frames.
//!
//! Packets go into a [`Tracker`], which keeps one timeline a connection, in bounded memory. Rules
//! judge each timeline by how TCP works, and [`diagnose`](Tracker::diagnose) infers from the
//! verdicts what is wrong with each path.
//!
//! The input is hostile: nothing here panics on it, and a time stamp is believed only as far as it
//! agrees with its neighbours. Time is the frame's time; nothing reads a clock.

mod agents;
mod blocked;
mod case;
mod clock;
mod content;
pub mod frame;
mod infer;
mod monitor;
pub mod pcap;
mod points;
mod route;
mod rules;
mod sample;
pub mod scene;
mod sighting;
mod source;
mod stretch;
mod timeline;
mod tracker;
mod tunnel;

pub use infer::{Closings, Diagnosis, PathReport};
pub use monitor::{Holdings, Monitor, News, Patience};
pub use points::{Ahead, Crossing, Fate, Place, Points, Survival};
pub use rules::{RULES, Rule};
pub use source::{Source, Summary};
pub use stretch::{Stretch, Supply};
pub use tracker::{Counts, Limits, Tracker};
