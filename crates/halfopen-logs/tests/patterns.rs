//! The files of `patterns/`: each names its source, and each pattern reads its example.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the tree's files"
)]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use halfopen_logs::pattern::{PatternError, Patterns, SHIPPED};
use halfopen_logs::record::{Failure, How, Http, Step, What};
use halfopen_logs::{Lines, Record, program, recognise};

fn read(patterns: &Patterns, log: &str) -> Vec<Record> {
    let (mut records, mut source) = (Vec::new(), log.as_bytes());
    let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    program::read(lines, patterns, &mut |record| records.push(record));
    records
}

fn steps(records: &[Record]) -> impl Iterator<Item = (&Record, &Http)> {
    records.iter().filter_map(|record| {
        let (What::Client(http) | What::Server(http)) = &record.what else { return None };
        Some((record, http))
    })
}

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

#[test]
fn every_file_of_the_folder_ships_and_names_its_source() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../patterns");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let shipped = SHIPPED.iter().map(|(name, _)| format!("{name}.toml")).collect();
    assert_eq!(files, shipped);
    for (name, text) in SHIPPED {
        let file = table(text);
        let source = file["source"].as_str().unwrap();
        assert!(source.starts_with("https://") || source == "captures/README.md", "{name}");
        assert!(file["read"].is_datetime(), "{name}");
    }
}

#[test]
fn every_pattern_reads_its_example() {
    for (name, text) in SHIPPED {
        for (line, number) in table(text)["line"].as_array().unwrap().iter().zip(1..) {
            let example = line["example"].as_str().unwrap();
            let given: BTreeSet<(&str, &str)> = line["gives"]
                .as_table()
                .unwrap()
                .iter()
                .map(|(group, value)| (group.as_str(), value.as_str().unwrap()))
                .collect();
            let found = Patterns::shipped().groups(example);
            let found = found.unwrap_or_else(|| panic!("{name} {number}: no match: {example}"));
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), given, "{name} {number}");
            let records = read(Patterns::shipped(), example);
            let told = steps(&records).filter(|(_, step)| !matches!(step.step, Step::Product(_)));
            assert_eq!(told.count(), 1, "{name} {number}: {records:?}");
            let form = recognise(example.as_bytes()).map(|form| form.name);
            assert_eq!(form, Some("log"), "{name} {number}");
        }
    }
}

#[test]
fn a_users_pattern_reads_a_log_that_no_other_knows() {
    let patterns = Patterns::parse(
        r#"
        title = "our gateway"
        product = "billing/7"
        [[line]]
        side = "client"
        step = "exchange"
        stamped = "end"
        pattern = '''(?x) upstream=(?<server>\S+) \x20 "(?<request>[^"]+)" \x20
            rt=(?<took_s>[\d.]+) \x20 (?:st=(?<status>\d+)|err=(?<error>.*))'''
        "#,
    )
    .unwrap();
    let log = "\
2026-11-22T07:45:31Z upstream=10.78.3.2:80 \"POST /pay HTTP/1.1\" rt=0.250 st=200
2026-11-22T07:46:31Z upstream=pay \"POST /pay HTTP/1.1\" rt=10.0 err=connection reset by peer
";
    let records = read(&patterns, log);
    let steps: Vec<_> = steps(&records)
        .map(|(record, http)| (record.at.as_nanos() / 1_000_000 % 100_000, http))
        .collect();
    assert_eq!(steps[0].1.step, Step::Product("billing/7".into()));
    let [_, paid, reset] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(paid.1.ends.server, Some("10.78.3.2:80".parse().unwrap()));
    assert_eq!(reset.1.ends.server_name.as_deref(), Some("pay"));
    // It began a quarter of a second before the line was written.
    assert_eq!(paid.0, 30_750);
    let Step::Exchange { request, outcome, .. } = &reset.1.step else { panic!("{reset:?}") };
    assert_eq!(request.as_deref(), Some("POST /pay"));
    let expected = Failure { how: How::Reset, text: "connection reset by peer".into() };
    assert_eq!(outcome, &Err(expected));
}

#[test]
fn a_mistake_in_a_pattern_file_is_named() {
    let error = |line: &str| {
        let text = format!("title = \"x\"\n[[line]]\nside = \"client\"\n{line}");
        Patterns::parse(&text).unwrap_err().to_string()
    };
    assert!(error("step = \"sent\"\npattern = 'x'").contains("unknown variant `sent`"));
    assert!(error("step = \"opened\"\npattern = '('").contains("pattern 1 of the file"));
    let lacks = error("step = \"failed\"\npattern = 'x'");
    assert!(lacks.contains("has no group (?<error>"), "{lacks}");
    let unknown = error("step = \"opened\"\npattern = '(?<port>x)'");
    assert!(unknown.contains("a group \"port\""), "{unknown}");
    let large = error("step = \"opened\"\npattern = '(\\w{500}){500}'");
    assert!(large.contains("size limit"), "{large}");
    assert!(matches!(Patterns::parse("title = 1"), Err(PatternError::Form(_))));
}

#[test]
fn failures_are_read_from_stack_traces_of_several_languages() {
    let log = include_str!("traces.log");
    let records = read(Patterns::shipped(), log);
    let failures: Vec<_> = steps(&records)
        .filter_map(|(record, http)| {
            let Step::Failed(failure) = &http.step else { return None };
            Some((record.line, failure.how))
        })
        .collect();
    let line = |start: &str| {
        let found = log.lines().zip(1_u64..).find(|(line, _)| line.starts_with(start));
        found.unwrap_or_else(|| panic!("{start}")).1
    };
    let expected = [
        (line("2026-11-22 07:45:31"), How::Reset),
        (line("2026-11-22 07:46:31"), How::ResetOrClosed),
        (line("2026-11-22T07:47:31"), How::Closed),
        (line("2026-11-22T07:48:31"), How::Reset),
        (line("2026/11/22 07:49:31"), How::Closed),
        (line("2026-11-22 07:50:31"), How::Closed),
    ];
    assert_eq!(failures, expected);
}
