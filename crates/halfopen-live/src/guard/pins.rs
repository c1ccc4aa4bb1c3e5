//! Guards that stay when the process that attached them has ended.
//!
//! The names are files in a BPF file system, in a folder for each cgroup, called by the cgroup's
//! number. Without one of them the kernel lets go of what it held.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::cgroup::Cgroup;
use super::{Error as GuardError, Guard};

/// What the folders are called, before the cgroup's number.
const PREFIX: &str = "halfopen-";
/// What the links are called, in the order of the guard's.
const NAMES: [&str; 2] = ["established", "options"];

/// Why nothing is pinned, or cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no place for names.
    #[error("no BPF file system is mounted: sudo mount -t bpf bpf /sys/fs/bpf")]
    NoMount,
    /// There is a guard with a name.
    #[error("`{}` has a guard that stays: `halfopen prevent detach` removes it", .0.display())]
    Exists(PathBuf),
    /// The kernel refused.
    #[error("cannot {step} `{}`: {error}", path.display())]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The cgroup is not to be found.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Kernel { step, path, error }
}

/// Gives a guard a name, which keeps it until [`unpin`].
pub fn pin(guard: &Guard, cgroup: &Cgroup) -> Result<(), Error> {
    let folder = mount()?.join(name(cgroup)?);
    fs::create_dir(&folder).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Error::Exists(cgroup.path().to_owned());
        }
        failed("make", &folder)(error)
    })?;
    let pin = || {
        for (link, name) in guard.links.iter().zip(NAMES) {
            let path = folder.join(name);
            link.pin(&string(&path)).map_err(failed("pin a program at", &path))?;
        }
        Ok(())
    };
    pin().inspect_err(|_| drop(fs::remove_dir_all(&folder)))
}

/// Tells whether a cgroup has a guard with a name.
#[must_use]
pub fn is_pinned(cgroup: &Cgroup) -> bool {
    mount().is_ok_and(|mount| name(cgroup).is_ok_and(|name| mount.join(name).is_dir()))
}

/// Removes the guards that have a name, of one cgroup or of all, and returns how many they were.
pub fn unpin(cgroup: Option<&Cgroup>) -> Result<usize, Error> {
    let Ok(mount) = mount() else { return Ok(0) };
    let only = cgroup.map(name).transpose()?;
    let mut removed = 0;
    for entry in fs::read_dir(&mount).map_err(failed("read", &mount))?.flatten() {
        let found = entry.file_name();
        let found = found.to_str().filter(|found| found.starts_with(PREFIX));
        if found.is_some_and(|found| only.as_ref().is_none_or(|only| found == only)) {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn name(cgroup: &Cgroup) -> Result<String, Error> {
    let number = cgroup.number().map_err(GuardError::from)?;
    Ok(format!("{PREFIX}{number}"))
}

fn string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path that the kernel gave has no zero")
}

/// Finds a BPF file system.
fn mount() -> Result<PathBuf, Error> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let found = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        (kind == "bpf").then(|| PathBuf::from(at))
    });
    found.ok_or(Error::NoMount)
}
