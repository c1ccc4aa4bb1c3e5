//! A hunt for people: one screen an experiment, and one for the fixes.

use core::fmt::Write as _;

use halfopen_core::time::Duration;
use halfopen_lab::hunt::{Change, Check, Experiment, Fix, Hunt, Outcome, Trial};
use textwrap::{Options, WordSplitter};

use super::places;
use crate::output::{BAD, BOLD, DIM, GOOD};

/// How wide the text is.
const WIDTH: usize = 100;
/// The width of what stands on the left.
const LABEL: usize = 14;
/// The lines of a wire log that are shown.
const LOG_LINES_MAX: usize = 12;

/// Tells a hunt.
pub(super) fn text(hunt: &Hunt, outcome: &Outcome, seed: u64) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}\n\n", hunt.title);
    let _ = writeln!(text, "{}\n", textwrap::fill(&hunt.about.replace('\n', " "), WIDTH));
    if !hunt.suspects.is_empty() {
        text.push_str("Suspects\n");
        for suspect in &hunt.suspects {
            row(&mut text, &suspect.name, &suspect.why);
        }
        text.push('\n');
    }
    let mut log_shown = false;
    for (experiment, trial) in hunt.experiments.iter().zip(&outcome.experiments) {
        tell_experiment(&mut text, experiment, trial);
        if !log_shown && trial.seen.wire_log_of_failure().is_some() {
            log_shown = true;
            tell_log(&mut text, trial);
        }
        text.push('\n');
    }
    tell_suspects(&mut text, hunt, outcome);
    tell_fixes(&mut text, hunt, outcome);
    tell_end(&mut text, outcome);
    let costed = outcome.fixes.len() + 1;
    let again = if hunt.costs_over.is_some() { costed } else { 0 };
    let runs = outcome.experiments.len() + costed + again;
    let _ = writeln!(
        text,
        "{DIM}{runs} runs of the scenario `{}` in virtual time, seed {seed}{DIM:#}",
        hunt.scenario.name
    );
    text
}

fn tell_experiment(text: &mut String, experiment: &Experiment, trial: &Trial) {
    let _ = writeln!(text, "{BOLD}Step {}: {}{BOLD:#}", experiment.step, experiment.title);
    row(text, "hypothesis", &experiment.hypothesis);
    if let Some(stands) = trial.hypothesis_stands() {
        let told: Vec<String> = trial.if_so.iter().map(if_so).collect();
        let (style, verdict) = if stands { (GOOD, "stands") } else { (BAD, "refuted") };
        row(text, "", &format!("{style}{verdict}{style:#}: if so, {}", told.join("; ")));
    }
    row(text, "changed", &changed(&experiment.variant.changes));
    let mut label = "prediction";
    for check in &trial.checks {
        row(text, label, &held(check));
        label = "";
    }
    text.push_str("  seen by\n");
    for place in places::tell(&experiment.variant.scenario, &trial.seen) {
        row(text, &format!("  {}", place.name), &place.seen);
    }
    for it in &experiment.rules_out {
        let (label, style) = if trial.held() { ("ruled out", BOLD) } else { ("not shown", BAD) };
        row(text, label, &format!("{style}{}{style:#}: {}", it.suspect, it.because));
    }
    if !experiment.lesson.is_empty() {
        row(text, "lesson", &experiment.lesson);
    }
}

/// Tells what was changed, place by place.
fn changed(changes: &[Change]) -> String {
    let mut text = String::new();
    for places in changes.chunk_by(|one, other| one.place == other.place) {
        let place = &places[0].place;
        let separator = if text.is_empty() { "" } else { "; " };
        let values: Vec<String> = places.iter().map(value).collect();
        let colon = if place.is_empty() { "" } else { ": " };
        let _ = write!(text, "{separator}{place}{colon}{}", values.join(", "));
    }
    if text.is_empty() { "nothing".to_owned() } else { text }
}

fn value(change: &Change) -> String {
    match (&change.key, &change.after, &change.before) {
        (Some(key), Some(after), Some(before)) => format!("{key} = {after} (was {before})"),
        (Some(key), Some(after), None) => format!("{key} = {after}"),
        (None, _, _) | (_, None, _) => "taken out of the path".to_owned(),
    }
}

fn if_so(check: &Check) -> String {
    let name = check.prediction.term.key;
    if check.held() {
        return format!("{name} {}, as seen", check.seen);
    }
    format!("{name} {}, and {} was seen", check.prediction.amount, check.seen)
}

fn held(check: &Check) -> String {
    let name = check.prediction.term.key;
    let predicted = format!("{name} {}", check.prediction.amount);
    if check.held() {
        return format!("{predicted:50} {GOOD}held{GOOD:#}");
    }
    format!("{predicted:50} {BAD}FAILED: {} was seen{BAD:#}", check.seen)
}

/// Shows what the pool's wire log says of the first request that failed.
fn tell_log(text: &mut String, trial: &Trial) {
    let Some(lines) = trial.seen.wire_log_of_failure() else { return };
    let _ = writeln!(text, "  {DIM}the pool's wire log of the first request that failed:{DIM:#}");
    for line in lines.iter().take(LOG_LINES_MAX) {
        // The day is the same in all lines.
        let line = line.split_once(' ').map_or(*line, |(_, after)| after);
        let mut shown: String = line.chars().take(WIDTH - 4).collect();
        if shown.len() < line.len() {
            shown.pop();
            shown.push('…');
        }
        let _ = writeln!(text, "    {DIM}{shown}{DIM:#}");
    }
}

/// Tells who was ruled out, and who is left.
fn tell_suspects(text: &mut String, hunt: &Hunt, outcome: &Outcome) {
    if hunt.suspects.is_empty() {
        return;
    }
    let _ = writeln!(text, "{BOLD}Who is left{BOLD:#}");
    let remaining = outcome.remaining(hunt);
    for suspect in &hunt.suspects {
        let rules_out = |experiment: &Experiment| {
            experiment.rules_out.iter().any(|it| it.suspect == suspect.name)
        };
        let step = hunt.experiments.iter().find(|experiment| rules_out(experiment));
        let is_left = remaining.contains(&suspect);
        match step.filter(|_| !is_left) {
            Some(experiment) => {
                row(text, &suspect.name, &format!("ruled out by step {}", experiment.step));
            }
            None => row(text, &suspect.name, &format!("{BOLD}left{BOLD:#}")),
        }
    }
    text.push('\n');
}

fn tell_fixes(text: &mut String, hunt: &Hunt, outcome: &Outcome) {
    if hunt.fixes.is_empty() {
        return;
    }
    let _ = writeln!(text, "{BOLD}The fixes, side by side{BOLD:#}");
    let titles = hunt.fixes.iter().map(|fix| fix.title.chars().count());
    let width = titles.max().unwrap_or(0).max("as it is".len());
    let _ = writeln!(
        text,
        "  {DIM}{:3} {:width$} {:>7} {:>6} {:>8} {:>8} {:>8} {:>7}{DIM:#}",
        "", "", "", "", "extra", "extra", "extra", "charged"
    );
    let _ = writeln!(
        text,
        "  {DIM}{:3} {:width$} {:>7} {:>6} {:>8} {:>8} {:>8} {:>7}{DIM:#}",
        "", "", "failed", "opened", "mean ms", "p99 ms", "most ms", "twice"
    );
    cost(text, "", "as it is", width, &outcome.before, outcome.floor);
    for ((number, fix), trial) in (1..).zip(&hunt.fixes).zip(&outcome.fixes) {
        cost(text, &starred(number, fix), &fix.title, width, trial, outcome.floor);
    }
    let length = hunt.costs_over.unwrap_or(hunt.scenario.length);
    let floor = format!(
        "Counted over {}. Extra is the time of an answer beyond {:.1} ms, the fastest of all runs; \
         requests that failed have none. A star marks what the incident's report did not name.",
        humantime::format_duration(length),
        outcome.floor.as_secs_f64() * 1e3
    );
    let _ = writeln!(text, "\n{}\n", textwrap::fill(&floor, WIDTH));
    for ((number, fix), trial) in (1..).zip(&hunt.fixes).zip(&outcome.fixes) {
        tell_fix(text, number, fix, trial);
    }
    text.push('\n');
}

/// Marks what those who suffered did not think of.
fn starred(number: usize, fix: &Fix) -> String {
    format!("{number}{}", if fix.named { "" } else { "*" })
}

/// A row of the table of fixes.
fn cost(
    text: &mut String,
    number: &str,
    title: &str,
    width: usize,
    trial: &Trial,
    floor: Duration,
) {
    let costs = &trial.costs;
    let ms = |time: Option<Duration>| {
        time.map_or("–".to_owned(), |time| format!("{:.2}", time.as_secs_f64() * 1e3))
    };
    let style = if costs.failures == 0 { GOOD } else { BAD };
    let _ = writeln!(
        text,
        "  {number:3} {title:width$} {style}{:>7}{style:#} {:>6} {:>8} {:>8} {:>8} {:>7}",
        format!("{}/{}", costs.failures, costs.requests),
        costs.connections,
        ms(costs.extra_mean(floor)),
        ms(costs.extra_p99(floor)),
        ms(costs.extra_max(floor)),
        costs.duplicates
    );
}

/// What a fix changes, and what it costs in words. That its prediction held goes without saying.
fn tell_fix(text: &mut String, number: usize, fix: &Fix, trial: &Trial) {
    row(text, &starred(number, fix), &changed(&fix.variant.changes));
    if !fix.note.is_empty() {
        row(text, "", &fix.note);
    }
    for check in trial.checks.iter().filter(|check| !check.held()) {
        row(text, "", &held(check));
    }
}

fn tell_end(text: &mut String, outcome: &Outcome) {
    let trials = outcome.experiments.iter().chain(&outcome.fixes);
    let checks: Vec<&Check> = trials.flat_map(|trial| &trial.checks).collect();
    let held = checks.iter().filter(|check| check.held()).count();
    let _ = if held == checks.len() {
        writeln!(text, "{GOOD}All {held} predictions held.{GOOD:#}")
    } else {
        writeln!(
            text,
            "{BAD}{} of {} predictions failed.{BAD:#}",
            checks.len() - held,
            checks.len()
        )
    };
}

/// A line with a word on the left, wrapped on the right.
fn row(text: &mut String, label: &str, what: &str) {
    let width = LABEL.max(label.chars().count());
    let indent = " ".repeat(width + 3);
    let options = Options::new(WIDTH)
        .initial_indent(&indent)
        .subsequent_indent(&indent)
        .word_splitter(WordSplitter::NoHyphenation);
    let filled = textwrap::fill(&what.replace('\n', " "), options);
    let _ = writeln!(text, "  {label:width$} {}", filled.trim_start());
}
