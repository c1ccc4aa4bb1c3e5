use super::log::Records;
use super::*;
use crate::tcp::Received;

mod endings;
mod laws;
mod passing;
mod scene;
