//! Programs that run inside, through the example `contained`.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// How long the kernel may take for what it does at once, on a machine with much else to do.
const SOON: Duration = Duration::from_secs(30);

/// Returns the example, which cargo builds before it runs this crate's tests.
fn contained() -> PathBuf {
    let test = env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples/contained");
    assert!(example.exists(), "build it: cargo build -p halfopen-live --example contained");
    example
}

fn run(command: &[&str]) -> Output {
    Command::new(contained()).args(command).output().unwrap()
}

fn output(command: &[&str]) -> String {
    let output = run(command);
    let (data, talk) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), talk.as_str()), (Some(0), ""), "{command:?}");
    String::from_utf8(data).unwrap()
}

fn code(command: &[&str]) -> Option<i32> {
    run(command).status.code()
}

/// A script that runs inside, and is killed if its test fails.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a script, and returns it and its first line.
fn start(script: &str) -> (Script, String) {
    let mut child = Command::new(contained())
        .args(["sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (Script(child), line.trim_end().to_owned())
}

/// Returns the processes whose network namespace has this name, as in `/proc/PID/ns/net`.
fn inside(namespace: &str) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.unwrap();
        let process = entry.file_name().to_str()?.parse().ok()?;
        let theirs = fs::read_link(entry.path().join("ns/net")).ok()?;
        (theirs == Path::new(namespace)).then_some(process)
    });
    processes.collect()
}

fn await_empty(namespace: &str) {
    let deadline = Instant::now() + SOON;
    while !inside(namespace).is_empty() {
        assert!(Instant::now() < deadline, "{:?} are left of {namespace}", inside(namespace));
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_exit_code_is_the_programs() {
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["sh", "-c", "kill -TERM $$"]), Some(128 + 15));
    assert_eq!(code(&["sh", "-c", "kill -KILL $$"]), Some(128 + 9));
}

#[test]
fn input_output_arguments_and_environment_are_the_programs() {
    let mut child = Command::new(contained())
        .args(["sh", "-c", "cat; echo \"$1\" $COLOUR >&2", "sh", "two  words"])
        .env("COLOUR", "blue")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"typed").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "typed");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "two  words blue\n");
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let output = run(&["nosuchprogram"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        said,
        "contained: cannot start nosuchprogram: No such file or directory (os error 2)\n"
    );
}

#[test]
fn a_host_is_found_by_its_name_and_any_other_is_unknown_at_once() {
    assert_eq!(output(&["getent", "hosts", "payment.test"]), "127.0.0.1       payment.test\n");
    assert!(!output(&["getent", "hosts", "localhost"]).is_empty(), "the system's own hosts stay");
    // getent(1): 2 is for a name that is not found, in the sources that were asked.
    assert_eq!(code(&["getent", "hosts", "example.com"]), Some(2));
    let servers = output(&["cat", "/etc/resolv.conf"]);
    assert!(servers.starts_with("nameserver 127.0.0.1\n"), "{servers}");
    assert_ne!(fs::read_to_string("/etc/resolv.conf").unwrap(), servers, "that of others stays");
}

#[test]
fn a_program_sees_itself_and_its_init_only() {
    let processes = output(&["sh", "-c", "echo /proc/[0-9]*"]);
    assert_eq!(processes, "/proc/1 /proc/2\n");
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    let (mut script, namespace) = start("readlink /proc/self/ns/net; sleep 1000 & exit 3");
    assert!(namespace.starts_with("net:["), "{namespace}");
    assert_eq!(script.0.wait().unwrap().code(), Some(3));
    await_empty(&namespace);
}

#[test]
fn nothing_is_left_when_we_are_killed() {
    let (mut script, namespace) = start("sleep 1000 & readlink /proc/self/ns/net; sleep 1000");
    assert!(inside(&namespace).len() >= 3, "init, the shell and a sleep");
    script.0.kill().unwrap();
    script.0.wait().unwrap();
    await_empty(&namespace);
}

#[test]
fn nothing_is_left_when_init_is_killed() {
    let (mut script, namespace) = start("sleep 1000 & readlink /proc/self/ns/net; sleep 1000");
    let is_init = |process: &u32| {
        let started_as = fs::read_to_string(format!("/proc/{process}/cmdline"));
        started_as.is_ok_and(|words| words.starts_with("halfopen-init"))
    };
    let init = inside(&namespace).into_iter().find(is_init).expect("there is an init");
    kill(Pid::from_raw(init.cast_signed()), Signal::SIGKILL).unwrap();
    assert_eq!(script.0.wait().unwrap().code(), Some(128 + 9));
    await_empty(&namespace);
}

#[test]
fn a_signal_is_passed_on() {
    let (mut script, _) = start("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done");
    kill(Pid::from_raw(script.0.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(script.0.wait().unwrap().code(), Some(9));
}

#[test]
fn two_at_once_do_not_meet() {
    let (mut one, first) = start("readlink /proc/self/ns/net; read line");
    let (_other, second) = start("readlink /proc/self/ns/net; read line");
    assert_ne!(first, second);
    assert!(inside(&first).is_disjoint(&inside(&second)));
    one.0.kill().unwrap();
    one.0.wait().unwrap();
    await_empty(&first);
    assert!(inside(&second).len() >= 2, "init and its shell go on");
}

/// Types into a terminal, each time when the last answer has come.
fn type_in(command: &str, keys: &[(&str, &str)]) -> i32 {
    // script(1) is a terminal for a command that has none.
    let mut child = Command::new("timeout")
        .args([
            &SOON.as_secs().to_string(),
            "script",
            "--quiet",
            "--return",
            "--command",
            command,
            "/dev/null",
        ])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is there: install bsdutils");
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    for (keys, answer) in keys {
        keyboard.write_all(keys.as_bytes()).unwrap();
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains(answer) {
            let mut some = [0; 512];
            let count = screen.read(&mut some).unwrap();
            let text = String::from_utf8_lossy(&shown);
            assert_ne!(count, 0, "the terminal ended, and `{answer}` was not in: {text}");
            shown.extend_from_slice(&some[..count]);
        }
    }
    child.wait().unwrap().code().unwrap()
}

#[test]
fn a_shell_has_job_control_and_gives_the_terminal_back() {
    let contained = contained();
    let command = format!("{}; echo with $?; read line; exit 4", contained.display());
    let keys = [
        // What is typed shows as well: an answer must be something else.
        ("echo $((40 + 2))\n", "42"),
        ("sh -c 'echo $((50 + 3)); read line; echo $((60 + 4))'\n", "53"),
        ("\x1a", "Stopped"),
        ("fg\n\n", "64"),
        ("exit 5\n", "with 5"),
        // Whoever is in the background would not get this line.
        ("\n", ""),
    ];
    assert_eq!(type_in(&command, &keys), 4);
}

#[test]
fn the_terminals_keys_reach_a_program() {
    let contained = contained();
    let script = "trap 'exit 6' INT; echo $((40 + 2)); while :; do sleep 0.01; done";
    let command = format!("exec {} sh -c \"{}\"", contained.display(), script.replace('$', "\\$"));
    assert_eq!(type_in(&command, &[("", "42"), ("\x03", "")]), 6);
}

/// Puts the example where any user may run it, and returns how to run it as one who is not root.
fn as_somebody(folder: &Path) -> Command {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("contained");
    fs::copy(contained(), &copy).unwrap();
    if !geteuid().is_root() {
        return Command::new(copy);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy);
    command
}

#[test]
fn whoever_is_not_root_runs_programs_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = as_somebody(folder.path());
    let script = "getent hosts payment.test; echo /proc/[0-9]*; id -u; exit 3";
    let output = command.args(["sh", "-c", script]).current_dir("/").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let expected = "127.0.0.1       payment.test\n/proc/1 /proc/2\n0\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{said}");
}

#[test]
fn where_users_may_not_make_namespaces_it_says_what_to_do() {
    // Root of a namespace in which there may be no further one, and then without its rights.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" true";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script])
        .arg(contained())
        .output()
        .expect("unshare is there: install util-linux");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("contained: cannot make a user namespace: "), "{said}");
    assert!(said.contains("sudo sysctl user.max_user_namespaces=15000"), "{said}");
}
