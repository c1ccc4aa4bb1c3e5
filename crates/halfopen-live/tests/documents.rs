//! The dashboard, the rules and the page on metrics name what the exporter has, and all of it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use halfopen_capture::News;
use halfopen_core::cause::{Cause, Culprit, Finding, Harm};
use halfopen_core::flow::FlowKey;
use halfopen_core::time::Duration;
use halfopen_core::verdict::Verdict;
use halfopen_live::metrics::{Metrics, Risk};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

const SERVER: ([u8; 4], u16) = ([203, 0, 113, 9], 443);

fn read(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(file).unwrap()
}

/// Returns every name of a metric in a text; none of a histogram's parts.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics = words.filter(|word| word.starts_with("halfopen_"));
    metrics.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

/// Returns one of each kind of news: a metric by server is not there before there is a server.
fn examples() -> Vec<News> {
    let (server, idle) = (SERVER.into(), Duration::from_secs(351));
    let ended = |finding| News::Ended {
        verdict: Verdict {
            flow: FlowKey::tcp(([10, 0, 0, 7], 40_000).into(), server),
            finding,
            mechanism: None,
            idle: Some(idle),
            harm: Harm::Failed,
            culprit: Culprit::Hop,
            evidence: Vec::new(),
        },
        cause: Cause::IdleExpiry,
    };
    vec![
        ended(Finding::ResetOnReuse),
        ended(Finding::SilentDrop),
        News::Survived { server, idle },
        News::Narrowed { server, survived: None, died: idle },
    ]
}

/// Returns the names of the metrics that the exporter has, as a query has to write them.
fn exported() -> BTreeSet<String> {
    let mut registry = Registry::default();
    let mut metrics = Metrics::register(&mut registry);
    for news in examples() {
        metrics.count(&news);
    }
    metrics.show_at_risk(Risk::PastLimit, [(SERVER.into(), 1)].into_iter());
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    kinds
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.into() })
        .collect()
}

#[test]
fn dashboard_rules_and_documents_name_metrics_that_there_are() {
    let exported = exported();
    for file in ["live/dashboard.json", "live/alerts.yml", "live.md"] {
        let named = names(&read(file));
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}, and there is {exported:?}");
    }
    for file in ["live/dashboard.json", "live.md"] {
        let named = names(&read(file));
        let missing: Vec<_> = exported.difference(&named).collect();
        assert!(missing.is_empty(), "{file} does not name {missing:?}");
    }
}

#[test]
fn the_dashboard_is_json_and_each_panel_asks_for_something() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("live/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10);
    for panel in panels {
        let asked = panel["targets"][0]["expr"].as_str().unwrap();
        assert!(asked.contains("halfopen_"), "{}", panel["title"]);
    }
}
