//! What a guard's programs cost, as the kernel measures it.

use std::os::fd::OwnedFd;

use super::{Error, Guard, failed};
use crate::sys::bpf::{ProgramInfo, enable_statistics};

/// How often a program ran, and for how long in all, since measuring began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How often.
    pub runs: u64,
    /// For how long, in nanoseconds.
    pub run_ns: u64,
}

/// The kernel measures, as long as this is kept. That takes root's rights, and costs each run some
/// tens of nanoseconds.
#[derive(Debug)]
pub struct Measuring {
    _descriptor: OwnedFd,
}

impl Measuring {
    /// Begins to measure.
    pub fn begin() -> Result<Self, Error> {
        let descriptor = enable_statistics().map_err(failed("let the kernel measure programs"))?;
        Ok(Self { _descriptor: descriptor })
    }
}

impl Guard {
    /// Returns what its programs cost: that for new connections, that for socket options.
    pub fn costs(&self) -> Result<[Cost; 2], Error> {
        let cost = |info: ProgramInfo| Cost { runs: info.runs, run_ns: info.run_ns };
        let [established, options] = &self.programs;
        let read = |program: &crate::sys::bpf::Program| {
            program.info().map(cost).map_err(failed("ask what a program cost"))
        };
        Ok([read(established)?, read(options)?])
    }
}
