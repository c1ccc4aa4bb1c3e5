//! Network namespaces of our own: networks that nobody else sees.
//!
//! A [`Namespace`] has no name. A file descriptor holds it, so it goes away with the last process
//! that uses it, however that ends; there is nothing under `/run/netns` to tidy up. What is opened
//! inside by [`Namespace::run`] – sockets, devices, a tokio runtime – stays inside, whichever
//! thread uses it later.
//!
//! Making one takes the right to do so: root's, or that of [`become_owner`].

mod link;
mod owner;

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::panic;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

pub use self::owner::{Refusal, become_owner};

/// What went wrong with a namespace.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: {error}")]
pub struct Error {
    /// What was tried.
    pub step: String,
    /// What the kernel said.
    #[source]
    pub error: io::Error,
}

impl Error {
    pub(crate) fn new(step: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self { step: step.into(), error: error.into() }
    }
}

/// A network namespace, which lives at least as long as this.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// Makes a namespace with a loopback interface that is up, and nothing else.
    pub fn new() -> Result<Self, Error> {
        // A thread of its own, since whoever enters a namespace cannot be sure of the way back.
        let made = thread::Builder::new().name("namespace".to_owned()).spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let made = made.and_then(|thread| match thread.join() {
            Ok(file) => file,
            Err(panic) => panic::resume_unwind(panic),
        });
        let file = made.map_err(|error| Error::new("make a network namespace", error))?;
        let namespace = Self { file };
        namespace.bring_up("lo")?;
        Ok(namespace)
    }

    /// Runs a task on a thread of its own inside the namespace, and waits for it.
    ///
    /// Threads that the task starts are inside as well. A panic of the task goes on in the caller.
    pub fn run<T: Send>(&self, task: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let done = thread::scope(|scope| {
            let thread = thread::Builder::new().name("namespace".to_owned());
            let thread = thread.spawn_scoped(scope, || {
                self.enter()?;
                Ok(task())
            })?;
            match thread.join() {
                Ok(done) => done,
                Err(panic) => panic::resume_unwind(panic),
            }
        });
        done.map_err(|error: io::Error| Error::new("enter a network namespace", error))
    }

    /// Sets a kernel parameter of the namespace, named by its path below `/proc/sys`:
    /// `net/ipv4/ip_forward`.
    ///
    /// Only parameters under `net` that the kernel keeps for each namespace can be set so.
    pub fn set_parameter(&self, path: &str, value: &str) -> Result<(), Error> {
        let refused = |error| Error::new(format!("set {path} to {value}"), error);
        self.run(|| fs::write(format!("/proc/sys/{path}"), value))?.map_err(refused)
    }

    /// Moves the calling thread inside. It must not be used for anything else afterwards.
    pub(crate) fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.file, CloneFlags::CLONE_NEWNET)?)
    }

    pub(crate) fn try_clone(&self) -> Result<Self, Error> {
        let file = self.file.try_clone();
        Ok(Self { file: file.map_err(|error| Error::new("share a network namespace", error))? })
    }

    /// Returns the number by which the kernel knows the namespace, as in `net:[4026532008]` of
    /// `/proc/PID/ns/net`.
    pub fn number(&self) -> Result<u64, Error> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| Error::new("look at a network namespace", error))?.ino())
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
