//! Running the command, and asking the payment module by hand.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;

/// Returns the command `halfopen billing …` in a folder of its own.
pub(super) fn billing(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.current_dir(folder).arg("billing").args(args).stdin(Stdio::null());
    command.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    command
}

pub(super) fn run(folder: &Path, args: &[&str]) -> Output {
    billing(folder, args).output().unwrap()
}

/// Runs the command and returns what it prints; it must end with `code`.
#[track_caller]
pub(super) fn stdout(folder: &Path, args: &[&str], code: i32) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A payment module at a port of its own. It dies with this value, as by SIGKILL.
pub(super) struct Payment {
    child: Child,
    pub(super) address: String,
}

impl Payment {
    pub(super) fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = billing(folder, &["payment", "--init", "--log", "off"]);
        let listens = args.contains(&"--listen");
        if !listens {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let address = url.trim().strip_prefix("http://").expect("a URL is printed").to_owned();
        Self { child, address }
    }

    /// Asks it to end in good order, and returns its exit code.
    pub(super) fn terminate(&mut self) -> Option<i32> {
        self.signal();
        self.child.wait().unwrap().code()
    }

    /// Ends it as a crash would: SIGKILL.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn signal(&self) {
        terminate(&self.child);
    }
}

impl Drop for Payment {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks a program to end: SIGTERM.
pub(super) fn terminate(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
}

/// Pays on a new connection and returns the status of the answer.
pub(super) fn pay(address: &str, key: &str, order: &str) -> io::Result<u16> {
    let length = order.len();
    ask(
        address,
        &format!(
            "POST /payments HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             idempotency-key: {key}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{order}"
        ),
    )
}

/// Sends a request and returns the status of its answer.
pub(super) fn ask(address: &str, request: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    String::from_utf8_lossy(&head[9..]).parse().map_err(io::Error::other)
}

pub(super) fn order(subscription: &str) -> String {
    format!(
        r#"{{"subscription":"{subscription}","period":"2026-01","amount":990,"currency":"EUR"}}"#
    )
}
