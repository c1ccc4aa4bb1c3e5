//! Giving up privileges once what needs them is open.

use std::fs;
use std::io;

use crate::sys::privileges as sys;

/// Why privileges could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user is not known.
    #[error("there is no user `{0}` in /etc/passwd")]
    NoUser(String),
    /// The kernel refused.
    #[error("cannot {step}: {error}")]
    Kernel {
        /// What was asked of the kernel.
        step: String,
        /// What it said.
        error: io::Error,
    },
}

/// Drops all capabilities for good; root becomes `user` besides, a name or a number, unless that is
/// `root`. No program that is started afterwards gets more than this process has.
///
/// Capabilities are a thread's own, so this must be called while there is only one thread.
pub fn give_up(user: &str) -> Result<(), Error> {
    if sys::is_root() && user != "root" {
        let (uid, gid) = account(user)?;
        let refused = |error| Error::Kernel { step: format!("become the user `{user}`"), error };
        sys::become_user(uid, gid).map_err(refused)?;
    }
    let refused = |error| Error::Kernel { step: "drop capabilities".to_owned(), error };
    sys::drop_capabilities().map_err(refused)
}

/// Returns the number of a user and of its group. A user that is given as a number is its own
/// group.
fn account(user: &str) -> Result<(u32, u32), Error> {
    if let Ok(number) = user.parse() {
        return Ok((number, number));
    }
    let refused = |error| Error::Kernel { step: "read /etc/passwd".to_owned(), error };
    let accounts = fs::read_to_string("/etc/passwd").map_err(refused)?;
    find(&accounts, user).ok_or_else(|| Error::NoUser(user.to_owned()))
}

/// Finds a user in a file as of passwd(5).
fn find(accounts: &str, user: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let named = fields.next() == Some(user);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        named.then_some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\n+\nnobody:x:65534:65533:nobody:/:/bin/no\n";
        assert_eq!(find(accounts, "nobody"), Some((65_534, 65_533)));
        assert_eq!(find(accounts, "nobod"), None);
    }

    #[test]
    fn a_user_may_be_a_number() {
        assert_eq!(account("1234").unwrap(), (1234, 1234));
        assert!(account("no such user").unwrap_err().to_string().contains("no such user"));
    }
}
