//! Configurations with and without a mistake: of each rule, of public incidents, of the outage that
//! the project started from.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test's own files can be read"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use halfopen_check::{Document, RULES, Report, check};
use serde::Deserialize;

/// What a public incident was, and what is to be found in its configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    thread: String,
    symptom: String,
    findings: BTreeSet<String>,
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Returns the entries of a folder in their order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Checks the documents of a folder.
fn checked(folder: &Path) -> Report {
    let files = entries(folder).into_iter().filter(|file| name(file) != "case.toml");
    let documents: Vec<Document> = files
        .map(|file| Document::new(&name(&file), &fs::read_to_string(&file).unwrap()))
        .collect();
    let report = check(&documents).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    assert!(report.unknown.is_empty(), "{}: {:?}", folder.display(), report.unknown);
    assert!(report.unused.is_empty(), "{}: {:?}", folder.display(), report.unused);
    report
}

fn found(report: &Report) -> BTreeSet<String> {
    report.findings.iter().map(|finding| finding.rule.id.to_owned()).collect()
}

#[test]
fn every_rule_finds_its_bad_fixture_and_nothing_in_its_good_one() {
    let folders: BTreeSet<String> =
        entries(&tests().join("rules")).iter().map(|path| name(path)).collect();
    let ids: BTreeSet<String> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
    assert_eq!(folders, ids, "a folder for each rule, and no other");
    for id in ids {
        let folder = tests().join("rules").join(&id);
        let bad = checked(&folder.join("bad"));
        assert!(found(&bad).contains(&id), "{id}: {:#?}", bad.findings);
        let good = checked(&folder.join("good"));
        assert!(good.findings.is_empty(), "{id}: {:#?}", good.findings);
        assert!(!good.documents.is_empty(), "{id}");
    }
}

#[test]
fn public_incidents_are_found_in_their_configurations() {
    let cases = entries(&tests().join("incidents"));
    let mut with_findings = 0;
    for folder in cases {
        let text = fs::read_to_string(folder.join("case.toml")).unwrap();
        let case: Case = toml::from_str(&text).unwrap();
        assert!(case.thread.starts_with("https://github.com/"), "{}", folder.display());
        let report = checked(&folder);
        let findings = found(&report);
        assert_eq!(findings, case.findings, "{}: {}\n{report:#?}", folder.display(), case.symptom);
        assert!(report.legs > 0, "{}", folder.display());
        with_findings += usize::from(!findings.is_empty());
    }
    assert!(with_findings >= 30, "{with_findings}");
}

#[test]
fn the_incident_is_found_at_the_client_and_nowhere_else() {
    let report = checked(&tests().join("incident/found"));
    let [finding] = &*report.findings else { panic!("{:#?}", report.findings) };
    assert_eq!(finding.rule.id, "pool-outlives-box");
    // The client's limit is written nowhere, so the place is where it is named.
    assert_eq!(finding.place.to_string(), "path.toml:6:10");
    assert_eq!(
        finding.message,
        "Apache HttpClient 4 (billing) keeps idle connections for ever, and AWS NAT gateway \
         (aws_nat_gateway.main) forgets them after 350 s: the next request on it is reset"
    );
    assert_eq!(finding.related[1].place.to_string(), "plan.json:8:11");
}

#[test]
fn the_incident_with_a_limit_below_the_gateways_is_in_order() {
    let report = checked(&tests().join("incident/fixed"));
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!(report.legs, 1);
}

#[test]
fn a_comment_allows_a_finding_and_one_that_nothing_needs_is_told() {
    let path = |above: &str| {
        format!(
            "[[path]]\nname = \"p\"\n[[path.part]]\n{above}client = \"apache-httpclient-4\"\n\
             [[path.part]]\nbox = \"aws-nat-gateway\"\n"
        )
    };
    let check_one = |text: String| check(&[Document::new("path.toml", &text)]);
    let allowed =
        check_one(path("# halfopen: allow pool-outlives-box it is a batch job\n")).unwrap();
    assert!(allowed.findings.is_empty() && allowed.unused.is_empty(), "{allowed:#?}");
    assert_eq!(allowed.allowed[0].by.reason, "it is a batch job");
    let unused = check_one(path("# halfopen: allow timeout-order no longer so\n")).unwrap();
    assert_eq!((unused.findings.len(), unused.unused.len()), (1, 1));
    let stated = "[[allow]]\nrule = \"pool-outlives-box\"\npath = \"p\"\nreason = \"known\"\n";
    let stated = check_one(path("") + stated).unwrap();
    assert_eq!((stated.findings.len(), stated.allowed.len()), (0, 1));
    let error = |comment: &str| check_one(path(comment)).unwrap_err().to_string();
    assert!(error("# halfopen: allow pool-outlives-box\n").contains("say why"));
    assert!(error("# halfopen: allow no-such-rule why\n").contains("there is no rule"));
}

#[test]
fn the_document_has_the_rules_in_their_own_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let text = fs::read_to_string(root.join("docs/check.md")).unwrap();
    let (_, after) = text.split_once("<!-- rules -->\n").unwrap();
    let (rules, _) = after.split_once("<!-- end of rules -->").unwrap();
    let current = halfopen_check::rule::as_markdown();
    assert!(
        rules.trim() == current.trim(),
        "docs/check.md is not current: between its two comments belongs what `halfopen prevent \
         check --rules` prints"
    );
}
