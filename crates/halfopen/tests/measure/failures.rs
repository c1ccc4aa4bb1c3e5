//! Servers that cannot be measured, and hosts that cannot do it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;

use crate::{answer, halfopen};

/// Starts a server that does this with each connection, for as long as the test runs.
fn server(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn answers(mut stream: TcpStream) {
    let mut room = [0; 4_096];
    while stream.read(&mut room).is_ok_and(|length| length > 0) {
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
            break;
        }
    }
}

/// Measures for a few seconds.
fn measure(address: SocketAddr, more: &[&str]) -> Output {
    let url = format!("http://{address}/");
    halfopen(&[&["--up-to", "5s", &url], more].concat()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_server_that_refuses_is_an_error_with_a_hint() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = measure(address, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("Connection refused"), "{output:?}");
    assert!(said(&output).contains("see whether the server listens"), "{output:?}");
}

#[test]
fn a_server_that_speaks_no_http_is_an_error_that_says_how_else_to_ask() {
    let address = server(|mut stream| {
        drop(stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n"));
        drop(stream.read(&mut [0; 100]));
        thread::sleep(Duration::from_mins(1));
    });
    let output = measure(address, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("does not speak HTTP/1.1"), "{output:?}");
    assert!(said(&output).contains("tcp://HOST:PORT"), "{output:?}");
}

#[test]
fn a_server_that_keeps_no_connection_is_an_error() {
    let address = server(|mut stream| {
        drop(stream.read(&mut [0; 4_096]));
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"));
    });
    let output = measure(address, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("closes each connection after its answer"), "{output:?}");
}

#[test]
fn a_name_that_is_nobodys_is_an_error() {
    let output = halfopen(&["http://nobody.invalid/"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("cannot find `nobody.invalid`"), "{output:?}");
}

/// Runs the command with so many descriptors.
fn with_descriptors(count: u32, address: SocketAddr) -> Output {
    let script = format!("ulimit -n {count}; exec \"$0\" measure --up-to 5s --json \"$1\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(cargo_bin("halfopen")).arg(format!("http://{address}/"));
    shell.output().unwrap()
}

#[test]
fn few_descriptors_make_fewer_connections_and_the_answer_says_so() {
    let output = with_descriptors(64, server(answers));
    let answer = answer(&output);
    assert_eq!(answer["outcome"], "at-least", "{answer:#}");
    assert!(answer["remarks"].to_string().contains("RLIMIT_NOFILE"), "{answer:#}");
    assert!(answer["effort"]["connections"].as_u64() < Some(64), "{answer:#}");
}

#[test]
fn too_few_descriptors_are_an_error_that_names_the_limit() {
    let output = with_descriptors(24, server(answers));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("ulimit -n"), "{output:?}");
}

#[test]
fn what_is_known_when_it_is_interrupted_is_told_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let [kept, ledger, page] =
        ["path.toml", "ledger.toml", "page.html"].map(|name| folder.path().join(name));
    let url = format!("http://{}/", server(answers));
    let mut command = halfopen(&["--up-to", "1h", "--json", &url]);
    command.arg("--resume").arg(&kept).arg("--ledger").arg(&ledger).arg("--html").arg(&page);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_secs(8));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let answer = answer(&output);
    assert_eq!(answer["outcome"], "at-least", "{answer:#}");
    assert!(answer["limit"]["survived_s"].as_f64() > Some(1.0), "{answer:#}");
    assert!(answer["unknown"].to_string().contains("stopped"), "{answer:#}");
    assert_eq!(output.status.code(), Some(1), "nobody knows what is beyond");
    let read = |path| std::fs::read_to_string(path).unwrap();
    assert!(read(&kept).contains("survived_ms"), "{}", read(&kept));
    assert!(read(&ledger).contains(&url[..url.len() - 1]), "{}", read(&ledger));
    assert!(read(&page).contains("<svg"), "{}", read(&page));
}
