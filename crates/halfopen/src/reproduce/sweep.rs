//! `halfopen reproduce --sweep`: which pause between two requests has which outcome.

mod chart;
mod scale;

use core::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use halfopen_core::scenario::Scenario;
use halfopen_core::time::Duration;
use halfopen_lab::sweep::series::Lane;
use halfopen_lab::sweep::words::{Kind, Span};
use halfopen_lab::sweep::{Band, Plan, Sweep, sweep};
use serde::Serialize;

use crate::Outcome;
use crate::cli::Reproduce;
use crate::failure::Failure;
use crate::output::{self, BAD, BOLD, DIM, GOOD, WARN};
use crate::report::value::Seconds;

/// Tries pauses on the scenario's path, in place of its own requests.
pub(super) fn run(order: &Reproduce, scenario: &Scenario) -> Result<Outcome, Failure> {
    let options = &order.sweep;
    if let Some(file) = options.svg.as_deref().filter(|file| file.exists()) {
        return Err(Failure::Exists(file.to_owned()));
    }
    let name = scenario.name.clone();
    let failed = |error| Failure::Run { scenario: scenario.name.clone(), error };
    let mut lane = Lane::of(scenario).map_err(failed)?;
    lane.seed = order.seed.unwrap_or(scenario.seed);
    if let Some(method) = &options.method {
        lane = lane.asking(method);
    }
    let plan = Plan { up_to: options.up_to, step: options.step, ..Plan::DEFAULT };
    let sweep =
        sweep(&lane, &plan).map_err(|error| Failure::Sweep { scenario: name.clone(), error })?;
    let finding = Finding { scenario, lane: &lane, plan, sweep };
    if let Some(file) = &options.svg {
        save(file, &finding.chart())?;
    }
    output::print(&if order.json { finding.json() } else { finding.text() })?;
    Ok(if finding.worst() >= Kind::Fails { Outcome::Found } else { Outcome::Clear })
}

fn save(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Save { path: file.to_owned(), error })
}

/// What was found, for whom it is told to.
struct Finding<'a> {
    scenario: &'a Scenario,
    lane: &'a Lane,
    plan: Plan,
    sweep: Sweep,
}

impl Finding<'_> {
    fn worst(&self) -> Kind {
        let kinds = self.sweep.bands.iter().map(|band| band.answer.kind());
        kinds.max().unwrap_or(Kind::Reused)
    }

    /// Says in a line what was tried.
    fn question(&self) -> String {
        let method = self.lane.method();
        format!("{method}, a pause, {method}: what becomes of the second, by the pause")
    }

    fn text(&self) -> String {
        let mut text = format!("{BOLD}{}{BOLD:#}\n", self.scenario.title);
        let _ = writeln!(text, "{}\n", self.question());
        for (band, when) in self.sweep.bands.iter().zip(self.whens()) {
            let what = band.answer.to_string();
            let colour = colour(band.answer.kind());
            let _ = writeln!(text, "  {when:<24}{colour}{what}{colour:#}");
        }
        let (runs, seed) = (self.sweep.runs, self.lane.seed);
        let told = format!("{runs} pauses tried, each in a run of its own; seed {seed}");
        let _ = writeln!(text, "\n{DIM}{told}{DIM:#}");
        text
    }

    fn json(&self) -> String {
        let report = Report {
            format: 1,
            scenario: &self.scenario.name,
            title: &self.scenario.title,
            seed: self.lane.seed,
            method: self.lane.method(),
            up_to_s: Seconds(self.plan.up_to),
            runs: self.sweep.runs,
            bands: self.sweep.bands.iter().map(BandReport::from).collect(),
        };
        let json = serde_json::to_string_pretty(&report).expect("text and numbers are JSON");
        json + "\n"
    }

    /// Says for each band which pauses are in it. Each ends where the next begins.
    fn whens(&self) -> Vec<String> {
        let ends = self.sweep.bands.iter().skip(1).map(|next| next.from);
        let ends = ends.chain([self.plan.up_to]);
        let when = |(band, end): (&Band, Duration)| {
            if self.sweep.bands.len() == 1 {
                return "after any pause".to_owned();
            }
            if end.abs_diff(band.from) < Duration::from_secs(1) && !band.from.is_zero() {
                // Rounded to seconds it would end where it begins.
                return format!("at {:.3} s", band.from.as_secs_f64());
            }
            format!("{} – {}", edge(band.from), edge(end))
        };
        self.sweep.bands.iter().zip(ends).map(when).collect()
    }
}

fn edge(pause: Duration) -> String {
    if pause.is_zero() { "0 s".to_owned() } else { Span(pause).to_string() }
}

const fn colour(kind: Kind) -> anstyle::Style {
    match kind {
        Kind::Reused | Kind::Reopened => GOOD,
        Kind::Resent => WARN,
        Kind::Fails | Kind::Hangs | Kind::Doubled => BAD,
    }
}

#[derive(Serialize)]
struct Report<'a> {
    format: u32,
    scenario: &'a str,
    title: &'a str,
    seed: u64,
    method: &'a str,
    up_to_s: Seconds,
    runs: usize,
    bands: Vec<BandReport>,
}

#[derive(Serialize)]
struct BandReport {
    from_s: Seconds,
    to_s: Seconds,
    kind: String,
    what: String,
    took_s: Seconds,
    received: u32,
}

impl From<&Band> for BandReport {
    fn from(band: &Band) -> Self {
        let Band { from, to, answer } = band;
        Self {
            from_s: Seconds(*from),
            to_s: Seconds(*to),
            kind: answer.kind().to_string(),
            what: answer.to_string(),
            took_s: Seconds(answer.took),
            received: answer.received,
        }
    }
}
