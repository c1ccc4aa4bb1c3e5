//! A stranger's walk: each verb tells by an example what it does, and the example runs.
//!
//! `HALFOPEN` names an installed program to walk with, instead of the one that was just built.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use rustix::process::{Pid, Signal, kill_process};

/// Verbs that run until they are told to end, and what they say first.
const SERVICES: [(&str, &str); 1] = [("billing payment", "http://")];

/// Verbs whose examples speak of hosts of their users', and the example that brings its own.
const IN_A_LAB: &str = "measure";
/// Not run here, for it would end guards of whoever runs the tests; `tests/prevent` runs it.
const NOT_RUN: &str = "prevent detach";

fn program() -> PathBuf {
    env::var_os("HALFOPEN").map_or_else(|| cargo_bin("halfopen"), PathBuf::from)
}

fn halfopen(folder: &Path, args: &[&str]) -> Output {
    Command::new(program()).args(args).current_dir(folder).output().unwrap()
}

fn help(verb: &[&str]) -> String {
    let mut args = verb.to_vec();
    args.push("--help");
    let output = halfopen(Path::new("."), &args);
    assert!(output.status.success(), "{verb:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the lines of a section of a help text, without those of the next.
fn section<'a>(help: &'a str, name: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != name).skip(1);
    lines.map_while(|line| line.strip_prefix("  ")).collect()
}

/// Returns each verb that has none below it, by all its words.
fn verbs(above: &[&str]) -> Vec<String> {
    let help = help(above);
    // Further in stands what goes on from the line before.
    let lines = section(&help, "Commands:");
    let lines = lines.iter().filter(|line| !line.starts_with(' '));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    let below: Vec<&str> = names.filter(|name| *name != "help").collect();
    if below.is_empty() {
        return vec![above.join(" ")];
    }
    below.iter().flat_map(|name| verbs(&[above, &[name]].concat())).collect()
}

/// Returns the first example of a verb that takes no other program.
fn example(verb: &str) -> String {
    let words: Vec<&str> = verb.split(' ').collect();
    let help = help(&words);
    let examples = section(&help, "Examples:").join("\n").replace("\\\n", "");
    let start = format!("halfopen {verb}");
    let wanted = |line: &&str| {
        if verb == IN_A_LAB {
            return line.starts_with("halfopen reproduce --live") && line.contains(&start);
        }
        line.starts_with(&start) && !line.contains(['|', '&', '$'])
    };
    let mut lines = examples.lines().map(|line| line.strip_prefix("sudo ").unwrap_or(line));
    let line = lines.find(wanted).unwrap_or_else(|| panic!("no example of {verb}"));
    // What stands behind three spaces explains it.
    line.split("   ").next().unwrap().to_owned()
}

/// Sets up what examples speak of, in a folder of its own.
fn belongings() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let capture = crates.join("../captures/incident-nat350-alb1800-resttemplate/client.pcap");
    fs::copy(capture, folder.path().join("client.pcap")).unwrap();
    let incident = crates.join("halfopen-check/tests/incident/found");
    for name in ["plan.json", "application.yml", "path.toml"] {
        fs::copy(incident.join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("client.py"), "print('no connection at all')\n").unwrap();
    let customer = concat!(
        r#"{"id":"c1","amount":990,"currency":"EUR","cadence":"monthly","#,
        r#""from":"2026-01-31","zone":"UTC"}"#
    );
    fs::write(folder.path().join("customers.jsonl"), format!("{customer}\n")).unwrap();
    for database in ["billing.db", "payments.db"] {
        let output = halfopen(folder.path(), &["billing", "init", "--database", database]);
        assert!(output.status.success(), "{output:?}");
    }
    folder
}

/// Runs an example as a shell does.
fn shell(folder: &Path, line: &str) -> Command {
    let mut command = Command::new("sh");
    let bin = program().parent().unwrap().to_owned();
    let path =
        env::join_paths([bin].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())));
    command.args(["-c", &format!("exec {line}")]).current_dir(folder);
    command.env("PATH", path.unwrap()).env("HOME", folder);
    command
}

#[test]
fn every_verb_has_an_example_that_runs() {
    let verbs = verbs(&[]);
    assert!(verbs.len() > 8, "{verbs:?}");
    let ends = |verb: &&String| !SERVICES.iter().any(|(name, _)| name == verb);
    for verb in verbs.iter().filter(ends) {
        let folder = belongings();
        if verb == "billing init" {
            fs::remove_file(folder.path().join("billing.db")).unwrap();
        }
        // Nobody waits for long here.
        let line = example(verb).replace("--for 10m", "--for 1s");
        if verb == NOT_RUN {
            continue;
        }
        let output = shell(folder.path(), &line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{line}: {}\n{said}", output.status);
        assert!(!said.contains("error:"), "{line}: {said}");
    }
}

#[test]
fn services_run_until_they_are_told_to_end() {
    for (verb, first) in SERVICES {
        let folder = belongings();
        // A port that is free wherever this runs.
        let line = format!("{} --listen 127.0.0.1:0", example(verb));
        let mut service = shell(folder.path(), &line).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(service.stdout.take().unwrap()).read_line(&mut said).unwrap();
        kill_process(Pid::from_child(&service), Signal::TERM).unwrap();
        assert!(service.wait().unwrap().success(), "{line}");
        assert!(said.contains(first), "{line}: {said}");
    }
}

#[test]
fn alone_it_says_what_to_do_next() {
    let output = halfopen(Path::new("."), &[]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(said.contains("Examples:") && said.contains("halfopen diagnose"), "{said}");
}

#[test]
fn every_verb_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = halfopen(folder.path(), &["man", "--dir", "man1"]);
    assert!(output.status.success(), "{output:?}");
    for verb in verbs(&[]) {
        let name = format!("halfopen-{}.1", verb.replace(' ', "-"));
        let page = fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
        assert!(page.contains("\n.SH NAME") && page.contains("Examples:"), "{verb}");
    }
    // What is there stays, unless it is to be replaced.
    let again = halfopen(folder.path(), &["man", "--dir", "man1"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(halfopen(folder.path(), &["man", "--dir", "man1", "--force"]).status.success());
}

#[test]
fn bash_takes_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["zsh", "fish"] {
        let script = halfopen(folder.path(), &["completions", shell]);
        assert!(String::from_utf8(script.stdout).unwrap().contains("diagnose"), "{shell}");
    }
    let script = halfopen(folder.path(), &["completions", "bash"]);
    fs::write(folder.path().join("halfopen.bash"), script.stdout).unwrap();
    let ask = "source ./halfopen.bash && COMP_WORDS=(halfopen dia) COMP_CWORD=1 && \
               _halfopen halfopen dia halfopen && echo ${COMPREPLY[@]}";
    let output =
        Command::new("bash").args(["-c", ask]).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "diagnose", "{output:?}");
}
