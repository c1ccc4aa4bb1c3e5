//! Captures with the verdict on their frames, as Wireshark and this command read them.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

const INCIDENT: &str = "captures/incident-nat350-alb1800-resttemplate/client.pcap";
const SILENT: &str = "captures/silent30-go/client.pcap";

fn diagnose(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Command::new(cargo_bin("halfopen"))
        .current_dir(root)
        .arg("diagnose")
        .args(args)
        .output()
        .unwrap()
}

fn annotated(capture: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.pcapng");
    let output = diagnose(&["-q", capture, "--annotate", copy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    (folder, copy)
}

fn tshark(args: &[&str], capture: &Path) -> String {
    let output = Command::new("tshark").arg("-r").arg(capture).args(args).output();
    let output = output.expect("tshark is needed to read captures: apt-get install tshark");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn wireshark_shows_the_verdict_on_its_frames() {
    let (_folder, copy) = annotated(INCIDENT);
    let fields = ["-T", "fields", "-e", "frame.number", "-e", "frame.comment"];
    let shown = tshark(&[&["-Y", "frame.comment"], &fields[..]].concat(), &copy);
    let frames: Vec<&str> = shown.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(frames, ["35", "36", "37", "69", "70", "71"], "{shown}");
    assert!(shown.contains("a reset that the server did not send"), "{shown}");
    let ends = tshark(&["-N", "n", "-Y", "frame.number == 70"], &copy);
    assert!(ends.contains("client") && ends.contains("server"), "{ends}");
}

#[test]
fn the_verdict_on_the_copy_is_that_on_the_capture() {
    for capture in [INCIDENT, SILENT] {
        let (_folder, copy) = annotated(capture);
        let report = |file: &str| -> Value {
            let mut report: Value =
                serde_json::from_slice(&diagnose(&["--json", file]).stdout).unwrap();
            report["captures"][0]["file"] = "capture".into();
            report
        };
        assert_eq!(report(copy.to_str().unwrap()), report(capture), "{capture}");
    }
}

#[test]
fn a_file_that_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there.pcapng");
    fs::write(&there, "somebody else's").unwrap();
    let output = diagnose(&["-q", INCIDENT, "--annotate", there.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is there already"), "{output:?}");
    assert_eq!(fs::read_to_string(&there).unwrap(), "somebody else's");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_capture_itself_is_not_written_over_and_several_are_not_copied() {
    let output = diagnose(&["-q", "--force", INCIDENT, "--annotate", INCIDENT]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is one of the captures"));
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.pcapng");
    let output = diagnose(&["-q", INCIDENT, SILENT, "--annotate", copy.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there are 2"), "{output:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
