use super::*;

mod closing;
mod giving_up;
mod idling;
mod laws;
mod likeness;
mod listening;
mod network;
mod noise;
mod opening;
mod sockets;
mod strays;
mod transfer;
mod windows;
