//! Cgroups of the second version: where they are, whose they are, and one of our own
//! (`Documentation/admin-guide/cgroup-v2.rst`).
//!
//! A cgroup of our own is a folder in the kernel's memory. It cannot be removed while a process is
//! in it, and nobody removes it for a process that is killed, so a [`Child`] has a caretaker: this
//! executable, started anew, which waits until whoever made the cgroup has ended and the cgroup is
//! empty.

mod caretaker;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;

use self::caretaker::Caretaker;
pub use self::caretaker::become_caretaker;

/// What the cgroups are called that are made here, before a number.
const PREFIX: &str = "halfopen-guard-";
/// More folders than this are not looked through.
const FOLDERS_MAX: usize = 20_000;

/// Why there is no such cgroup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no file system of the second version.
    #[error("no cgroup file system of version 2 is mounted here")]
    NoMount,
    /// The process is in none, or has ended.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// The process is in the cgroup of everything.
    #[error("process {0} is in the root cgroup, with everything that is in no other")]
    Root(u32),
    /// It is not known where the cgroup of a process is.
    #[error("the cgroup of process {0} is not below the one that is mounted here")]
    Elsewhere(u32),
    /// There is no unit of that name.
    #[error("there is no cgroup of a unit `{0}`: it is not running, or its name is another")]
    NoUnit(String),
    /// The folder is no cgroup.
    #[error("`{}` is no cgroup of version 2", .0.display())]
    NoCgroup(PathBuf),
    /// The kernel refused.
    #[error("cannot {step} `{}`: {error}", path.display())]
    Kernel {
        /// What was asked of the kernel.
        step: &'static str,
        /// Of which cgroup.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Kernel { step, path, error }
}

/// A cgroup.
#[derive(Debug)]
pub struct Cgroup {
    folder: File,
    path: PathBuf,
}

/// The file system of the second version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Which cgroup it begins with.
    root: PathBuf,
    /// Where it is mounted.
    at: PathBuf,
}

impl Cgroup {
    /// Opens a cgroup by its path, either in the file system or as of `/proc/PID/cgroup`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mount = Mount::find()?;
        let within = mount.at.join(path.strip_prefix("/").unwrap_or(path));
        let path = if path.starts_with(&mount.at) { path.to_owned() } else { within };
        Self::at(path)
    }

    /// Opens the cgroup of a process, unless that is the one of everything.
    pub fn of_process(process: u32) -> Result<Self, Error> {
        let mount = Mount::find()?;
        let path = path_of(process).ok_or(Error::NoProcess(process))?;
        if path == Path::new("/") {
            return Err(Error::Root(process));
        }
        let below = path.strip_prefix(&mount.root).map_err(|_| Error::Elsewhere(process))?;
        Self::at(mount.at.join(below))
    }

    /// Opens the cgroup of a unit of systemd, which is called as the unit is.
    pub fn of_unit(unit: &str) -> Result<Self, Error> {
        let name = if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") };
        let mount = Mount::find()?;
        let found = folders(&mount.at).find(|path| path.file_name() == Some(name.as_ref()));
        Self::at(found.ok_or(Error::NoUnit(name))?)
    }

    /// Opens all that there are, as far as they can be opened.
    pub fn all() -> Result<impl Iterator<Item = Self>, Error> {
        Ok(folders(&Mount::find()?.at).filter_map(|path| Self::at(path).ok()))
    }

    fn at(path: PathBuf) -> Result<Self, Error> {
        if !path.join("cgroup.procs").is_file() || !path.join("cgroup.controllers").is_file() {
            return Err(Error::NoCgroup(path));
        }
        let folder = File::open(&path).map_err(failed("open", &path))?;
        Ok(Self { folder, path })
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder.
    #[must_use]
    pub const fn folder(&self) -> &File {
        &self.folder
    }

    /// Returns the number by which the kernel knows it.
    pub fn number(&self) -> Result<u64, Error> {
        let metadata = self.folder.metadata().map_err(failed("look at", &self.path))?;
        Ok(metadata.ino())
    }

    /// Returns how many processes are in it, those of cgroups within not counted.
    pub fn processes(&self) -> Result<usize, Error> {
        let list = fs::read_to_string(self.path.join("cgroup.procs"));
        Ok(list.map_err(failed("read the processes of", &self.path))?.lines().count())
    }

    /// Moves this process there, with all its threads.
    fn enter(&self) -> Result<(), Error> {
        let moved = fs::write(self.path.join("cgroup.procs"), process::id().to_string());
        moved.map_err(failed("move this process to", &self.path))
    }
}

/// A cgroup of our own, within the one that this process is in.
#[derive(Debug)]
pub struct Child {
    cgroup: Cgroup,
    parent: Cgroup,
    /// It removes the cgroup when this is dropped and the cgroup is empty.
    caretaker: Caretaker,
}

impl Child {
    /// Makes a cgroup, and removes those that were left by others who were killed, caretaker and
    /// all.
    pub fn make() -> Result<Self, Error> {
        let mount = Mount::find()?;
        let own = path_of(process::id()).ok_or(Error::NoMount)?;
        let below = own.strip_prefix(&mount.root).unwrap_or_else(|_| Path::new(""));
        let parent = Cgroup::at(mount.at.join(below))?;
        remove_left_over(&parent);
        let number = RandomState::new().build_hasher().finish();
        let path = parent.path.join(format!("{PREFIX}{number:016x}"));
        fs::create_dir(&path).map_err(failed("make the cgroup", &path))?;
        let cgroup = Cgroup::at(path.clone())?;
        // Whoever looks for what was left sees so that it is in use.
        cgroup.folder.lock().map_err(failed("lock", &path))?;
        // Before anything else can fail or be killed.
        let caretaker = Caretaker::start(&path).map_err(|error| {
            drop(fs::remove_dir(&path));
            failed("start a caretaker for", &path)(error)
        })?;
        Ok(Self { cgroup, parent, caretaker })
    }

    /// Returns the cgroup.
    #[must_use]
    pub const fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Starts something whose processes are in the cgroup from the first on.
    ///
    /// This process goes there for as long as that takes, since a child is where its parent is.
    pub fn start<T>(&self, start: impl FnOnce() -> io::Result<T>) -> Result<io::Result<T>, Error> {
        self.cgroup.enter()?;
        let started = start();
        self.parent.enter()?;
        Ok(started)
    }

    /// Has the cgroup removed; tells whether it is, or processes are still in it. Then the
    /// caretaker removes it once they have ended. This process need not have the right any more.
    #[must_use]
    pub fn remove(self) -> bool {
        self.caretaker.dismiss()
    }
}

/// Removes the cgroups of ours that nobody is in. Those that are in use stay, says the kernel.
fn remove_left_over(parent: &Cgroup) {
    for entry in fs::read_dir(&parent.path).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let is_left = |folder: File| folder.try_lock().is_ok() && !is_populated(&entry.path());
        if is_ours && File::open(entry.path()).is_ok_and(is_left) {
            // Somebody else may have been quicker.
            drop(fs::remove_dir(entry.path()));
        }
    }
}

/// Tells whether a process is in a cgroup or in one within.
fn is_populated(path: &Path) -> bool {
    let events = fs::read_to_string(path.join("cgroup.events"));
    events.is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

impl Mount {
    fn find() -> Result<Self, Error> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self::among(&mounts).ok_or(Error::NoMount)
    }

    /// Finds it in a file as of proc(5), `/proc/PID/mountinfo`.
    fn among(mounts: &str) -> Option<Self> {
        mounts.lines().find_map(|line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(3);
            let (root, at) = (fields.next()?, fields.next()?);
            file_system.starts_with("cgroup2 ").then(|| Self { root: plain(root), at: plain(at) })
        })
    }
}

/// Reads a path in which blanks and backslashes are written in octal.
fn plain(path: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (escape, byte)| path.replace(escape, byte)).into()
}

/// Returns the cgroup of a process.
fn path_of(process: u32) -> Option<PathBuf> {
    let cgroups = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    cgroups.lines().find_map(|line| line.strip_prefix("0::")).map(PathBuf::from)
}

/// Returns a folder and all within, the nearest first.
fn folders(root: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let mut waiting = VecDeque::from([root.to_owned()]);
    let next = move || {
        let path = waiting.pop_front()?;
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push_back(entry.path());
            }
        }
        Some(path)
    };
    core::iter::from_fn(next).take(FOLDERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_version_is_found_beside_the_first() {
        let mounts = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
";
        let mount = Mount::among(mounts).unwrap();
        assert_eq!(mount, Mount { root: "/".into(), at: "/sys/fs/cgroup/unified".into() });
        assert_eq!(Mount::among("31 23 0:28 / /sys rw - sysfs sysfs rw"), None);
        assert_eq!(Mount::among("nonsense - cgroup2 x"), None);
    }

    #[test]
    fn a_container_sees_a_part_of_it_at_a_path_with_blanks() {
        let mounts = "41 31 0:38 /a\\040b /mnt/c\\134d rw - cgroup2 cgroup2 rw";
        let mount = Mount::among(mounts).unwrap();
        assert_eq!(mount, Mount { root: "/a b".into(), at: "/mnt/c\\d".into() });
    }
}
