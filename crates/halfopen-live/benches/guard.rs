//! What the guard costs, as the kernel measures it: for a connection, for a packet, for a call.
//!
//! It takes root and a cgroup file system of version 2. Both ends of each connection are in the
//! guarded cgroup, so a connection counts for two.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "it prints what it has measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process;
use std::time::Duration;

use halfopen_live::guard::cgroup::Cgroup;
use halfopen_live::guard::limits::{Destination, Limits, Rules};
use halfopen_live::guard::statistics::{Cost, Measuring};
use halfopen_live::guard::{Guard, Mode};
use socket2::{SockRef, TcpKeepalive};

/// A cgroup that this process is in, until this is dropped.
struct Inside(Cgroup);

impl Inside {
    fn new() -> Self {
        let root = Cgroup::open(Path::new("/")).unwrap();
        let path = root.path().join(format!("halfopen-bench-{}", process::id()));
        fs::create_dir(&path).expect("root can make a cgroup: run this as root");
        let cgroup = Cgroup::open(&path).unwrap();
        fs::write(path.join("cgroup.procs"), process::id().to_string()).unwrap();
        Self(cgroup)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let path = self.0.path();
        let root = path.parent().unwrap();
        fs::write(root.join("cgroup.procs"), process::id().to_string()).unwrap();
        fs::remove_dir(path).unwrap();
    }
}

/// Runs a task, and prints what the guard's programs cost.
fn measure(guard: &Guard, what: &str, times: u32, task: impl FnOnce()) {
    let before = guard.costs().unwrap();
    task();
    let after = guard.costs().unwrap();
    let spent = |of: fn(&Cost) -> u64| {
        let sum = |costs: &[Cost; 2]| costs.iter().map(of).sum::<u64>();
        f64::from(u32::try_from(sum(&after) - sum(&before)).unwrap()) / f64::from(times)
    };
    let (runs, nanos) = (spent(|cost| cost.runs), spent(|cost| cost.run_ns));
    println!("{what:<54} {runs:>6.2} runs {nanos:>8.0} ns");
}

fn main() {
    let quick = env::args().any(|argument| argument == "--test");
    let times: u32 = if quick { 50 } else { 5_000 };
    let inside = Inside::new();
    let _measuring = Measuring::begin().unwrap();
    let everywhere = (Destination::ANY, Limits::new(Duration::from_mins(2)).unwrap());
    let port = ("10.0.0.0/8:443".parse().unwrap(), everywhere.1);
    for (name, guarded, spared) in [
        ("one rule", vec![everywhere], Vec::new()),
        ("with ports", vec![everywhere, port], Vec::new()),
        ("with ports and exceptions", vec![everywhere, port], vec!["10.9.0.0/16:80"]),
    ] {
        let spared = spared.into_iter().map(|text| text.parse().unwrap()).collect();
        let rules = Rules { guarded, spared };
        let guard = Guard::attach(&rules, Mode::Change, &inside.0).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || {
            let client = TcpStream::connect(address).unwrap();
            (client, listener.accept().unwrap().0)
        };
        measure(&guard, &format!("{name}: an end of a connection"), 2 * times, || {
            (0..times).for_each(|_| drop(connect()));
        });
        let (mut client, mut server) = connect();
        measure(&guard, &format!("{name}: a packet there and one back"), times, || {
            for _ in 0..times {
                client.write_all(&[0; 100]).unwrap();
                server.read_exact(&mut [0; 100]).unwrap();
                server.write_all(&[0; 100]).unwrap();
                client.read_exact(&mut [0; 100]).unwrap();
            }
        });
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(30));
        measure(&guard, &format!("{name}: keepalive on, idle time set"), times, || {
            (0..times).for_each(|_| SockRef::from(&client).set_tcp_keepalive(&keepalive).unwrap());
        });
    }
}
