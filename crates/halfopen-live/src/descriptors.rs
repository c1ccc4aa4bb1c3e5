//! How many files and sockets this process may still open.

use std::fs;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Returns how many descriptors are left, after raising the limit by so much that `wanted` are, or
/// as far as the process may by itself (`RLIMIT_NOFILE`, getrlimit(2)).
pub fn room_for(wanted: u32) -> io::Result<u32> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let open = open()?;
    let enough = open.saturating_add(wanted.into()).clamp(soft, hard.max(soft));
    if enough > soft {
        setrlimit(Resource::RLIMIT_NOFILE, enough, hard)?;
    }
    Ok(u32::try_from(enough.saturating_sub(open)).unwrap_or(u32::MAX))
}

/// Counts what is open.
fn open() -> io::Result<u64> {
    let all = fs::read_dir("/proc/self/fd")?;
    // One of them is the folder's own.
    Ok((all.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_and_allowed_is_there() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let room = room_for(64).unwrap();
        assert!(room >= 64 || u64::from(room) < hard, "{room} of {hard}");
        assert!(u64::from(room_for(u32::MAX).unwrap()) <= hard);
    }
}
