//! What other programs wrote about connections, read into one vocabulary.
//!
//! A balancer's access log, a client's wire log, a table of sockets, a flow log and a metric all
//! say when something happened to which connection. Each reader here turns its lines into
//! [`Record`]s, one after another, in bounded memory.
//!
//! The input is hostile: nothing here panics on it, a line has a longest length, and a line that
//! makes no sense is counted and passed over. Time is the line's time; nothing reads a clock.

pub mod alb;
pub mod entry;
pub mod failure;
pub mod flows;
pub mod httpclient;
pub mod lines;
pub mod metrics;
pub mod pattern;
pub mod program;
pub mod reader;
pub mod record;
pub mod sockets;
pub mod stamp;
#[cfg(feature = "parquet")]
pub mod table;

pub use lines::Lines;
pub use reader::{FORMS, Form, ReadLines, Summary, recognise};
pub use record::Record;
