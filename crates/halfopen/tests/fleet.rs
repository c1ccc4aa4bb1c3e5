//! Evidence of many hosts: written by the command, judged together by it, and by a database.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// As the tests were written with; a later one of the same first number may stand in.
const DUCKDB: &str = "duckdb==2.0.0";
/// Prints the rows of each statement as a line of JSON.
const RUN_SQL: &str = "
import duckdb, json, sys
for statement in json.load(sys.stdin):
    rows = duckdb.sql(statement)
    print(json.dumps(rows.fetchall() if rows is not None else [], default=str))
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the command in a folder, and returns its exit code and output.
fn halfopen(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(assert_cmd::cargo::cargo_bin("halfopen"))
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// Writes the evidence of these captures, each of them a host of its own.
fn fleet(hosts: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("evidence")).unwrap();
    for (host, zone) in hosts {
        let capture = root().join(format!("captures/{host}/client.pcap"));
        let (capture, file) = (capture.to_str().unwrap(), format!("evidence/{host}.parquet"));
        let zone = format!("zone={zone}");
        let args =
            ["diagnose", "-q", capture, "--evidence", &file, "--host", host, "--label", &zone];
        let (code, text) = halfopen(folder.path(), &args);
        assert!(code < 2, "{host}: {text}");
    }
    folder
}

/// Judges the files in a folder, and returns the paths.
fn judge(folder: &Path, files: &[&str], more: &[&str]) -> Vec<Value> {
    let (code, text) = halfopen(folder, &[&["diagnose", "--json"], files, more].concat());
    assert!(code < 2, "{text}");
    let mut report: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(paths) = report["paths"].take() else { panic!("{report}") };
    paths
}

fn files(hosts: &[(&str, &str)]) -> Vec<String> {
    hosts.iter().map(|(host, _)| format!("evidence/{host}.parquet")).collect()
}

const HOSTS: [(&str, &str); 5] = [
    ("bracket-nat350-requests", "a"),
    ("healthy-warm-requests", "a"),
    ("incident-nat350-alb1800-resttemplate", "a"),
    ("silent30-go", "b"),
    ("state-loss-nat-flush-resttemplate", "c"),
];

#[test]
fn hosts_that_share_a_path_are_judged_together_and_others_apart() {
    let folder = fleet(&HOSTS);
    let files = files(&HOSTS);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let cause_of = |paths: &[Value], key: &str, name: &str| {
        let path = paths.iter().find(|path| path[key] == name).unwrap().clone();
        (path["cause"].as_str().unwrap().to_owned(), path["hosts"].as_u64().unwrap(), path)
    };
    let apart = judge(folder.path(), &files, &[]);
    assert_eq!(apart.len(), 5);
    fs::write(folder.path().join("evidence/README"), "whose evidence it is").unwrap();
    assert_eq!(judge(folder.path(), &["evidence"], &[]), apart, "a folder is what is in it");
    let (cause, hosts, incident) = cause_of(&apart, "host", HOSTS[2].0);
    assert_eq!(
        (cause.as_str(), hosts, &incident["survived_seconds"]),
        ("idle-expiry", 1, &Value::Null)
    );

    let zones = judge(folder.path(), &files, &["--same-path", "zone"]);
    assert_eq!(zones.len(), 3);
    let (cause, hosts, path) = cause_of(&zones, "labels", "zone=a");
    assert_eq!((cause.as_str(), hosts), ("idle-expiry", 3));
    let (survived, died) = (&path["survived_seconds"], &path["died_seconds"]);
    assert!(survived.as_f64().unwrap() < 350.0 && died.as_f64().unwrap() > 350.0, "{path}");
    let (cause, ..) = cause_of(&zones, "labels", "zone=c");
    assert_eq!(cause, "state-loss");
}

#[test]
fn evidence_stands_alone_and_is_not_overwritten() {
    let folder = fleet(&HOSTS[..1]);
    let (capture, file) = (root().join("captures/refused/client.pcap"), &files(&HOSTS)[0]);
    let capture = capture.to_str().unwrap();
    let (code, text) = halfopen(folder.path(), &["diagnose", file, capture]);
    assert!(code == 2 && text.contains("is no evidence"), "{text}");
    let (code, text) = halfopen(folder.path(), &["diagnose", capture, "--evidence", file]);
    assert!(code == 2 && text.contains("is there already"), "{text}");
}

#[test]
fn damaged_evidence_is_refused_without_a_panic() {
    let folder = fleet(&HOSTS[..1]);
    let whole = fs::read(folder.path().join(&files(&HOSTS)[0])).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        fs::write(folder.path().join("damaged.parquet"), &bytes).unwrap();
        let (_, text) = halfopen(folder.path(), &["diagnose", "damaged.parquet"]);
        assert!(!text.contains("panicked"), "byte {at}: {text}");
    }
}

/// Returns Python with `DuckDB`, in an environment of its own that is made once.
fn python_with_duckdb() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("duckdb");
    let python = folder.join("bin/python");
    let works = || {
        let import = Command::new(&python).args(["-c", "import duckdb"]).output();
        import.is_ok_and(|output| output.status.success())
    };
    if !works() {
        let run = |program: &Path, args: &[&str]| {
            let output = Command::new(program).args(args).output();
            let output = output.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(()) } else { Err(text) }
        };
        let made = run(Path::new("python3"), &["-m", "venv", folder.to_str().unwrap()])
            .and_then(|()| run(&python, &["-m", "pip", "install", "--quiet", DUCKDB]));
        if let Err(error) = made {
            panic!(
                "this test runs the queries of docs/fleet.md in DuckDB, from Python. Install \
                 python3 with venv (Debian: apt-get install python3-venv), and let pip reach a \
                 package index for {DUCKDB}: {error}"
            );
        }
        assert!(works(), "{DUCKDB} was installed in {} and cannot be used", folder.display());
    }
    python
}

/// Runs statements in a folder, and returns the rows of each.
fn duckdb(folder: &Path, statements: &[String]) -> Vec<Value> {
    let mut child = Command::new(python_with_duckdb())
        .current_dir(folder)
        .args(["-c", RUN_SQL])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), statements).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "DuckDB refused a query of docs/fleet.md");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the statements of docs/fleet.md.
fn queries() -> Vec<String> {
    let document = fs::read_to_string(root().join("docs/fleet.md")).unwrap();
    let blocks = document.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn a_database_says_of_the_table_what_the_command_says() {
    let folder = fleet(&HOSTS);
    let files = files(&HOSTS);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let [limits, hours, risk, _merged] = duckdb(folder.path(), &queries()).try_into().unwrap();

    let apart = judge(folder.path(), &files, &[]);
    let died = apart.iter().filter(|path| path["died_seconds"].is_number());
    let mut expected: Vec<(f64, String, Value)> = died
        .map(|path| {
            let host = path["host"].as_str().unwrap().to_owned();
            (path["died_seconds"].as_f64().unwrap(), host, path["survived_seconds"].clone())
        })
        .collect();
    expected.sort_by(|one, other| one.0.total_cmp(&other.0));
    let rows = limits.as_array().unwrap().iter();
    let found: Vec<(f64, String, Value)> = rows
        .map(|row| (row[3].as_f64().unwrap(), row[0].as_str().unwrap().into(), row[2].clone()))
        .collect();
    assert_eq!(found, expected);

    let deaths: u64 = apart
        .iter()
        .flat_map(|path| path["deaths_by_hour_of_day"].as_array().unwrap())
        .map(|count| count.as_u64().unwrap())
        .sum();
    let counted = hours.as_array().unwrap().iter().map(|row| row[2].as_u64().unwrap());
    assert_eq!(counted.sum::<u64>(), deaths);
    assert_eq!(risk.as_array().unwrap()[0][0], HOSTS[0].0);

    let merged = ["evidence-merged.parquet"];
    for sharing in [&[][..], &["--same-path", "zone"]] {
        let of_many = judge(folder.path(), &files, sharing);
        assert_eq!(of_many, judge(folder.path(), &merged, sharing));
    }
}
