//! Every mixture of a capture and its logs, against the truth: what is said is true, and what
//! cannot be told is said to be open.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test reads files")]

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use halfopen_capture::{Limits, Points, Source};
use halfopen_core::cause::{Cause, Culprit};
use halfopen_diagnosis::{Judgement, Logs};
use halfopen_logs::Lines;
use halfopen_logs::reader::HEAD_MAX;
use serde_json::Value;

const SOURCES: [&str; 6] = [
    "client.pcap",
    "client.log.gz",
    "alb.log.gz",
    "ss.log.gz",
    "server.log.gz",
    "server-side.pcap.gz",
];

fn folders() -> Vec<PathBuf> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures");
    let folders = fs::read_dir(captures).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> =
        folders.filter(|folder| folder.join("client.log.gz").exists()).collect();
    folders.sort();
    assert!(folders.len() >= 13, "there are captures with logs");
    folders
}

/// Returns every mixture of a folder's sources.
fn mixtures(folder: &Path) -> Vec<Vec<&'static str>> {
    let there: Vec<&str> =
        SOURCES.into_iter().filter(|source| folder.join(source).exists()).collect();
    let chosen = |bits: usize| {
        there.iter().enumerate().filter(move |(at, _)| bits >> at & 1 == 1).map(|(_, it)| *it)
    };
    (1..1 << there.len()).map(|bits| chosen(bits).collect()).collect()
}

fn judge(folder: &Path, sources: &[&str]) -> Judgement {
    let mut points = Points::new(Limits::default(), 1).compared();
    let mut logs = Logs::new();
    let mut captures = 0;
    for source in sources {
        let path = folder.join(source);
        if source.contains("pcap") {
            let source = Source::open(File::open(&path).unwrap()).unwrap();
            points.read(captures, &path.display().to_string(), source);
            captures += 1;
        } else {
            let mut head = Lines::new(File::open(&path).unwrap()).unwrap();
            let head = head.peek().unwrap();
            let form = halfopen_logs::recognise(&head[..head.len().min(HEAD_MAX)]);
            let mut file = File::open(&path).unwrap();
            let bytes: &mut dyn Read = &mut file;
            logs.read(form.expect("the form is known"), Lines::new(bytes).unwrap());
        }
    }
    halfopen_diagnosis::judge(&points, captures, logs.list())
}

/// What is true of a folder, in the words of a report.
struct Truth {
    whole: Value,
    causes: Vec<String>,
}

impl Truth {
    fn of(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("truth.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let whole = file["truth"].clone();
        let accepted = whole["accept"].as_array().into_iter().flatten();
        let causes = [&whole].into_iter().chain(accepted).filter_map(|it| it["cause"].as_str());
        Self { causes: causes.map(str::to_owned).collect(), whole }
    }

    fn allows_culprit(&self, culprit: Culprit) -> bool {
        culprit == Culprit::Unknown
            || self.whole["culprit"].as_str().is_none_or(|it| it == culprit.as_str())
    }

    /// Tells whether a bracket holds the limit: the truth's own ends are the pauses that were made.
    fn allows_limit(&self, survived: Option<f64>, died: f64) -> bool {
        let [lower, upper] = [0, 1].map(|at| self.whole["bracket"][at].as_f64());
        let near = |one: f64, other: f64| (one - other).abs() <= 1.0_f64.max(0.02 * other);
        upper.is_none_or(|upper| near(died, upper))
            && lower.zip(survived).is_none_or(|(lower, survived)| near(survived, lower))
    }
}

/// Returns what a judgement says in short, and whether it accuses nobody falsely.
fn verdict(judgement: &Judgement, truth: &Truth, whole: bool) -> (String, bool) {
    let [path] = &*judgement.paths else { return (format!("{:?}", judgement.paths), false) };
    let open = matches!(path.cause, Cause::None | Cause::Inconclusive);
    let caused = truth.causes.iter().any(|cause| cause == path.cause.as_str());
    let [survived, died] = [path.survived, path.died].map(|it| it.map(|it| it.as_secs_f64()));
    let limited = died.is_none_or(|died| truth.allows_limit(survived, died));
    let fair = truth.allows_culprit(path.culprit);
    let told = path.cause == Cause::None || !path.evidence.is_empty();
    let secs = |it: Option<f64>| it.map_or("?".to_owned(), |it| format!("{it:.0}"));
    let limit = died.map_or(String::new(), |_| format!(" {}..{} s", secs(survived), secs(died)));
    let mechanism = path.mechanism.map_or(String::new(), |it| format!(" ({it})"));
    let short = format!("{}{mechanism}, {}{limit}", path.cause, path.culprit);
    (short, (caused || open && !whole) && limited && fair && told)
}

#[test]
fn no_mixture_of_sources_accuses_falsely_and_a_capture_stays_right() {
    let mut table = String::new();
    for folder in folders() {
        let truth = Truth::of(&folder);
        let (alone, _) = verdict(&judge(&folder, &["client.pcap"]), &truth, true);
        let mut without_capture: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for sources in mixtures(&folder) {
            let whole = sources.contains(&"client.pcap");
            let (said, fair) = verdict(&judge(&folder, &sources), &truth, whole);
            assert!(fair, "{} of {sources:?}: {said}, not {}", folder.display(), truth.whole);
            assert!(!whole || said == alone, "{}: {said}, not {alone}", folder.display());
            if !whole {
                let names = sources.iter().map(|it| it.split_once('.').unwrap().0);
                let names = names.collect::<Vec<_>>().join("+");
                without_capture.entry(said).or_default().push(names);
            }
        }
        writeln!(table, "{}", folder.file_name().unwrap().display()).unwrap();
        for (said, sources) in without_capture {
            writeln!(table, "  {said}").unwrap();
            for names in sources {
                writeln!(table, "    {names}").unwrap();
            }
        }
    }
    insta::assert_snapshot!("without_the_clients_capture", table);
}
