//! Keepalive for connections of processes that cannot be changed, by programs in the kernel.
//!
//! A [`Guard`] is attached to a cgroup. A connection that a process there opens or accepts gets
//! `SO_KEEPALIVE`, with times no longer than the [`limits`] for its far end; so does a call by
//! which the process sets them later. What it has set shorter by itself it keeps. Nothing runs for
//! a packet. [`heal::heal`] does the same to connections that are open already.
//!
//! The programs are put together at run time, instruction by instruction; what they need to know
//! of the kernel's own structures the kernel tells ([`btf`]). They go with the last descriptor, and
//! so with this process however it ends, unless they are pinned ([`pins`]).

pub(crate) mod assembler;
pub mod btf;
pub mod cgroup;
pub mod contained;
pub mod heal;
mod layout;
pub mod limits;
pub mod metrics;
pub mod pins;
mod program;
pub mod statistics;
pub mod status;

use core::net::SocketAddr;
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;

use crate::sys::bpf::{Link, Map, MapKind, MapSpec, Place, Program};
use assembler::Instruction;
use cgroup::Cgroup;
use layout::{
    COUNTERS_LEN, Counter, DESTINATION_LEN, KEY_LEN, LIMITS_LEN, TALLY_LEN, Tally, number,
};
use limits::{Destination, Rules};
use program::{Parts, Table, on_established, on_set_option};

/// What the programs are called in the kernel.
const ESTABLISHED: &CStr = c"halfopen_open";
const SET_OPTION: &CStr = c"halfopen_option";
/// What the map of the counters is called.
const COUNTERS: &CStr = c"halfopen_counts";
/// So many destinations are counted apart; the one not used for the longest time goes first.
const DESTINATIONS_MAX: u32 = 1_024;
/// A table has room for so many destinations.
const RULES_MAX: u32 = 65_536;
/// `bpf_getsockopt` reads times of keepalive, and every option that is set here, from this version
/// on (`net/core/filter.c`, `sol_tcp_sockopt`).
const KERNEL: (u32, u32) = (6, 1);

/// Why there is no guard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel lacks what is needed.
    #[error("the kernel is {0}; what reads the keepalive of a socket came with 6.1")]
    OldKernel(String),
    /// The kernel has no BPF.
    #[error("the kernel is built without BPF (CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF)")]
    NoBpf,
    /// The process may not do this.
    #[error("no permission to {step}: that takes CAP_BPF and CAP_NET_ADMIN")]
    Permission {
        /// What was tried.
        step: &'static str,
    },
    /// The kernel's verifier does not like a program.
    #[error("the kernel refuses the program for {what}: {error}\n{log}")]
    Verifier {
        /// What the program is for.
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
        /// What the verifier said.
        log: String,
    },
    /// Something else of the kernel.
    #[error("cannot {step}: {error}")]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The kernel does not say what its structures are like.
    #[error("the kernel does not tell what its sockets are like (CONFIG_DEBUG_INFO_BTF): {0}")]
    Btf(String),
    /// There are too many destinations.
    #[error("{0} destinations are more than 65536")]
    TooMany(usize),
    /// Something is wrong with the cgroup.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
}

fn failed(step: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            Error::Permission { step }
        } else if error.kind() == io::ErrorKind::Unsupported {
            Error::NoBpf
        } else {
            Error::Kernel { step, error }
        }
    }
}

/// Whether sockets are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    Change,
    /// What would be changed is counted, and nothing is changed.
    DryRun,
}

/// What a guard has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Guarded connections that were opened.
    pub opened: u64,
    /// Guarded connections that were accepted.
    pub accepted: u64,
    /// Of these, those that were changed.
    pub changed: u64,
    /// Of these, those that had no time longer than the limits.
    pub kept: u64,
    /// Of these, those where the kernel refused something.
    pub failed: u64,
    /// Calls that set a time longer than the limits, or keepalive off, and got the limit.
    pub held: u64,
    /// Connections that are not guarded because somebody said so.
    pub spared: u64,
    /// Connections that nothing was said about.
    pub others: u64,
}

/// What a guard has counted for a destination: the far end of a connection that was opened; of one
/// that was accepted, the far end's address and the own port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tallied {
    /// The destination.
    pub destination: SocketAddr,
    /// Its guarded connections.
    pub connections: u64,
    /// Of these, those that were changed.
    pub changed: u64,
}

/// Programs that guard a cgroup, until this is dropped.
#[derive(Debug)]
pub struct Guard {
    programs: [Program; 2],
    links: [Link; 2],
    maps: Maps,
}

impl Guard {
    /// Guards the processes of a cgroup and of those within.
    pub fn attach(rules: &Rules, mode: Mode, cgroup: &Cgroup) -> Result<Self, Error> {
        check_kernel()?;
        let maps = Maps::make(rules)?;
        let parts = maps.parts(mode);
        let programs = [
            load(Place::SocketOperations, ESTABLISHED, &on_established(&parts))?,
            load(Place::SetOption, SET_OPTION, &on_set_option(&parts))?,
        ];
        let attach = |program: &Program| {
            program.attach(cgroup.folder().as_fd()).map_err(failed("attach to the cgroup"))
        };
        let links = [attach(&programs[0])?, attach(&programs[1])?];
        Ok(Self { programs, links, maps })
    }

    /// Returns what was counted.
    pub fn counts(&self) -> Result<Counts, Error> {
        read_counts(&self.maps.counters)
    }

    /// Returns what was counted for each destination, those with most connections first.
    pub fn destinations(&self) -> Result<Vec<Tallied>, Error> {
        let mut found = self.maps.read_tallies().map_err(failed("read what was counted"))?;
        found.sort_by_key(|one| (core::cmp::Reverse(one.connections), one.destination));
        Ok(found)
    }
}

/// The maps of a guard.
#[derive(Debug)]
struct Maps {
    guarded: (Map, bool),
    spared: Option<(Map, bool)>,
    counters: Map,
    tallies: Map,
}

impl Maps {
    fn make(rules: &Rules) -> Result<Self, Error> {
        let number = rules.guarded.len().max(rules.spared.len());
        if number > RULES_MAX as usize {
            return Err(Error::TooMany(number));
        }
        let guarded = rules.guarded.iter().map(|(destination, limits)| (destination, *limits));
        let guarded = guarded.map(|(destination, limits)| (destination, limits.bytes()));
        // What is spared has no limits; the value is never looked at.
        let spared = rules.spared.iter().map(|destination| (destination, [0; LIMITS_LEN]));
        Ok(Self {
            guarded: table(c"halfopen_guard", guarded)?,
            spared: (!rules.spared.is_empty())
                .then(|| table(c"halfopen_spare", spared))
                .transpose()?,
            counters: create(MapKind::Array, COUNTERS, 4, COUNTERS_LEN, 1)?,
            tallies: create(
                MapKind::LruHash,
                c"halfopen_dests",
                DESTINATION_LEN,
                TALLY_LEN.unsigned_abs().into(),
                DESTINATIONS_MAX,
            )?,
        })
    }

    fn parts(&self, mode: Mode) -> Parts {
        let table =
            |(map, has_ports): &(Map, bool)| Table { map: map.number(), has_ports: *has_ports };
        Parts {
            guarded: table(&self.guarded),
            spared: self.spared.as_ref().map(table),
            counters: self.counters.number(),
            tallies: self.tallies.number(),
            changes: mode == Mode::Change,
        }
    }

    fn read_tallies(&self) -> io::Result<Vec<Tallied>> {
        let mut found = Vec::new();
        let (mut key, mut value) = ([0; DESTINATION_LEN], [0; TALLY_LEN as usize]);
        // While it is read the map changes, so there is no end but this.
        while found.len() < DESTINATIONS_MAX as usize && self.tallies.next_key(&mut key)? {
            if self.tallies.lookup(&key, &mut value)? {
                found.push(Tallied {
                    destination: layout::destination(&key),
                    connections: number(&value, Tally::Connections.offset().unsigned_abs().into()),
                    changed: number(&value, Tally::Changed.offset().unsigned_abs().into()),
                });
            }
        }
        Ok(found)
    }
}

fn read_counts(counters: &Map) -> Result<Counts, Error> {
    let mut value = [0; COUNTERS_LEN];
    counters.lookup(&[0; 4], &mut value).map_err(failed("read what was counted"))?;
    let read = |counter: Counter| number(&value, counter.offset().unsigned_abs() as usize);
    Ok(Counts {
        opened: read(Counter::Opened),
        accepted: read(Counter::Accepted),
        changed: read(Counter::Changed),
        kept: read(Counter::Kept),
        failed: read(Counter::Failed),
        held: read(Counter::Held),
        spared: read(Counter::Spared),
        others: read(Counter::Others),
    })
}

/// Makes a table, and tells whether some of its destinations have a port.
fn table<'a>(
    name: &'static CStr,
    entries: impl Iterator<Item = (&'a Destination, [u8; LIMITS_LEN])> + Clone,
) -> Result<(Map, bool), Error> {
    let map = create(MapKind::PrefixTrie, name, KEY_LEN, LIMITS_LEN, RULES_MAX)?;
    for (destination, limits) in entries.clone() {
        map.update(&destination.key(), &limits).map_err(failed("fill a table"))?;
    }
    Ok((map, Rules::have_ports(entries.map(|(destination, _)| destination))))
}

fn create(
    kind: MapKind,
    name: &'static CStr,
    key_len: usize,
    value_len: usize,
    entries_max: u32,
) -> Result<Map, Error> {
    let len = |len: usize| u32::try_from(len).expect("keys and values are short");
    let spec =
        MapSpec { kind, name, key_len: len(key_len), value_len: len(value_len), entries_max };
    Map::create(spec).map_err(failed("make a BPF map"))
}

fn load(place: Place, called: &CStr, instructions: &[Instruction]) -> Result<Program, Error> {
    let what = match place {
        Place::SocketOperations => "new connections",
        Place::SetOption => "socket options",
        Place::Iterator(_) => "open connections",
    };
    Program::load(place, called, instructions).map_err(|(error, log)| {
        let refused = error.kind() == io::ErrorKind::PermissionDenied && log.is_empty();
        if refused {
            Error::Permission { step: "load a BPF program" }
        } else {
            Error::Verifier { what, error, log }
        }
    })
}

fn check_kernel() -> Result<(), Error> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let old = version(release).is_some_and(|version| version < KERNEL);
    if old { Err(Error::OldKernel(release.to_owned())) } else { Ok(()) }
}

/// Reads the first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|byte: char| !byte.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_cannot_read_keepalive_is_too_old() {
        assert!(version("5.15.0-91-generic").unwrap() < KERNEL);
        assert!(version("6.0.19").unwrap() < KERNEL);
        assert!(version("6.1.0-18-amd64").unwrap() >= KERNEL);
        assert!(version("10.2-rc1").unwrap() >= KERNEL);
        assert_eq!(version("unknown"), None);
    }
}
