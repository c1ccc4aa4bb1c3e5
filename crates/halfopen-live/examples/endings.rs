//! Tries an HTTP client on connections that end in the four ways that matter.
//!
//! ```sh
//! cargo run -p halfopen-live --example endings -- python3 clients/trial/trial.py requests
//! ```
//!
//! The command is run for each ending with a GET and a POST. It finds the method in
//! `HALFOPEN_METHOD`, where to send it in `HALFOPEN_URL`, and how many seconds to wait before it
//! sends another on the same client in `HALFOPEN_PAUSE_S`; it exits with 0 if both were answered.
//! The server is on loopback; it ends its first connection, serves every later one, and counts how
//! often the second request comes.

#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use halfopen_core::client::{Ending, Outcome};
use socket2::SockRef;

/// How long after its response the server ends a connection that is idle.
const IDLE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    let command: Vec<String> = env::args().skip(1).collect();
    let Some((program, arguments)) = command.split_first() else {
        println!("usage: endings COMMAND [ARGUMENT…]");
        return ExitCode::from(2);
    };
    for ending in Ending::ALL {
        for method in ["GET", "POST"] {
            match outcome(ending, program, arguments, method) {
                Ok(outcome) => println!("{ending:16} {method:4} {outcome}"),
                Err(error) => {
                    println!("{program}: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

/// Runs the command against a server of its own.
fn outcome(
    ending: Ending,
    program: &str,
    arguments: &[String],
    method: &str,
) -> io::Result<Outcome> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let url = format!("http://{}", listener.local_addr()?);
    let seen = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&seen);
    // It ends with the process: there are eight at most.
    thread::spawn(move || serve(&listener, ending, &counted));
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.envs([("HALFOPEN_METHOD", method), ("HALFOPEN_URL", &url), ("HALFOPEN_PAUSE_S", "1")]);
    let answered = command.status()?.success();
    Ok(match (answered, seen.load(Ordering::Relaxed)) {
        (true, ..=2) => Outcome::Ok,
        (true, _) => Outcome::OkResent,
        (false, _) => Outcome::Fails,
    })
}

fn serve(listener: &TcpListener, ending: Ending, seen: &Arc<AtomicU32>) {
    let mut ending = Some(ending);
    while let Ok((stream, _)) = listener.accept() {
        let (ending, seen) = (ending.take(), Arc::clone(seen));
        // A connection that breaks is the client's to judge.
        thread::spawn(move || connection(stream, ending, &seen).ok());
    }
}

fn connection(mut stream: TcpStream, ending: Option<Ending>, seen: &AtomicU32) -> io::Result<()> {
    while request(&mut stream)? {
        if seen.fetch_add(1, Ordering::Relaxed) > 0 {
            match ending {
                Some(Ending::ResetOnData) => return reset(&stream),
                Some(Ending::FinOnData) => return Ok(()),
                Some(Ending::FinWhileIdle | Ending::ResetWhileIdle) | None => {}
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        match ending {
            Some(Ending::FinWhileIdle) => {
                thread::sleep(IDLE);
                return Ok(());
            }
            Some(Ending::ResetWhileIdle) => {
                thread::sleep(IDLE);
                return reset(&stream);
            }
            Some(Ending::ResetOnData | Ending::FinOnData) | None => {}
        }
    }
    Ok(())
}

/// Reads a request to its end; returns false if the client is done.
fn request(stream: &mut TcpStream) -> io::Result<bool> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Ok(true);
            }
        }
        match stream.read(&mut piece)? {
            0 => return Ok(false),
            length => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

/// Makes a connection end with a reset when it is dropped.
fn reset(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}
