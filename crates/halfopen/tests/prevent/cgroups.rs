//! Cgroups, and what the kernel says is attached to them.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use halfopen_live::guard::cgroup::Cgroup;
use halfopen_live::guard::status;

/// How long the kernel may take for what it does at once, on a machine with much else to do.
const SOON: Duration = Duration::from_secs(30);

/// Returns where a cgroup is.
pub(crate) fn own_groups(path: &str) -> PathBuf {
    let cgroup = Cgroup::open(Path::new(path)).expect("there is cgroup v2, seen by root");
    cgroup.path().to_owned()
}

/// Returns how many guards are attached, by `BPF_PROG_QUERY`.
pub(crate) fn guards_of(path: &Path) -> usize {
    status::of(&Cgroup::open(path).unwrap()).unwrap().len()
}

pub(crate) fn await_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not so");
        sleep(Duration::from_millis(10));
    }
}

/// A cgroup of a test's own.
pub(crate) struct Group {
    path: PathBuf,
}

impl Group {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = own_groups("/").join(format!("halfopen-try-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("root can make a cgroup: run this test as root");
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Connects from inside, and returns the idle time, or 0 if keepalive is off.
    pub(crate) fn idle_time_of_a_client(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let procs = self.path.join("cgroup.procs");
        let script = format!("echo $$ > {} && exec python3 -c \"$0\" \"$1\"", procs.display());
        let mut command = Command::new("sh");
        command.args(["-c", &script, super::CLIENT, &port]);
        let mut client = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        client.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        client.wait().unwrap();
        said.trim_end().to_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + SOON;
        while fs::remove_dir(&self.path).is_err() && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
    }
}
