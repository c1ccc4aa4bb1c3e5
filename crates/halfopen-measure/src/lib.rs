//! How long a path remembers an idle connection, asked from one of its ends.
//!
//! A [`Plan`](plan::Plan) decides which connections are opened, and which of them is asked after
//! which pause; it is a machine without clock or I/O. A [prober](prober::run) does what the plan
//! says over any [`Connect`](halfopen_pool::connect::Connect): the kernel's sockets or a simulated
//! network's. What a connection is asked is a [`Question`](question::Question). The answer is a
//! [`Finding`](answer::Finding).
//!
//! # The idea
//!
//! All idle connections age together, and which of them is asked is decided as late as can be. One
//! of the oldest is asked whenever its age is a step beyond what was survived so far. When one does
//! not answer, the others have at that moment every age in between, and asking those closes in on
//! the limit at once. So the limit is known a few seconds after it has passed, and no method can
//! know it earlier.
//!
//! # What it is not
//!
//! It does not load a server, and looks into no packet. A survived pause is certain; a death counts
//! only if others agree with it and no older connection lives. What cannot be known is said to be
//! unknown.
//!
//! The invariant: an accusation needs connections that died where only a timer would end them.

pub mod answer;
pub mod known;
pub mod plan;
pub mod prober;
pub mod question;
pub mod settings;
