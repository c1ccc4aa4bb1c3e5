//! Who removes a cgroup when nobody needs it any more, however its maker ended.
//!
//! It is this executable, started anew by a name of its own. Its input is a pipe that nobody
//! writes to; that ends with the maker. It is in a process group of its own, so that what ends the
//! maker's does not reach it. It keeps the right to remove the cgroup, which its maker gives up:
//! the folder of all cgroups may not be written to even by the one who owns it.

use std::env;
use std::fs;
use std::io::{self, PipeWriter, Read as _, pipe};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use super::is_populated;

/// What this executable is called by when it is to be a caretaker.
const CARETAKER: &str = "halfopen-caretaker";
/// Somebody waits, and looks again after this.
const LOOK: Duration = Duration::from_millis(20);
/// For how long its maker waits until the cgroup is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// The maker's end of a caretaker.
#[derive(Debug)]
pub(super) struct Caretaker {
    pipe: Option<PipeWriter>,
    process: Child,
}

impl Caretaker {
    /// Starts one for a cgroup.
    pub(super) fn start(cgroup: &Path) -> io::Result<Self> {
        let (reader, pipe) = pipe()?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(CARETAKER).arg(cgroup).env_clear().current_dir("/").process_group(0);
        command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { pipe: Some(pipe), process: command.spawn()? })
    }

    /// Lets it do its work, and tells whether that is done soon.
    pub(super) fn dismiss(mut self) -> bool {
        drop(self.pipe.take());
        let looks = PATIENCE.as_millis() / LOOK.as_millis();
        (0..looks).any(|_| {
            let ended = matches!(self.process.try_wait(), Ok(Some(_)));
            if !ended {
                thread::sleep(LOOK);
            }
            ended
        })
    }
}

/// Is a caretaker if this process was started to be that, and returns the code for `main` to end
/// with. Anyone else gets `None`, and goes on.
#[must_use]
pub fn become_caretaker() -> Option<ExitCode> {
    let mut arguments = env::args_os();
    if arguments.next()? != CARETAKER {
        return None;
    }
    let cgroup = PathBuf::from(arguments.next()?);
    let _ended = io::stdin().read_to_end(&mut Vec::new());
    while is_populated(&cgroup) {
        thread::sleep(LOOK);
    }
    // Its maker may have removed it.
    drop(fs::remove_dir(cgroup));
    Some(ExitCode::SUCCESS)
}
