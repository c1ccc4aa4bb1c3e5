//! The command as its users run it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

const INCIDENT: &str = "captures/incident-nat350-alb1800-resttemplate/client.pcap";
const BRACKET: &str = "captures/bracket-nat350-requests/client.pcap";
const WARM: &str = "captures/healthy-warm-requests/client.pcap";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn bytes(capture: &str) -> Vec<u8> {
    fs::read(root().join(capture)).unwrap()
}

fn halfopen(args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.current_dir(root()).args(args).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

fn run(args: &[&str]) -> Output {
    halfopen(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_slice(&run(args).stdout).unwrap()
}

/// Writes a file of its own for one test.
fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

/// Asserts that the command fails, says why, and prints nothing that could be taken for data.
#[track_caller]
fn assert_fails(args: &[&str], why: &[&str]) {
    let output = run(args);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(stdout(&output), "");
    for why in why {
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

/// Cuts a classic little-endian pcap into two files after `count` frames.
fn split(capture: &[u8], count: usize) -> (Vec<u8>, Vec<u8>) {
    let mut at = 24;
    for _ in 0..count {
        let captured = u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap());
        at += 16 + captured as usize;
    }
    let second = [&capture[..24], &capture[at..]].concat();
    (capture[..at].to_vec(), second)
}

#[test]
fn the_exit_code_says_whether_something_was_found() {
    assert_eq!(run(&["diagnose", INCIDENT]).status.code(), Some(1));
    assert_eq!(run(&["diagnose", WARM]).status.code(), Some(0));
    assert_eq!(run(&["diagnose", WARM, "--frobnicate"]).status.code(), Some(2));
    assert_eq!(run(&["diagnose"]).status.code(), Some(2));
}

#[test]
fn a_quiet_run_prints_nothing() {
    let output = run(&["diagnose", "--quiet", INCIDENT]);
    assert_eq!((stdout(&output), stderr(&output)), ("", ""));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let output = run(&["diagnose", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("halfopen diagnose client.pcap"));
    assert!(stdout(&output).contains("Exit code: 0 nothing found"));
}

#[test]
fn standard_input_is_a_capture_like_any_other() {
    let output = halfopen(&["diagnose", "--json", "-"]).write_stdin(bytes(INCIDENT)).output();
    let mut piped: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    piped["captures"][0]["file"] = INCIDENT.into();
    assert_eq!(piped, json(&["diagnose", "--json", INCIDENT]));
}

#[test]
fn a_compressed_capture_says_the_same() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&bytes(INCIDENT)).unwrap();
    let (_folder, path) = file("client.pcap.gz", &gzip.finish().unwrap());
    let mut unpacked = json(&["diagnose", "--json", &path]);
    unpacked["captures"][0]["file"] = INCIDENT.into();
    assert_eq!(unpacked, json(&["diagnose", "--format", "json", INCIDENT]));
}

#[test]
fn files_of_a_rotation_are_one_capture() {
    let whole = json(&["diagnose", "--json", BRACKET]);
    let (first, second) = split(&bytes(BRACKET), 67);
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (late, early) = (name("trace2.pcap"), name("trace1.pcap"));
    fs::write(&early, first).unwrap();
    fs::write(&late, second).unwrap();

    let parts = json(&["diagnose", "--json", &late, &early]);

    let (path, expected) = (&parts["paths"][0], &whole["paths"][0]);
    for field in ["cause", "harm", "idle_limit", "failures", "connections", "requests", "because"] {
        assert_eq!(path[field], expected[field], "{field}");
    }
    let shown = |path: &Value, index: usize| {
        let seen = &path["evidence"][index];
        (seen["capture"].as_u64().unwrap(), seen["frame"].as_u64().unwrap())
    };
    assert_eq!((shown(expected, 0), shown(expected, 1)), ((0, 67), (0, 68)));
    assert_eq!((shown(path, 0), shown(path, 1)), ((1, 67), (0, 1)));
}

#[test]
fn files_that_overlap_in_time_are_two_points() {
    let copy = file("copy.pcap", &bytes(INCIDENT));
    let report = json(&["diagnose", "--json", INCIDENT, &copy.1]);
    let [path] = report["paths"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(path["failures"], 2);
    let captures = path["evidence"].as_array().unwrap().iter().map(|seen| &seen["capture"]);
    let captures: Vec<u64> = captures.map(|capture| capture.as_u64().unwrap()).collect();
    assert!(captures.contains(&0) && captures.contains(&1), "{captures:?}");
}

#[test]
fn the_same_packets_by_another_clock_are_another_points() {
    let mut late = bytes(WARM);
    let mut at = 24;
    while at < late.len() {
        let word = |at: usize| u32::from_le_bytes(late[at..at + 4].try_into().unwrap());
        let (secs, captured) = (word(at), word(at + 8) as usize);
        late[at..at + 4].copy_from_slice(&(secs + 7200).to_le_bytes());
        at += 16 + captured;
    }
    let late = file("late.pcap", &late);
    let report = json(&["diagnose", "--json", WARM, &late.1]);
    assert_eq!(report["paths"][0]["cause"], "none", "{report:#}");
    assert_eq!(report["flows"].as_array().unwrap().len(), 1);
}

#[test]
fn a_missing_file_is_named() {
    assert_fails(&["diagnose", WARM, "nowhere.pcap"], &["there is no file `nowhere.pcap`"]);
}

#[test]
fn a_directory_is_no_capture() {
    assert_fails(&["diagnose", "captures"], &["nothing in `captures` is a capture"]);
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    let (_folder, path) = file("empty.pcap", b"");
    assert_fails(&["diagnose", &path], &["empty.pcap: the file is empty", "tcpdump -U"]);
}

#[test]
fn what_is_no_capture_is_told_by_its_first_bytes() {
    let text = "12:00:00.1 IP a > b: Flags [S]";
    let (_folder, path) = file("tcpdump.txt", text.as_bytes());
    assert_fails(&["diagnose", &path], &["neither pcap nor pcapng", "it looks like text"]);
}

#[test]
fn standard_input_can_be_read_once() {
    assert_fails(&["diagnose", "-", "-"], &["standard input is given twice"]);
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let (_folder, path) = file("secret.pcap", &bytes(WARM));
    let mut mode = fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0);
    fs::set_permissions(&path, mode).unwrap();
    // Root may read everything.
    if fs::read(&path).is_err() {
        assert_fails(&["diagnose", &path], &["no permission to read"]);
    } else {
        assert_eq!(run(&["diagnose", &path]).status.code(), Some(0));
    }
}

#[test]
fn a_cut_capture_is_judged_as_far_as_it_goes() {
    let whole = bytes(INCIDENT);
    let (_folder, path) = file("cut.pcap", &whole[..whole.len() - 7]);
    let output = run(&["diagnose", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("the file ends in the middle of frame 105"), "{output:?}");
}

#[test]
fn a_capture_without_a_whole_frame_has_failed() {
    let (_folder, path) = file("cut.pcap", &bytes(INCIDENT)[..30]);
    assert_fails(&["diagnose", &path], &["the file ends in the middle of frame 1"]);
}

#[test]
fn a_capture_of_a_link_that_is_not_read_has_failed() {
    let mut radio = bytes(WARM);
    radio[20] = 105; // LINKTYPE_IEEE802_11
    let (_folder, path) = file("radio.pcap", &radio);
    assert_fails(&["diagnose", &path], &["72 frames, all of link type 105", "tcpdump -i any"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = std::process::Command::new(cargo_bin("halfopen"))
        .current_dir(root())
        .args(["diagnose", INCIDENT, BRACKET])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{talk}");
    assert_eq!(talk, "");
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let plain = run(&["diagnose", INCIDENT]);
    assert!(!stdout(&plain).contains('\x1b'));
    let coloured = run(&["diagnose", INCIDENT, "--color", "always"]);
    assert!(stdout(&coloured).contains('\x1b'));
    let never = halfopen(&["diagnose", INCIDENT, "--color", "never"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert_eq!(stdout(&never), stdout(&plain));
}

#[test]
fn the_advice_is_for_the_client_that_names_itself_or_is_named() {
    let advice = |args: &[&str]| json(args)["paths"][0]["advice"].clone();
    let own = advice(&["diagnose", "--json", INCIDENT]);
    assert_eq!(own["client"]["name"], "apache-httpclient-4");
    assert_eq!(own["client"]["version"], "4.5.14");
    let cap = own["cap_s"].as_f64().unwrap();
    assert!(cap <= 0.8 * 350.0, "{cap}");

    let named = advice(&["diagnose", "--json", "--client", "go-net-http", INCIDENT]);
    assert_eq!(named["steps"][0]["setting"], "Transport.IdleConnTimeout");
    let file = advice(&["diagnose", "--json", "--client", "clients/undici.toml", INCIDENT]);
    assert_eq!(file["client"]["name"], "undici");
}

#[test]
fn a_client_that_is_not_known_is_named_with_those_that_are() {
    assert_fails(&["diagnose", "--client", "netscape", INCIDENT], &["netscape", "okhttp"]);
    assert_fails(&["diagnose", "--client", "README.toml", INCIDENT], &["no file"]);
    let (_folder, odd) = file("odd.toml", b"title = 4\n");
    assert_fails(&["diagnose", "--client", &odd, INCIDENT], &["odd.toml"]);
}

#[test]
fn a_table_of_sockets_without_a_time_is_as_old_as_its_file() {
    let table = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n\
                 ESTAB 0      0          10.78.2.1:37930    10.78.3.2:80\n";
    let (_folder, path) = file("sockets.txt", table.as_bytes());
    let report = json(&["diagnose", "--json", &path]);
    let first = report["logs"][0]["first"].as_str().expect("it is dated");
    assert!(first > "2026-01-01", "{first}");
}
