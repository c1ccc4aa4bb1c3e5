//! The command, watching an interface.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::namespace;

/// Findings are told five seconds after the last packet; machines are slow.
const PATIENCE: Duration = Duration::from_mins(1);

/// The command, watching an interface; killed when dropped.
pub(crate) struct Watcher {
    child: Child,
    address: String,
    lines: Receiver<String>,
}

impl Watcher {
    /// Starts it, and waits until it watches.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on("lo", arguments)
    }

    /// Starts it on another interface than loopback.
    pub(crate) fn start_on(interface: &str, arguments: &[&str]) -> Self {
        let user = if namespace::may_change_user() { "nobody" } else { "root" };
        let mut child = Command::new(env!("CARGO_BIN_EXE_halfopen"))
            .args(["diagnose", "--interface", interface, "--listen", "127.0.0.1:0", "--user", user])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        said.read_line(&mut first).unwrap();
        let address = first.split_once("http://").and_then(|(_, rest)| rest.split_once('/'));
        let Some((address, _)) = address else { panic!("{first}") };
        let address = address.to_owned();
        // What it says later must not fill the pipe.
        thread::spawn(move || said.lines().for_each(drop));
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let watcher = Self { child, address, lines };
        watcher.await_first_turn();
        watcher
    }

    fn await_first_turn(&self) {
        for _ in 0..600 {
            if self.get("/healthz").starts_with("HTTP/1.1 200") {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("it never turned");
    }

    /// Returns the next line of its output with `word` in it.
    pub(crate) fn line(&mut self, word: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(word) => return line,
                Ok(_) => {}
                Err(error) => panic!("no line with {word}: {error}"),
            }
        }
    }

    /// Asks for a page of its exporter.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until the exporter says that no packets are being read.
    pub(crate) fn await_trouble(&self) {
        for _ in 0..600 {
            if self.get("/healthz").starts_with("HTTP/1.1 503") {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("it is well all the time");
    }

    /// Returns what the kernel says of the process.
    pub(crate) fn status(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap()
    }

    /// Asks it to end, and returns its exit code and the rest of its output.
    pub(crate) fn terminate(self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.wait()
    }

    /// Waits for its end, and returns its exit code and the rest of its output.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest = rest + &line + "\n",
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; it said {rest}"),
            }
        }
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
