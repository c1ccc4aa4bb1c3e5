//! The right to make namespaces, for those who are not root (`user_namespaces(7)`).

use core::fmt;
use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// The number of `CAP_NET_ADMIN` in `linux/capability.h`.
const NET_ADMIN: u32 = 12;
/// The number of `CAP_SYS_ADMIN` in `linux/capability.h`.
const SYS_ADMIN: u32 = 21;

/// Why the system lets this process make no namespaces, and what would help.
#[derive(Debug)]
pub struct Refusal {
    step: &'static str,
    error: io::Error,
    obstacle: Option<Obstacle>,
}

/// A setting of the system that keeps users from making namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Obstacle {
    parameter: &'static str,
    refuses: &'static str,
    allows: &'static str,
}

/// The settings of Linux, of Debian's and of Ubuntu's kernels.
const OBSTACLES: [Obstacle; 3] = [
    Obstacle { parameter: "user.max_user_namespaces", refuses: "0", allows: "15000" },
    Obstacle { parameter: "kernel.unprivileged_userns_clone", refuses: "0", allows: "1" },
    Obstacle {
        parameter: "kernel.apparmor_restrict_unprivileged_userns",
        refuses: "1",
        allows: "0",
    },
];

/// Gets this process the right to make namespaces: unless it has it, it becomes root of a user
/// namespace of its own, in which its user is called root. To everyone else it stays who it was,
/// and it may do no more to their things than before.
///
/// The kernel grants this only while the process has a single thread, so `main` calls it first.
pub fn become_owner() -> Result<(), Refusal> {
    if fs::read_to_string("/proc/self/status").is_ok_and(|status| may_administer(&status)) {
        return Ok(());
    }
    let (user, group) = (geteuid(), getegid());
    let refused = |step| move |error| Refusal { step, error, obstacle: obstacle(parameter) };
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(io::Error::from)
        .map_err(refused("make a user namespace"))?;
    // Whoever may not change users may map only himself, and a group only once nobody can drop one
    // any more (user_namespaces(7), "Defining user and group ID mappings").
    let become_root = || {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1"))
    };
    become_root().map_err(refused("become root of a user namespace"))
}

/// Tells from `/proc/PID/status` whether a process may make network namespaces and set them up.
fn may_administer(status: &str) -> bool {
    let needed = 1 << NET_ADMIN | 1 << SYS_ADMIN;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    effective.is_some_and(|set| set & needed == needed)
}

fn obstacle(parameter: impl Fn(&str) -> Option<String>) -> Option<Obstacle> {
    let refuses = |obstacle: &Obstacle| {
        parameter(obstacle.parameter).is_some_and(|value| value.trim() == obstacle.refuses)
    };
    OBSTACLES.into_iter().find(refuses)
}

fn parameter(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, error, obstacle } = self;
        write!(f, "cannot {step}: {error}")?;
        if let Some(Obstacle { parameter, refuses, allows }) = obstacle {
            write!(f, "; {parameter} is {refuses}, which leaves this to root: run this as root, ")?;
            write!(f, "or let users do it: sudo sysctl {parameter}={allows}")
        } else {
            write!(f, "; run this as root")
        }
    }
}

impl core::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_administer_and_a_user_or_a_bare_container_may_not() {
        assert!(may_administer("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(!may_administer("CapEff:\t0000000000000000\n"));
        // Root of a container as Docker makes it.
        assert!(!may_administer("CapEff:\t00000000a80425fb\n"));
        assert!(!may_administer("Name:\tx\n"));
    }

    #[test]
    fn a_refusal_names_the_setting_and_the_way_out() {
        let ubuntu = |name: &str| match name {
            "user.max_user_namespaces" => Some("96365\n".to_owned()),
            "kernel.apparmor_restrict_unprivileged_userns" => Some("1\n".to_owned()),
            _ => None,
        };
        let refusal = |obstacle| Refusal {
            step: "become root of a user namespace",
            error: io::ErrorKind::PermissionDenied.into(),
            obstacle,
        };
        let text = refusal(obstacle(ubuntu)).to_string();
        assert!(
            text.contains("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
            "{text}"
        );
        let text = refusal(obstacle(|_| None)).to_string();
        assert_eq!(
            text,
            "cannot become root of a user namespace: permission denied; run this as root"
        );
    }
}
