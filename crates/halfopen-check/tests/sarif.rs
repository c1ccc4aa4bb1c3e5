//! SARIF is held against the standard's schema, which a crate for SARIF brings with it.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the schema lies where cargo unpacked it, and cargo is asked where"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use halfopen_check::sarif::Log;
use halfopen_check::{Document, check};
use serde_json::Value;

/// Returns where cargo has put the schema of SARIF 2.1.0.
fn schema() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let package = packages.iter().find(|package| package["name"] == "serde-sarif");
    let manifest = package.expect("it is a dependency")["manifest_path"].as_str().expect("a path");
    Path::new(manifest).with_file_name("src").join("schema.json")
}

#[test]
fn a_log_is_as_the_standard_has_it() {
    let path = "[[path]]\nname = \"p\"\n[[path.part]]\nclient = \"apache-httpclient-4\"\n\
                [[path.part]]\n# halfopen: allow timeout-order for a test\nserver = \"nginx\"\n\
                [[path]]\nname = \"q\"\n[[path.part]]\nclient = \"apache-httpclient-4\"\n\
                [[path.part]]\nbox = \"aws-nat-gateway\"\n";
    let report = check(&[Document::new("wäg/path.toml", path)]).unwrap();
    assert_eq!((report.findings.len(), report.allowed.len()), (1, 1), "{report:#?}");
    let log = serde_json::to_value(Log::of(&report)).unwrap();
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(schema()).unwrap()).unwrap();
    // Their pattern has a bracket that closes nothing, as JavaScript takes it; we set no language.
    for of in ["run", "toolComponent"] {
        let language = schema["definitions"][of]["properties"]["language"].as_object_mut();
        assert!(language.unwrap().remove("pattern").is_some(), "{of}");
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&log)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let results = log["runs"][0]["results"].as_array().unwrap();
    let location = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "w%C3%A4g/path.toml");
    assert_eq!(location["region"]["startLine"], 11);
    assert_eq!(results[1]["suppressions"][0]["justification"], "for a test");
    let mut broken = log.clone();
    broken["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&broken), "the schema tells levels apart");
}
