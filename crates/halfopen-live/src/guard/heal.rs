//! Connections that are open already.

use core::net::SocketAddr;
use core::time::Duration;
use std::fs;
use std::io::Read as _;

use crate::sys::bpf::Place;

use super::btf::{self, Btf};
use super::layout::{RECORD, RECORD_LEN, socket, word};
use super::limits::Rules;
use super::program::{Offsets, on_each_socket};
use super::{Error, Maps, Mode, check_kernel, failed, load};

/// Records are read up to so many bytes: more sockets than a host can have.
const RECORDS_MAX: u64 = 1 << 30;

/// What a socket's options were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `SO_KEEPALIVE`
    pub keepalive: bool,
    /// `TCP_KEEPIDLE`
    pub idle: Duration,
    /// `TCP_KEEPINTVL`
    pub interval: Duration,
    /// `TCP_KEEPCNT`
    pub count: u32,
    /// `TCP_USER_TIMEOUT`; `None` is the kernel's own.
    pub user_timeout: Option<Duration>,
}

/// A connection that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The port of the near end.
    pub local_port: u16,
    /// The far end.
    pub remote: SocketAddr,
    /// What its options were.
    pub before: Options,
    /// One of them was longer than the limits.
    pub changed: bool,
    /// The kernel refused to change one.
    pub failed: bool,
}

/// Shortens the options of all established connections of this network namespace that the rules
/// guard, and returns what was found. What has been idle for longer than its limit is probed at
/// once.
pub fn heal(rules: &Rules, mode: Mode) -> Result<Vec<Socket>, Error> {
    check_kernel()?;
    let (function, offsets) = learn()?;
    let maps = Maps::make(rules)?;
    let program = on_each_socket(&maps.parts(mode), &offsets);
    let program = load(Place::Iterator(function), c"halfopen_heal", &program)?;
    let file = program.iterate().map_err(failed("look at all sockets"))?;
    let mut records = Vec::new();
    file.take(RECORDS_MAX).read_to_end(&mut records).map_err(failed("look at all sockets"))?;
    Ok(records.chunks_exact(RECORD_LEN.unsigned_abs().into()).map(Socket::read).collect())
}

/// Asks the kernel what its sockets are like.
fn learn() -> Result<(u32, Offsets), Error> {
    let bytes = fs::read(btf::KERNEL).map_err(|error| Error::Btf(error.to_string()))?;
    let btf = Btf::parse(bytes).map_err(|error| Error::Btf(error.to_string()))?;
    let lacks = |name: &str| Error::Btf(format!("there is no {name}"));
    let offset = |member: &str| {
        let offset = btf.offset("sock_common", member).and_then(|offset| offset.try_into().ok());
        offset.ok_or_else(|| lacks(member))
    };
    let offsets = Offsets {
        family: offset("skc_family")?,
        state: offset("skc_state")?,
        v4: offset("skc_daddr")?,
        v6: offset("skc_v6_daddr")?,
        remote_port: offset("skc_dport")?,
        local_port: offset("skc_num")?,
    };
    Ok((btf.function("bpf_iter_tcp").ok_or_else(|| lacks("bpf_iter_tcp"))?, offsets))
}

impl Socket {
    /// Reads a record.
    fn read(record: &[u8]) -> Self {
        let word = |at: i16| word(record, at.unsigned_abs().into());
        let before = |place: i16| word(RECORD.before + 4 * place);
        let bytes = |at: i16| word(at).to_ne_bytes();
        let mut address = [0; 16];
        for (place, at) in address.chunks_exact_mut(4).zip((RECORD.address..).step_by(4)) {
            place.copy_from_slice(&bytes(at));
        }
        let user_timeout = Duration::from_millis(before(4).into());
        Self {
            local_port: socket(address, bytes(RECORD.local_port)).port(),
            remote: socket(address, bytes(RECORD.remote_port)),
            before: Options {
                keepalive: before(0) != 0,
                idle: Duration::from_secs(before(1).into()),
                interval: Duration::from_secs(before(2).into()),
                count: before(3),
                user_timeout: (!user_timeout.is_zero()).then_some(user_timeout),
            },
            changed: word(RECORD.changes) > 0,
            failed: word(RECORD.failures) > 0,
        }
    }
}
