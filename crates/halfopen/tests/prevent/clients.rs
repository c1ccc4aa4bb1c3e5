//! Clients as they come, which pause for longer than a gateway remembers.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

/// The gateway's 350 s are 20.6 s then, and the pause of seven minutes is 24.7 s.
const SPEED: &str = "17";
/// Whoever hangs in silence is ended after this.
const PATIENCE: &str = "50";
/// See `every_way.rs`.
const JAVA: [&str; 3] = ["java", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];

fn trial(name: &str) -> String {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../clients/trial", name].iter().collect();
    root.to_str().unwrap().to_owned()
}

/// Runs a client in the lab, and returns its exit code.
fn lab(scenario: &str, client: &[&str]) -> i32 {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.args(["reproduce", "--live", scenario, "--speed", SPEED, "--"]).args(client);
    let output = command.env("HALFOPEN_METHOD", "POST").output().unwrap();
    output.status.code().unwrap()
}

/// Holds that a client fails by itself and does not where it is guarded.
fn check(scenario: &str, client: &[&str]) {
    let own = cargo_bin("halfopen");
    let client = [&["timeout", "--signal", "KILL", PATIENCE], client].concat();
    let guard = [own.to_str().unwrap(), "prevent", "run", "--idle", "8s", "--"];
    let guarded = [&guard, &client[..]].concat();
    let (alone, guarded) = std::thread::scope(|scope| {
        let alone = scope.spawn(|| lab(scenario, &client));
        (alone.join().unwrap(), lab(scenario, &guarded))
    });
    assert_ne!(alone, 0, "without the guard it fails");
    assert_eq!(guarded, 0, "with the guard it does not");
}

const RESETS: &str = "nat-resets-next-packet";
const SILENCE: &str = "firewall-drops-silently";

#[test]
fn python_is_saved() {
    check(RESETS, &["python3", &trial("trial.py"), "requests"]);
}

/// Its HTTP agent has keepalive of its own, or gives connections up after seconds; what drivers of
/// databases do is this: a connection that stays open, and no option set.
#[test]
fn node_is_saved() {
    let script = "
        const url = new URL(process.env.HALFOPEN_URL);
        const ask = () => socket.write(`GET /pay HTTP/1.1\\r\\nHost: ${url.host}\\r\\n\\r\\n`);
        const socket = require('net').connect(80, url.hostname, ask);
        let asked = 1;
        socket.once('data', () => setTimeout(() => {
            asked = 2;
            socket.once('data', () => process.exit(0));
            ask();
        }, process.env.HALFOPEN_PAUSE_S * 1000));
        socket.on('error', () => process.exit(1)).on('close', () => process.exit(asked));";
    check(RESETS, &["node", "-e", script]);
}

#[test]
fn java_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path());
    let path = folder.path().to_str().unwrap();
    check(RESETS, &[&JAVA[..], &["-cp", path, "Trial", "http-client"]].concat());
}

/// It repeats what meets a reset by itself, and waits where nothing comes.
#[test]
fn curl_is_saved_from_silence() {
    check(SILENCE, &["sh", &trial("curl.sh")]);
}

/// What Go's `net.Dial` sets by itself; its HTTP client asks for 30 s.
const DIAL: &str = "package main
import (\"io\"; \"net\"; \"os\")
func main() {
	c, err := net.Dial(\"tcp\", os.Args[1])
	if err != nil { panic(err) }
	c.Write([]byte(\"x\"))
	io.Copy(io.Discard, c)
}";

#[test]
fn go_keeps_its_own_15_s() {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("dial.go"), folder.path().join("dial"));
    std::fs::write(&source, DIAL).unwrap();
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&program).arg(&source);
    run(build.env("GO111MODULE", "off").env("GOCACHE", folder.path().join("cache")));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut guard = Command::new(cargo_bin("halfopen"));
    guard.args(["prevent", "run", "--json", "--idle", "1m", "--"]).arg(&program).arg(address);
    let guard = guard.stdout(Stdio::piped()).spawn().unwrap();
    let (mut stream, client) = listener.accept().unwrap();
    // It has set its options when it sends.
    stream.read_exact(&mut [0]).unwrap();
    let mut ss = Command::new("ss");
    ss.args(["-tnoH", "sport", "="]).arg(format!(":{}", client.port()));
    let ss = ss.output().expect("ss is there: install iproute2");
    let timer = String::from_utf8(ss.stdout).unwrap();
    let timer = timer.split("timer:(keepalive,").nth(1).unwrap_or_else(|| panic!("{timer}"));
    let left = timer.split([',', ')']).next().unwrap();
    assert!(left.strip_suffix("sec").unwrap().parse::<f64>().unwrap() <= 15.0, "{left}");
    drop(stream);
    let output = guard.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["counts"]["options_held"], 0, "{report}");
}

fn compile(folder: &Path) {
    run(Command::new("javac").arg("-d").arg(folder).arg(trial("Trial.java")));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
