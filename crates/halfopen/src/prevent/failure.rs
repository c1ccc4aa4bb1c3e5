//! Why connections cannot be guarded, and what to do instead.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use halfopen_core::profile::{DocumentError, Profile};
use halfopen_core::sheet::Sheet;
use halfopen_core::time::{Duration, brief};
use halfopen_diagnosis::advice::below;
use halfopen_live::guard::{self, cgroup, limits, pins};
use halfopen_live::privileges;

/// Why connections cannot be guarded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardFailure {
    #[error(transparent)]
    Guard(#[from] guard::Error),
    #[error(transparent)]
    Pins(#[from] pins::Error),
    #[error(transparent)]
    Limits(#[from] limits::OutOfRange),
    #[error("`{destination}` is no network, and no host of that name is found: {error}")]
    NoDestination { destination: String, error: io::Error },
    #[error("there is no profile `{0}`")]
    NoProfile(String),
    #[error(
        "TCP keepalive cannot help against {title}: its timer of {} counts bytes, and a probe \
         carries none", brief(*.timer)
    )]
    Deaf { title: String, timer: Duration, setting: Option<String> },
    #[error("nothing is to be guarded against: {0} forgets no established connection")]
    Needless(String),
    #[error("`{}`: {error}", path.display())]
    Ledger { path: PathBuf, error: DocumentError },
    #[error("cannot read `{}`: {error}", path.display())]
    Open { path: PathBuf, error: io::Error },
    #[error("cannot run `{}`: {error}", program.display())]
    Program { program: OsString, error: io::Error },
    #[error("the program was lost: {0}")]
    Lost(io::Error),
    #[error("privileges could not be given up: {0}")]
    Privileges(#[from] privileges::Error),
    #[error("cannot listen at {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error("cannot write the report: {0}")]
    Write(io::Error),
}

impl GuardFailure {
    /// Returns what the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Guard(error) | Self::Pins(pins::Error::Guard(error)) => hint(error),
            Self::Deaf { timer, setting, .. } => Some(instead(*timer, setting.as_deref())),
            Self::NoProfile(_) => {
                let told = |name: &&str| {
                    Sheet::shipped(name).is_some_and(|sheet| sheet.keepalive().is_some())
                };
                let sheets = Sheet::names().filter(told);
                let names: Vec<&str> = Profile::names().chain(sheets).collect();
                Some(format!("known are {}", names.join(", ")))
            }
            Self::NoDestination { .. } => {
                Some("it is like 10.0.0.0/8, 10.0.0.0/8:443, *:443 or host:443".to_owned())
            }
            Self::Pins(_)
            | Self::Limits(_)
            | Self::Needless(_)
            | Self::Ledger { .. }
            | Self::Open { .. }
            | Self::Program { .. }
            | Self::Lost(_)
            | Self::Privileges(_)
            | Self::Listen { .. }
            | Self::Runtime(_)
            | Self::Write(_) => None,
        }
    }
}

/// Says what helps against a timer that counts bytes.
fn instead(timer: Duration, setting: Option<&str>) -> String {
    // A sheet says "none" and why where nothing can be set.
    let setting = setting.filter(|setting| !setting.starts_with("none"));
    let longer = setting.map(|setting| format!("; or a longer timer ({setting})"));
    format!(
        "what helps is a client that gives up connections idle for {} (docs/clients.md says how \
         each is told), or that sends something{}",
        brief(below(timer)),
        longer.unwrap_or_default()
    )
}

/// Says how to get a guard, or what to do without one.
fn hint(error: &guard::Error) -> Option<String> {
    let first = match error {
        guard::Error::Permission { .. } => RIGHTS,
        guard::Error::Cgroup(cgroup::Error::Kernel { error, .. })
            if error.kind() == io::ErrorKind::PermissionDenied =>
        {
            RIGHTS
        }
        guard::Error::Cgroup(cgroup::Error::NoMount) => {
            "sudo mount -t cgroup2 none /sys/fs/cgroup/unified"
        }
        guard::Error::Cgroup(cgroup::Error::Root(_)) => {
            "`--cgroup /` guards everything, if that is meant; or start it by `prevent run`"
        }
        guard::Error::Cgroup(cgroup::Error::NoUnit(_)) => "`systemctl status UNIT` names it",
        guard::Error::OldKernel(_)
        | guard::Error::NoBpf
        | guard::Error::Btf(_)
        | guard::Error::Verifier { .. } => "it takes a Linux from 6.1 on, with BPF and BTF",
        guard::Error::Kernel { .. } | guard::Error::TooMany(_) | guard::Error::Cgroup(_) => {
            return None;
        }
    };
    Some(format!("{first}; {WITHOUT}"))
}

/// How to get the rights.
const RIGHTS: &str =
    "run it with sudo, or with CAP_BPF and CAP_NET_ADMIN in a cgroup that is yours";
/// What else there is.
const WITHOUT: &str = "\
    without a guard, a program that sets SO_KEEPALIVE and no times takes those of its network \
    namespace (sudo sysctl net.ipv4.tcp_keepalive_time=120 net.ipv4.tcp_keepalive_intvl=15); one \
    that does not is told by its own settings, which docs/clients.md has";
