//! Clients as they come, tried by `halfopen reproduce --live --every-way`, and held against what
//! `clients/` says of them.
//!
//! It takes Python's requests, Node.js, Go, curl, a JDK and Spring with Apache `HttpClient` 4;
//! README.md names Debian's packages.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use halfopen_core::client::{Client, Ending, Notice, Outcome};
use serde_json::Value;

/// Starts a virtual machine fast. In namespaces all of them have the same process id, by which
/// their counters in `/tmp` are called: without counters none complains of another.
const JAVA: [&str; 3] = ["java", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];

/// For how long the path remembers, and how long the client pauses where that is longer.
const LIMIT: Duration = Duration::from_secs(2);
const ABOVE: Duration = Duration::from_secs(3);

#[test]
fn requests_does_what_is_known_of_it() {
    let cells = every_way(["python3", &trial("trial.py"), "requests"]);
    check("python-requests", &cells);
    // A POST's body goes out apart, and may be what meets the reset: then the words are others.
    assert!(words(&cells, "reset-on-data", "GET").contains("Connection reset by peer"));
}

#[test]
fn nodes_agent_does_what_is_known_of_it() {
    check("node-http-agent", &every_way(["node", &trial("trial.js"), "agent"]));
}

#[test]
fn nodes_fetch_does_what_is_known_of_it() {
    check("undici", &every_way(["node", &trial("trial.js"), "fetch"]));
}

#[test]
fn curl_does_what_is_known_of_it() {
    check("curl", &every_way(["sh", &trial("curl.sh")]));
}

#[test]
fn go_does_what_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("trial");
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&program).arg(trial("trial.go"));
    run(build.env("GO111MODULE", "off").env("GOCACHE", folder.path().join("cache")));
    check("go-net-http", &every_way([program.to_str().unwrap()]));
}

#[test]
fn springs_rest_template_does_what_is_known_of_apache_httpclient_4() {
    let folder = tempfile::tempdir().unwrap();
    let path = java(folder.path());
    let cells = every_way(JAVA.into_iter().chain(["-cp", &path, "RestTemplateTrial"]));
    check("apache-httpclient-4", &cells);
    assert!(words(&cells, "reset-on-data", "POST").contains("SocketException: Connection reset"));
    // The read timeout of the incident's settings.
    let silent = cell(&cells, "silence", "POST");
    assert!((10.0..12.0).contains(&silent["took_s"].as_f64().unwrap()), "{silent}");
}

#[test]
fn the_incidents_own_client_fails_first_in_each_run_and_not_where_it_was_cured() {
    let folder = tempfile::tempdir().unwrap();
    let path = java(folder.path());
    let usual = incident("incident", &path, None);
    for (at, told) in usual.iter().enumerate() {
        // The first run opens its connection; each other one meets the gateway that forgot it.
        let expected = if at == 10 || at == 20 { "Connection reset" } else { "201" };
        assert!(told.contains(expected), "{at}: {told}: {usual:#?}");
    }
    // Below the gateway's 350 s: the balancer closes at 180 s, or the client after 300 s.
    let paid = vec!["201".to_owned(); 30];
    assert_eq!(incident("incident-balancer-180", &path, None), paid);
    assert_eq!(incident("incident", &path, Some(300.0)), paid);
}

/// Three runs of ten payments, 20 minutes apart, at a speed that makes that 6 s: what the client
/// of the incident says of each.
fn incident(scenario: &str, class_path: &str, keep_alive_s: Option<f64>) -> Vec<String> {
    const SPEED: f64 = 200.0;
    let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen"));
    command.args(["reproduce", "--live", scenario, "--speed", &SPEED.to_string(), "--"]);
    command.args(JAVA).args(["-cp", class_path, "RestTemplateTrial"]);
    command.envs([
        ("HALFOPEN_METHOD", "POST"),
        ("HALFOPEN_RUNS", "3"),
        ("HALFOPEN_REQUESTS", "10"),
    ]);
    command.env("HALFOPEN_PAUSE_S", (1200.0 / SPEED).to_string());
    if let Some(cap) = keep_alive_s {
        command.env("HALFOPEN_KEEP_ALIVE_S", (cap / SPEED).to_string());
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // What the command says comes after what its program says.
    text.lines().take(30).map(str::to_owned).collect()
}

#[test]
fn a_program_that_is_no_such_client_is_told_so() {
    let cells = every_way(["true"]);
    assert!(cells.iter().all(|cell| cell["verdict"] == "unclear" && cell["how"] == "no-request"));
}

/// Compiles the client of the incident and returns its class path.
fn java(folder: &Path) -> String {
    let jars = ["spring3-web", "spring3-core", "spring3-beans", "commons-logging", "commons-codec"];
    let jars = jars.iter().chain(&["httpclient", "httpcore"]);
    let jars = jars.map(|jar| format!("/usr/share/java/{jar}.jar")).collect::<Vec<_>>();
    let path = format!("{}:{}", folder.display(), jars.join(":"));
    let mut compile = Command::new("javac");
    compile.args(["-cp", &path, "-d"]).arg(folder);
    run(compile.args([trial("Trial.java"), trial("RestTemplateTrial.java")]));
    path
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns where a program of `clients/trial` is.
fn trial(name: &str) -> String {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../clients/trial", name].iter().collect();
    root.to_str().unwrap().to_owned()
}

/// Tries a client and returns the cells of the report.
fn every_way<'a>(client: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halfopen"));
    command.args(["reproduce", "--live", "--every-way", "--json", "--"]).args(client);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{command:?}: {errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["cells"].as_array().unwrap().clone()
}

/// Holds the cells of a client against its file.
fn check(name: &str, cells: &[Value]) {
    assert_eq!(cells.len(), 20);
    let client = Client::shipped(name).unwrap();
    let mut offences = Vec::new();
    for cell in cells {
        let how = cell["how"].as_str().unwrap();
        let expected = expected(&client, cell);
        if !expected.contains(&how) {
            offences.push(format!("{cell}: not one of {expected:?}"));
        }
    }
    assert!(offences.is_empty(), "{name}: {offences:#?}");
}

/// Returns what may become of a request, by what is known of its client.
fn expected(client: &Client, cell: &Value) -> &'static [&'static str] {
    if cell["pause_s"].as_f64().unwrap() < LIMIT.as_secs_f64() {
        return &["reused"];
    }
    let way = cell["way"].as_str().unwrap();
    let probes = client.behaviour.keepalive.is_some_and(|probes| probes.idle < LIMIT);
    if probes && way != "fin-on-data" {
        return &["kept-awake"];
    }
    let Some(ending) = Ending::ALL.into_iter().find(|ending| ending.to_string() == way) else {
        return &["hung"];
    };
    // What was measured met a pause of one second.
    if let Notice::WhenTaken { after } = client.behaviour.notice
        && after <= ABOVE
        && matches!(ending, Ending::FinWhileIdle | Ending::ResetWhileIdle)
    {
        return &["reopened"];
    }
    let known = &client.measured[&ending];
    match if cell["method"] == "GET" { known.get } else { known.post } {
        Outcome::Ok => &["reopened"],
        Outcome::Fails => &["failed"],
        // The server has read the request that it does not answer.
        Outcome::OkResent if ending == Ending::FinOnData => &["doubled"],
        Outcome::OkResent => &["resent"],
    }
}

fn cell<'a>(cells: &'a [Value], way: &str, method: &str) -> &'a Value {
    let of_it = |cell: &&Value| cell["way"] == way && cell["method"] == method;
    let above = |cell: &&Value| cell["pause_s"].as_f64().unwrap() > LIMIT.as_secs_f64();
    cells.iter().filter(of_it).find(above).unwrap()
}

fn words(cells: &[Value], way: &str, method: &str) -> String {
    cell(cells, way, method)["words"].as_str().unwrap_or_default().to_owned()
}
