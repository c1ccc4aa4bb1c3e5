//! The report for people: the verdict first, then what shows it.

pub(super) mod remedy;

use core::fmt::Write as _;
use std::collections::BTreeMap;

use halfopen_core::cause::{Cause, Finding, Harm};
use textwrap::{Options, WordSplitter};

use super::remedy::Limit;
use super::untrusted::visible;
use super::value::At;
use super::{Capture, Log, Path, Report, Suspect, advice};
use crate::output::{BAD, BOLD, DIM, GOOD, WARN};

/// Healthy paths beyond this many are counted and not told one by one.
const HEALTHY_TOLD_MAX: usize = 10;

/// How wide a report is where nobody says how wide it should be.
pub(crate) const WIDTH: usize = 100;

/// Prints a report for people, in lines of up to `width` columns.
pub(crate) fn text(report: &Report, width: usize) -> String {
    let mut text = String::new();
    let healthy = |path: &&Path| path.cause == Cause::None;
    let several = report.captures.len() + report.logs.len() > 1;
    for path in report.paths.iter().filter(|path| !healthy(path)) {
        text.push_str(&trouble(path, several, width));
        text.push('\n');
    }
    let healthy: Vec<&Path> = report.paths.iter().filter(healthy).collect();
    for path in healthy.iter().take(HEALTHY_TOLD_MAX) {
        text.push_str(&well(path));
    }
    if let Some(more) = healthy.len().checked_sub(HEALTHY_TOLD_MAX).filter(|&more| more > 0) {
        let _ = writeln!(text, "Nothing is wrong with {more} more servers.");
    }
    if report.paths.is_empty() {
        text.push_str("There is no TCP connection in it, so there is nothing to judge.\n");
    }
    if !healthy.is_empty() || report.paths.is_empty() {
        text.push('\n');
    }
    text.push_str(&flows(report));
    for (index, capture) in report.captures.iter().enumerate() {
        text.push_str(&file(several.then_some(index), capture));
    }
    for (index, log) in report.logs.iter().enumerate() {
        text.push_str(&log_file(several.then_some(index), log));
    }
    for what in &report.notes {
        let _ = writeln!(text, "{WARN}note{WARN:#}: {}", visible(what));
    }
    text
}

/// A path with which something is wrong.
fn trouble(path: &Path, several: bool, width: usize) -> String {
    let style = match path.harm {
        Harm::Failed => BAD,
        Harm::Masked | Harm::Latent | Harm::None => WARN,
    };
    let mut text = String::new();
    let headline = textwrap::fill(&advice::headline(path), width);
    let _ = writeln!(text, "{style}{headline}{style:#}\n");
    let mechanism = path.mechanism.map_or(String::new(), |how| format!(" ({how})"));
    let mut say = |word, what: &str| text.push_str(&row(word, what, width));
    say("cause", &format!("{}{mechanism}: {}", path.cause, path.because));
    say("harm", &advice::harm(path));
    if let Some(limit) = advice::limit(path) {
        say("limit", &limit);
    }
    if let Some(who) = advice::who(path.culprit) {
        say("who", who);
    }
    for fits in path.limits.iter().filter_map(Limit::sentence) {
        say("fits", &fits);
    }
    // A value in the client's own words takes the place of the general advice.
    let general = path.advice.as_ref().is_none_or(|advice| advice.cap_s.is_none());
    if let Some(next) = advice::next(path).filter(|_| general) {
        text.push_str(&row("next", &next, width));
    }
    if let Some(advice) = &path.advice {
        text.push_str(&remedy::remedy(advice, width));
    }
    for note in &path.notes {
        text.push_str(&row("note", note, width));
    }
    if !path.suspects.is_empty() {
        text.push('\n');
        text.push_str(&suspects(&path.suspects, width));
    }
    if !path.evidence.is_empty() || !path.lines.is_empty() {
        text.push('\n');
        text.push_str(&table(path, several, width));
    }
    text
}

/// A line of the verdict: a word, and what there is to say.
pub(super) fn row(word: &str, what: &str, width: usize) -> String {
    let options = Options::new(width)
        .initial_indent("         ")
        .subsequent_indent("         ")
        .word_splitter(WordSplitter::NoHyphenation);
    let filled = textwrap::fill(&visible(what), options);
    format!("  {BOLD}{word:6}{BOLD:#} {}\n", filled.trim_start())
}

/// Who could have done it.
fn suspects(suspects: &[Suspect], width: usize) -> String {
    let column = suspects.iter().map(|it| it.who.len()).max().unwrap_or(0);
    let mut text = format!("  {DIM}{:column$}  {:11}  why{DIM:#}\n", "suspect", "standing");
    let indent = " ".repeat(column + 17);
    for Suspect { who, standing, why, settles, .. } in suspects {
        let why = match settles {
            Some(settles) => format!("{why}; {}", settles.what),
            None => why.clone(),
        };
        let _ = writeln!(text, "  {who:column$}  {standing:11}  {}", hang(&why, &indent, width));
        if let Some(command) = settles.as_ref().and_then(|settles| settles.command.as_ref()) {
            let _ = writeln!(text, "{indent}{}", visible(command));
        }
    }
    text
}

/// What shows it: the frames, then the lines.
fn table(path: &Path, several: bool, width: usize) -> String {
    let number = |kind: &str, index: usize, number: u64| {
        if several { format!("{kind}{index}:{number}") } else { number.to_string() }
    };
    let mut rows: Vec<(String, At, &str)> = Vec::new();
    rows.extend(path.evidence.iter().map(|e| (number("", e.capture, e.frame), e.at, &*e.fact)));
    rows.extend(path.lines.iter().map(|l| (number("log ", l.log, l.number), l.at, &*l.fact)));
    let word = if path.evidence.is_empty() { "line" } else { "frame" };
    let column = rows.iter().map(|(place, ..)| place.len()).max().unwrap_or(0).max(word.len());
    let mut text = format!("  {DIM}{word:>column$}  {:26}  what it shows{DIM:#}\n", "time (UTC)");
    let indent = " ".repeat(column + 32);
    for (place, at, fact) in rows {
        let _ = writeln!(text, "  {place:>column$}  {at}  {}", hang(fact, &indent, width));
    }
    text
}

/// Breaks a text into lines of which all but the first are indented.
pub(super) fn hang(text: &str, indent: &str, width: usize) -> String {
    let options = Options::new(width)
        .initial_indent(indent)
        .subsequent_indent(indent)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(&visible(text), options).trim_start().to_owned()
}

/// A path with which nothing is wrong.
fn well(path: &Path) -> String {
    let (headline, counts) = (advice::headline(path), advice::well(path));
    format!("{GOOD}{headline}{GOOD:#} {counts}\n")
}

/// How many flows there are of each finding.
fn flows(report: &Report) -> String {
    let mut findings: BTreeMap<Finding, usize> = BTreeMap::new();
    report.flows.iter().for_each(|flow| *findings.entry(flow.finding).or_default() += 1);
    if findings.is_empty() {
        return String::new();
    }
    let each: Vec<String> =
        findings.iter().map(|(finding, count)| format!("{count} {finding}")).collect();
    let mut text = format!("connections: {}", each.join(", "));
    if report.flows_omitted > 0 {
        let _ = write!(text, ", {} not listed", report.flows_omitted);
    }
    if report.counts.untracked > 0 {
        let _ =
            write!(text, "; {} packets of connections too many to follow", report.counts.untracked);
    }
    text + "\n"
}

/// A capture and what should be known of it.
fn file(index: Option<usize>, capture: &Capture) -> String {
    let name = index.map_or("capture".to_owned(), |index| format!("capture {index}"));
    let mut text = format!("{name}: {}, {} packets", visible(&capture.file), capture.packets);
    if let (Some(first), Some(last)) = (capture.first, capture.last) {
        let _ = write!(text, ", {first} to {last} UTC");
    }
    if let Some(clock) = capture.clock.filter(|clock| clock.is_telling()) {
        let _ = write!(text, ", clock {clock}");
    }
    text.push('\n');
    for what in &capture.notes {
        let _ = writeln!(text, "  {WARN}note{WARN:#}: {}", visible(what));
    }
    text
}

/// A log and what should be known of it.
fn log_file(index: Option<usize>, log: &Log) -> String {
    let name = index.map_or("log".to_owned(), |index| format!("log {index}"));
    let mut text = format!("{name}: {}, {}, {} records", visible(&log.file), log.form, log.records);
    if let (Some(first), Some(last)) = (log.first, log.last) {
        let _ = write!(text, ", {first} to {last} UTC");
    }
    if let Some(offset) = log.clock_offset_s.filter(|offset| offset.is_telling()) {
        let _ = write!(text, ", clock {offset}");
    }
    text.push('\n');
    for what in &log.notes {
        let _ = writeln!(text, "  {WARN}note{WARN:#}: {}", visible(what));
    }
    text
}
