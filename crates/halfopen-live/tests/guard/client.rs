//! Clients that say which options their sockets have, and cgroups to start them in.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use halfopen_live::guard::cgroup::Cgroup;

/// Connects, does what it is told before and after, and says the options whenever it is asked.
const CLIENT: &str = "
import sys
from socket import *
def main(before, host, port, after):
    s = socket(AF_INET6 if ':' in host else AF_INET)
    exec(before)
    s.connect((host, int(port)))
    exec(after)
    say(s)
def accept():
    l = create_server(('127.0.0.1', 0))
    print(l.getsockname()[1], flush=True)
    say(l.accept()[0])
def say(s):
    names = [(SOL_SOCKET, SO_KEEPALIVE), (6, TCP_KEEPIDLE), (6, TCP_KEEPINTVL), (6, TCP_KEEPCNT),
             (6, TCP_USER_TIMEOUT)]
    for line in sys.stdin:
        print(*[s.getsockopt(*name) for name in names], flush=True)
accept() if len(sys.argv) == 1 else main(*sys.argv[1:])
";

/// Listens, and keeps what connects.
pub(crate) fn listen(address: &str) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().map(Result::unwrap).collect::<Vec<_>>());
    address
}

/// A program with a socket; it is killed when it is dropped.
pub(crate) struct Client {
    program: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Client {
    /// Connects from a cgroup that is not guarded.
    pub(crate) fn outside(before: &str, server: SocketAddr, after: &str) -> Self {
        Self::start(None, &arguments(before, server, after))
    }

    fn start(cgroup: Option<&Path>, arguments: &[String]) -> Self {
        // Whoever writes to the file is moved, and `exec` stays there.
        let enter = match cgroup {
            Some(cgroup) => format!("echo $$ > {}/cgroup.procs && ", cgroup.display()),
            None => String::new(),
        };
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{enter} exec python3 -c \"$0\" \"$@\"")]).arg(CLIENT);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = command.spawn().expect("sh and python3 are there");
        let asks = program.stdin.take().unwrap();
        let says = BufReader::new(program.stdout.take().unwrap());
        Self { program, asks, says }
    }

    /// Says which options its socket has: on or off, idle, interval, count, user timeout in ms.
    pub(crate) fn options(mut self) -> String {
        self.options_now()
    }

    pub(crate) fn options_now(&mut self) -> String {
        self.asks.write_all(b"\n").unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

fn arguments(before: &str, server: SocketAddr, after: &str) -> [String; 4] {
    [before.to_owned(), server.ip().to_string(), server.port().to_string(), after.to_owned()]
}

/// A cgroup of a test's own.
pub(crate) struct Group {
    cgroup: Cgroup,
}

impl Group {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = Cgroup::open(Path::new("/")).expect("there is cgroup v2, seen by root");
        let path = root.path().join(format!("halfopen-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("root can make a cgroup: run this test as root");
        Self { cgroup: Cgroup::open(&path).unwrap() }
    }

    pub(crate) const fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Connects from inside.
    pub(crate) fn start(&self, before: &str, server: SocketAddr, after: &str) -> Client {
        Client::start(Some(self.cgroup.path()), &arguments(before, server, after))
    }

    /// Accepts a connection inside.
    pub(crate) fn accept(&self) -> Client {
        let mut client = Client::start(Some(self.cgroup.path()), &[]);
        let port: u16 = client.line().parse().unwrap();
        let far = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        // The connection is to outlive this.
        std::mem::forget(far);
        client
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let path: PathBuf = self.cgroup.path().to_owned();
        for _ in 0..500 {
            if fs::remove_dir(&path).is_ok() {
                return;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
