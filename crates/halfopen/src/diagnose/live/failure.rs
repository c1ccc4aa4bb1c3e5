//! Why an interface cannot be watched, and what to do about it.

use std::io;
use std::net::SocketAddr;

use halfopen_live::{otlp, privileges, sniffer};

/// Why an interface cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveFailure {
    #[error(transparent)]
    Sniffer(#[from] sniffer::Error),
    #[error("privileges could not be given up: {0}")]
    Privileges(#[from] privileges::Error),
    #[error("cannot listen at {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("{0} ports are more than a filter of the kernel holds")]
    TooManyPorts(usize),
    #[error(transparent)]
    Otlp(#[from] otlp::Error),
    #[error("what an interface shows is told in lines, and those are no markdown")]
    Markdown,
    #[error("`{0}` is gone")]
    Gone(String),
    #[error("cannot read from `{interface}`: {error}")]
    Read { interface: String, error: io::Error },
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error("a part of the program failed; what it says stands above")]
    Thread,
}

impl LiveFailure {
    /// Returns what the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Sniffer(sniffer::Error::Privilege(_)) => {
                let program = std::env::current_exe().map_or_else(
                    |_| "halfopen".to_owned(),
                    |program| program.display().to_string(),
                );
                return Some(format!(
                    "sudo setcap cap_net_raw+ep {program} gives it to this program for good; or \
                     run it with sudo. Either way it is given up once the interface is open"
                ));
            }
            Self::Sniffer(sniffer::Error::NoInterface(_)) => "`ip link` names those there are",
            Self::Privileges(privileges::Error::NoUser(_)) => "choose another with --user",
            Self::Privileges(privileges::Error::Kernel { .. }) => {
                "in a container or a user namespace without that user, --user root stays root, and \
                 drops its privileges all the same"
            }
            Self::Markdown => "leave --format out, or make it json",
            Self::TooManyPorts(_) => "leave --filter-port out to look at all",
            Self::Sniffer(sniffer::Error::Kernel { .. })
            | Self::Listen { .. }
            | Self::Otlp(_)
            | Self::Gone(_)
            | Self::Read { .. }
            | Self::Runtime(_)
            | Self::Thread => return None,
        };
        Some(hint.to_owned())
    }
}
