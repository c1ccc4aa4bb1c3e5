//! What stands on a network path, as state machines without I/O and without a clock.
//!
//! A machine is a value that is *told* packets and the time, and *asked* for outputs and its next
//! deadline. The same gateway runs in virtual time and on the wire.
//!
//! This crate is not a packet library and not a TCP for production: it models what a flow meets on
//! its way, closely enough that a capture of the model and a capture of the wire get one verdict.

pub mod balancer;
pub mod cause;
pub mod client;
pub mod deadline;
mod document;
pub mod estimate;
pub mod fact;
pub mod flow;
pub mod gateway;
pub mod hop;
pub mod idle;
pub mod laws;
pub mod link;
pub mod path;
pub mod profile;
pub mod rng;
pub mod scenario;
pub mod seq;
pub mod server;
pub mod sheet;
pub mod speed;
pub mod tap;
pub mod tcp;
pub mod time;
pub mod verdict;
pub mod wire;
