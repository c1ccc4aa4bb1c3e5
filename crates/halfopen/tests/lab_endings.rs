//! What is left of a lab, however it ends: nothing.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;

/// Runs a scenario of 15 minutes in three seconds.
const FAST: [&str; 3] = ["nat-resets-next-packet", "--speed", "300"];
/// How long the kernel may take for what it does at once, on a machine with much else to do.
const SOON: Duration = Duration::from_secs(30);

fn live(args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.args(["reproduce", "--live"]).args(args).env_remove("CLICOLOR_FORCE");
    command
}

/// Runs a lab where `setup`, a line of shell, has changed the mounts, and nobody else's.
fn live_after(setup: &str, args: &[&str]) -> Output {
    let user: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
    let lab = live(args);
    Command::new("unshare")
        .args(user)
        .args(["--mount", "sh", "-c", &format!("{setup} && \"$0\" \"$@\"")])
        .arg(lab.get_program())
        .args(lab.get_args())
        .output()
        .expect("unshare is there: install util-linux")
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id is there: install coreutils");
    output.stdout == b"0\n"
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A lab that is killed if its test fails.
struct Lab(Child);

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a lab whose program is a script, and returns the first line that this prints. Captures
/// and what is temporary go to the same folder.
fn start(temporary: &Path, script: &str) -> (Lab, String) {
    let captures = temporary.to_str().unwrap();
    let mut lab = live(&[&FAST[..], &["--capture", captures, "--", "sh", "-c", script]].concat());
    let lab = lab.env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut lab = lab.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(lab.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (Lab(lab), line.trim_end().to_owned())
}

/// The files of a lab that came to its end: nothing temporary is among them.
fn whole() -> BTreeSet<String> {
    let names = ["0-client.pcapng", "1-far-end.pcapng", "gateway-metrics.json", "sockets.txt"];
    names.map(str::to_owned).into()
}

/// Tells which processes, or threads of some, are in a network namespace or hold it open. It is
/// named as in `/proc/PID/ns/net`.
fn holders(namespace: &str) -> BTreeSet<String> {
    let of = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten();
    let names =
        |link: &Path| fs::read_link(link).is_ok_and(|target| target == Path::new(namespace));
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let processes = of("/proc").map(|entry| entry.file_name().into_string().unwrap());
    processes
        .filter(|process| is_process(process))
        .filter(|process| {
            let path = format!("/proc/{process}");
            of(&format!("{path}/task")).any(|task| names(&task.path().join("ns/net")))
                || of(&format!("{path}/fd")).any(|file| names(&file.path()))
        })
        .collect()
}

fn await_gone(namespace: &str) {
    let deadline = Instant::now() + SOON;
    while !holders(namespace).is_empty() {
        assert!(Instant::now() < deadline, "{namespace} is held by {:?}", holders(namespace));
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_lab_that_is_killed_leaves_no_process_no_network_and_no_file() {
    let temporary = tempfile::tempdir().unwrap();
    let outside = fs::read_to_string("/proc/net/dev").unwrap().lines().count();
    let script = "readlink /proc/self/ns/net; sleep 1000 & sleep 1000";
    let (mut lab, namespace) = start(temporary.path(), script);
    assert!(namespace.starts_with("net:["), "{namespace}");
    assert!(holders(&namespace).contains(&lab.0.id().to_string()), "we hold it, and no name does");
    assert_eq!(fs::read_to_string("/proc/net/dev").unwrap().lines().count(), outside);

    lab.0.kill().unwrap();
    lab.0.wait().unwrap();
    await_gone(&namespace);
    assert_eq!(names(temporary.path()), BTreeSet::new());
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    let temporary = tempfile::tempdir().unwrap();
    let script = "readlink /proc/self/ns/net; sleep 1000 & kill -KILL $$";
    let (mut lab, namespace) = start(temporary.path(), script);
    assert_eq!(lab.0.wait().unwrap().code(), Some(128 + 9));
    await_gone(&namespace);
    assert_eq!(names(temporary.path()), whole());
}

/// Starts a lab with a script, sends it a signal, and returns its exit code and what the script
/// has said since.
fn asked_to_end(signal: i32, script: &str) -> (Option<i32>, String) {
    let temporary = tempfile::tempdir().unwrap();
    let script = format!("{script}; readlink /proc/self/ns/net; while :; do sleep 0.05; done");
    let (mut lab, namespace) = start(temporary.path(), &script);
    send(signal, &lab);
    let code = lab.0.wait().unwrap().code();
    await_gone(&namespace);
    assert_eq!(names(temporary.path()), whole());
    let mut said = String::new();
    lab.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (code, said)
}

fn send(signal: i32, lab: &Lab) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &lab.0.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn who_asks_the_lab_to_end_asks_its_program() {
    for signal in [1, 2, 15] {
        let (code, said) = asked_to_end(signal, &format!("trap 'echo told; exit 3' {signal}"));
        assert_eq!(code, Some(128 + signal));
        assert!(said.starts_with("told\n"), "{said}");
        assert!(said.contains("hops say"), "what was seen is judged: {said}");
    }
}

#[test]
fn a_program_that_does_not_end_is_killed() {
    let (code, _) = asked_to_end(15, "trap '' TERM");
    assert_eq!(code, Some(128 + 15));
}

#[test]
fn two_labs_at_once_have_the_same_addresses_and_do_not_meet() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let labs = folders.each_ref().map(|folder| {
        let args = [&FAST[..], &["--json", "--capture", folder.path().to_str().unwrap()]];
        live(&args.concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    for lab in labs {
        let output = lab.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let trial: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(trial["verdict_is_true"], true, "{trial:#}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_nothing_stays_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    // The listing is what the lab left there.
    let setup = format!("mount -t tmpfs -o size=4k tmpfs {path} && trap 'ls {path}' EXIT");
    let output = live_after(&setup, &[&FAST[..], &["--capture", path]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("No space left on device"), "{}", said(&output));
    assert!(said(&output).contains("the capture at client"), "{}", said(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "no file and no report");
}

#[test]
fn a_system_without_tun_devices_is_told_apart() {
    let output = live_after("mount -t tmpfs tmpfs /dev/net", &FAST);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("cannot open /dev/net/tun"), "{}", said(&output));
    assert!(said(&output).contains("modprobe tun"), "{}", said(&output));
}

#[test]
fn where_users_may_not_make_networks_it_says_what_to_do() {
    // Root of a namespace in which there may be no further one, and then without its rights.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" \"$@\"";
    let lab = live(&FAST);
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script])
        .arg(lab.get_program())
        .args(lab.get_args())
        .output()
        .expect("unshare is there: install util-linux");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("cannot make a user namespace"), "{}", said(&output));
    assert!(said(&output).contains("sudo sysctl user.max_user_namespaces"), "{}", said(&output));
}
