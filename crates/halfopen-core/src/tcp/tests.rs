use super::*;

mod giving_up;
mod network;
mod opening;
