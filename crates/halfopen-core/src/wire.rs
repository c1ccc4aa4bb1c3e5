//! Packets as they are on the wire: IPv4 and IPv6 carrying TCP, UDP and ICMP.
//!
//! [`View`] reads the bytes of somebody else, which may be cut short by a capture's snap length.
//! [`Packet`] owns whole, checked bytes and rewrites them in place. Parsing never panics and never
//! allocates; what is malformed is an error value at the door, so that nothing inside asks again.

pub mod checksum;
pub mod icmp;
mod packet;
pub mod tcp;
pub mod udp;
mod view;
pub mod vnet;

pub use packet::{Offload, Packet, Segments};
pub use view::{Fragment, Malformed, View};
