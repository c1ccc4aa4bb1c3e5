//! Any program, run inside a [`Namespace`] as if the network there were the only one.
//!
//! The program sees the files that its user sees, but for those that say how names are looked up:
//! it finds the hosts that it is given and those of the system's `/etc/hosts`, and any other name
//! is unknown at once, without a question to anybody. This is no sandbox for programs that mean
//! harm.
//!
//! A small process of ours, init, stands between ([`become_init`]): it is the first of a process
//! namespace, starts the program, buries orphans and passes signals on. When it ends, or when we
//! do, the kernel ends all that runs in there. It is this executable, started anew, since a process
//! with threads can do next to nothing safely between `fork(2)` and `execve(2)`.

mod init;
mod names;
mod signals;
mod terminal;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Shutdown};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CloneFlags, unshare};

pub use self::init::become_init;
pub use self::signals::{Asked, Signals};
use self::terminal::Terminal;
use crate::exit_code::code;
use crate::namespace::{self, Namespace};

/// What this executable is called by when it is to be init.
const INIT: &str = "halfopen-init";

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Init cannot be started or heard.
    #[error("cannot {step}: {error}")]
    Outside {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// Init could not prepare what the program needs, or not start it: what it said.
    #[error("{0}")]
    Inside(String),
    /// The network namespace cannot be handed over.
    #[error(transparent)]
    Namespace(#[from] namespace::Error),
}

/// A program that is to be run.
#[derive(Debug)]
pub struct Program {
    init: Command,
    name: OsString,
    arguments: Vec<OsString>,
    hosts: String,
    /// The terminal that the program is to have for itself.
    terminal: Option<Terminal>,
}

impl Program {
    /// Names a program, by its path or as it is found in `$PATH`.
    ///
    /// It gets the environment, folder, input and output of this process, unless told otherwise.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut init = Command::new("/proc/self/exe");
        init.arg0(INIT);
        let name = program.as_ref().to_owned();
        Self { init, name, arguments: Vec::new(), hosts: String::new(), terminal: None }
    }

    /// Names the user's shell. If this process is in the foreground of a terminal, the shell is
    /// there while it runs, and has job control.
    #[must_use]
    pub fn shell() -> Self {
        let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
        Self { terminal: Terminal::in_use(), ..Self::new(shell) }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|one| one.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.init.env(name, value);
        self
    }

    /// Adds a host that the program finds by its name. A name may have several addresses.
    #[must_use]
    pub fn host(mut self, name: &str, address: IpAddr) -> Self {
        writeln!(self.hosts, "{address}\t{name}").expect("a string takes any text");
        self
    }

    /// Says where the program's input comes from.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Stdio>) -> Self {
        self.init.stdin(input);
        self
    }

    /// Says where the program's output goes.
    #[must_use]
    pub fn stdout(mut self, output: impl Into<Stdio>) -> Self {
        self.init.stdout(output);
        self
    }

    /// Says where the program's errors go.
    #[must_use]
    pub fn stderr(mut self, output: impl Into<Stdio>) -> Self {
        self.init.stderr(output);
        self
    }

    /// Starts the program inside a namespace; when this returns, it runs.
    pub fn start(mut self, namespace: &Namespace) -> Result<Running, Error> {
        let (lifeline, inits) = UnixStream::pair().map_err(outside("make a socket for init"))?;
        let way = if self.terminal.is_some() { init::TERMINAL } else { init::PLAIN };
        self.init.arg(inits.as_raw_fd().to_string()).arg(way).arg(&self.hosts);
        self.init.arg(&self.name).args(&self.arguments);

        let namespace = namespace.try_clone()?;
        let (init, terminal) = (self.init, self.terminal);
        let (sender, receiver) = mpsc::sync_channel(1);
        let ended = Arc::new(OnceLock::new());
        let ending = Arc::clone(&ended);
        // Init is the child of this thread, and is killed when it ends: it must last as long.
        let keeper = thread::Builder::new().name("program".to_owned()).spawn(move || {
            let child = spawn(init, &inits, &namespace);
            // These would keep alive what is to go away with init.
            drop((inits, namespace));
            keep(child, &sender, terminal, &ending);
        });
        let keeper = Some(keeper.map_err(outside("start a thread for init"))?);
        let mut running =
            Running { lifeline, keeper, ended, streams: Streams::default(), notes: Vec::new() };
        let started = receiver.recv().map_err(io::Error::other);
        let started = started.and_then(|started| started).map_err(outside("start init"));
        running.streams = started?;
        running.listen()?;
        Ok(running)
    }
}

/// Starts init as the first process of its namespace.
fn spawn(mut init: Command, socket: &UnixStream, namespace: &Namespace) -> io::Result<Child> {
    namespace.enter()?;
    // Not this thread moves there, but its next child.
    unshare(CloneFlags::CLONE_NEWPID)?;
    fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
    init.spawn()
}

/// Says whether init runs, and waits for its end.
fn keep(
    child: io::Result<Child>,
    started: &mpsc::SyncSender<io::Result<Streams>>,
    terminal: Option<Terminal>,
    ended: &OnceLock<Result<u8, Error>>,
) {
    let (mut child, streams) = match child.map(Streams::of) {
        Ok((child, streams)) => (child, Ok(streams)),
        Err(error) => return drop(started.send(Err(error))),
    };
    drop(started.send(streams));
    let status = child.wait();
    if let Some(terminal) = terminal {
        terminal.take_back();
    }
    let code = status.map(code).map_err(outside("wait for init"));
    drop(ended.set(code));
}

fn outside(step: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Outside { step, error }
}

/// Those ends of a program's streams that are pipes to this process.
#[derive(Debug, Default)]
pub struct Streams {
    /// What is written here is its input.
    pub stdin: Option<ChildStdin>,
    /// Its output can be read from here.
    pub stdout: Option<ChildStdout>,
    /// Its errors can be read from here.
    pub stderr: Option<ChildStderr>,
}

impl Streams {
    fn of(mut child: Child) -> (Child, Self) {
        let stdin = child.stdin.take();
        let streams = Self { stdin, stdout: child.stdout.take(), stderr: child.stderr.take() };
        (child, streams)
    }
}

/// A program that runs. When this is dropped, it is killed with all that it started.
#[derive(Debug)]
pub struct Running {
    lifeline: UnixStream,
    keeper: Option<JoinHandle<()>>,
    ended: Arc<OnceLock<Result<u8, Error>>>,
    streams: Streams,
    notes: Vec<String>,
}

impl Running {
    /// Hands over the program's streams, the first time.
    pub fn take_streams(&mut self) -> Streams {
        core::mem::take(&mut self.streams)
    }

    /// Returns what the system does not allow and the program has to do without, as sentences.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Sends the program a signal, by its number. If it has ended, nobody gets it.
    ///
    /// A signal of the terminal's keys reaches the program by itself, unless it is in the
    /// background.
    pub fn signal(&self, number: u8) {
        // An error means that init has ended.
        let _sent = (&self.lifeline).write_all(&[number]);
    }

    /// Waits for the program's end, and returns its exit code: 128 and the number of the signal if
    /// one killed it. What it has left running is killed by then.
    pub fn wait(&self) -> Result<u8, &Error> {
        self.ended.wait().as_ref().copied()
    }

    /// Hears from init until it has started the program.
    fn listen(&mut self) -> Result<(), Error> {
        let lost = || outside("hear from init");
        for line in BufReader::new(&self.lifeline).lines() {
            let line = line.map_err(lost())?;
            match line.split_once(' ') {
                Some((init::NOTE, note)) => self.notes.push(note.to_owned()),
                Some((init::FAILED, why)) => return Err(Error::Inside(why.to_owned())),
                _ => return Ok(()),
            }
        }
        Err(lost()(io::ErrorKind::UnexpectedEof.into()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Init takes that for our end, and what it started ends with it.
        let _already_ended = self.lifeline.shutdown(Shutdown::Both);
        if let Some(keeper) = self.keeper.take() {
            drop(keeper.join());
        }
    }
}
