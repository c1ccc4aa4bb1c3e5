//! `halfopen prevent` as its users run it: programs that are not changed, through the live lab;
//! what is refused, and what is left behind.
//!
//! It takes root, a cgroup file system of version 2, and the clients that README.md names Debian's
//! packages of.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod cgroups;
mod clients;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

use cgroups::{await_until, guards_of, own_groups};

/// Connects to the port that it is given, and says which idle time its socket has.
const CLIENT: &str = "import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
print(s.getsockopt(1, 9) and s.getsockopt(6, 4), flush=True)
sys.stdin.read()";

fn prevent(args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.arg("prevent").args(args).env_remove("CLICOLOR_FORCE");
    command
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

#[test]
fn a_program_keeps_its_output_its_exit_code_and_gets_keepalive() {
    let (_listener, port) = listen();
    let args = ["run", "--idle", "40s", "--", "python3", "-c", CLIENT, &port];
    let output = prevent(&args).stdin(Stdio::null()).output().unwrap();
    let (out, err) = said(&output);
    assert_eq!(out, "40\n", "{err}");
    assert!(err.contains("1 connections guarded (1 opened, 0 accepted): 1 changed"), "{err}");
    for (script, code) in [("exit 7", 7), ("kill -KILL $$", 128 + 9)] {
        let output = prevent(&["run", "--", "sh", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn what_was_done_is_told_to_programs() {
    let (_listener, port) = listen();
    let to = format!("127.0.0.1:{port}=30s");
    let args = ["run", "--json", "--to", &to, "--", "python3", "-c", CLIENT, &port];
    let output = prevent(&args).stdin(Stdio::null()).output().unwrap();
    let (out, err) = said(&output);
    assert_eq!(err, "30\n", "the program's own output");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["rules"][0]["idle_s"], 30, "{report}");
    assert_eq!(report["counts"]["changed"], 1, "{report}");
    let destination = &report["destinations"][0];
    assert_eq!(destination["destination"], format!("127.0.0.1:{port}"), "{report}");
}

#[test]
fn a_program_that_is_asked_to_end_is_asked_by_us() {
    let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let mut guard = prevent(&["run", "--", "sh", "-c", script]);
    let mut guard = guard.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(guard.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let asked = Command::new("kill").arg(guard.id().to_string()).status().unwrap();
    assert!(asked.success());
    assert_eq!(lines.next().unwrap().unwrap(), "asked");
    assert_eq!(guard.wait().unwrap().code(), Some(3));
}

#[test]
fn nothing_is_left_of_a_guard_that_is_killed() {
    let mut guard = prevent(&["run", "--", "sh", "-c", "cat /proc/self/cgroup; exec sleep 1000"]);
    let mut guard = guard.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(guard.stdout.take().unwrap()).lines();
    let own = lines.map(Result::unwrap).find(|line| line.starts_with("0::")).unwrap();
    let cgroup = own_groups(&own[3..]);
    assert_eq!(guards_of(&cgroup), 1, "the kernel says what is attached");
    guard.kill().unwrap();
    guard.wait().unwrap();
    await_until("the programs are detached", || guards_of(&cgroup) == 0);
    let procs = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap();
    assert_eq!(procs.lines().count(), 1, "the program goes on, unguarded: {procs}");
    let killed = Command::new("kill").arg(procs.trim()).status().unwrap();
    assert!(killed.success());
    await_until("the caretaker removes the cgroup", || !cgroup.exists());
}

#[test]
fn a_cgroup_whose_caretaker_was_killed_is_removed_by_the_next() {
    let root = own_groups("/");
    let left = root.join(format!("halfopen-guard-test{}", std::process::id()));
    fs::create_dir(&left).unwrap();
    assert!(prevent(&["run", "--", "true"]).status().unwrap().success());
    assert!(!left.exists());
}

#[test]
fn processes_that_run_are_guarded_from_then_on_until_the_guard_ends() {
    let group = cgroups::Group::new();
    let path = group.path().to_str().unwrap();
    let args = ["attach", "--cgroup", path, "--idle", "50s", "--listen", "127.0.0.1:0"];
    let mut guard = prevent(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(guard.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with(&format!("guarding {path}")), "{line}");
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert_eq!(group.idle_time_of_a_client(), "50");

    let status = said(&prevent(&["status", "--json"]).output().unwrap()).0;
    let status: Value = serde_json::from_str(&status).unwrap();
    let own = status.as_array().unwrap().iter().find(|one| one["cgroup"] == path).unwrap();
    assert_eq!((&own["pinned"], &own["counts"]["changed"]), (&false.into(), &1.into()));
    let seen = "halfopen_guard_changed_total 1";
    await_until("metrics show it", || metrics(&address).contains(seen));

    let asked = Command::new("kill").arg(guard.id().to_string()).status().unwrap();
    assert!(asked.success());
    let output = guard.wait_with_output().unwrap();
    assert!(said(&output).0.contains("1 connections guarded"), "{output:?}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((guards_of(group.path()), group.idle_time_of_a_client()), (0, "0".to_owned()));
}

fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    std::io::read_to_string(stream).unwrap()
}

#[test]
fn a_guard_with_a_name_stays_until_it_is_detached() {
    let group = cgroups::Group::new();
    let path = group.path().to_str().unwrap();
    // A mount namespace of its own, which has a BPF file system whatever the machine has.
    let script = "mount --make-rprivate / && mount -t bpf bpf /sys/fs/bpf && \
                  \"$0\" prevent attach --pin --idle 50s --cgroup \"$1\" && \
                  ! \"$0\" prevent attach --pin --cgroup \"$1\" && \
                  \"$0\" prevent status && sh -c \"$2\" && \
                  \"$0\" prevent detach --cgroup \"$1\"";
    let (_listener, port) = listen();
    let enter = format!("echo $$ > {path}/cgroup.procs");
    let client = format!("{enter} && exec python3 -c \"$CLIENT\" {port} < /dev/null");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(cargo_bin("halfopen")).args([path, &client]);
    command.env("CLIENT", CLIENT);
    let output = command.output().expect("unshare is there: install util-linux");
    let (out, err) = said(&output);
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("stays\n") && out.ends_with("50\n"), "{out}{err}");
    assert!(err.contains("has a guard that stays") && err.contains("1 guards removed"), "{err}");
    assert_eq!(guards_of(group.path()), 0);
}

#[test]
fn an_open_connection_is_shown_and_healed() {
    let (listener, port) = listen();
    let mut client = Command::new("python3");
    client.args(["-c", CLIENT, &port]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let _accepted = listener.accept().unwrap();
    let to = format!("localhost:{port}");
    let heal = |args: &[&str]| {
        let args = [&["heal", "--to", &to, "--idle", "40s"], args].concat();
        said(&prevent(&args).output().unwrap()).0
    };
    let dry = heal(&["--dry-run"]);
    assert!(dry.contains("keepalive was off"), "{dry}");
    assert!(dry.ends_with("2 connections would be changed, 0 kept as they were\n"), "{dry}");
    assert!(heal(&[]).ends_with("2 connections changed, 0 kept as they were\n"));
    let again: Value = serde_json::from_str(&heal(&["--json"])).unwrap();
    let sockets = again["connections"].as_array().unwrap();
    assert!(sockets.iter().all(|one| one["idle_s"] == 40 && one["changed"] == false), "{again}");
    drop(client.stdin.take());
    client.wait().unwrap();
}

#[test]
fn two_capabilities_are_enough_and_none_is_a_clear_error() {
    let group = cgroups::Group::new();
    let with = |capabilities: &str| {
        let mut command = Command::new("setpriv");
        let sets = [format!("--bounding-set={capabilities}"), "--inh-caps=-all".to_owned()];
        command.args(sets).arg(cargo_bin("halfopen")).args(["prevent", "attach", "--for", "100ms"]);
        command.arg("--cgroup").arg(group.path());
        command.output().expect("setpriv is there: install util-linux")
    };
    let output = with("-all,+bpf,+net_admin");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output).1);
    let output = with("-all");
    let err = said(&output).1;
    assert_eq!(output.status.code(), Some(2), "{err}");
    for word in ["CAP_BPF and CAP_NET_ADMIN", "sudo", "sysctl net.ipv4.tcp_keepalive_time"] {
        assert!(err.contains(word), "no {word} in {err}");
    }
}

#[test]
fn what_cannot_be_is_told_with_what_can() {
    for (args, words) in [
        (vec!["run", "--profile", "aws-alb", "--", "true"], vec!["counts bytes", "gives up"]),
        (vec!["run", "--profile", "aws", "--", "true"], vec!["no profile", "aws-nat-gateway"]),
        (vec!["run", "--idle", "10h", "--", "true"], vec!["32767 s"]),
        (vec!["run", "--", "/no/such/program"], vec!["cannot run `/no/such/program`"]),
        (vec!["attach", "--systemd", "no-such-unit"], vec!["no-such-unit.service"]),
        (vec!["attach", "--cgroup", "/no/such/group"], vec!["is no cgroup of version 2"]),
        (vec!["attach", "--pid", "4194304999"], vec!["4194304999"]),
        (vec!["heal", "--to", "not a host"], vec!["no network"]),
        (vec!["heal", "--ledger", "/no/such/file"], vec!["cannot read `/no/such/file`"]),
    ] {
        let output = prevent(&args).output().unwrap();
        let err = said(&output).1;
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
        assert!(words.iter().all(|word| err.contains(word)), "{args:?}: {err}");
    }
}

#[test]
fn a_system_without_cgroups_of_version_2_is_told_apart() {
    let script = "mount --make-rprivate / && umount -l \"$1\" && exec \"$0\" prevent run -- true";
    let root = own_groups("/");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(cargo_bin("halfopen")).arg(root);
    let output = command.output().expect("unshare is there: install util-linux");
    let err = said(&output).1;
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("no cgroup file system of version 2"), "{err}");
    assert!(err.contains("mount -t cgroup2") && err.contains("sysctl"), "{err}");
}
