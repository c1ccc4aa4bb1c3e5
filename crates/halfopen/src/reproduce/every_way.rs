//! `halfopen reproduce --live --every-way`: what becomes of the user's client's second request.

mod words;

use core::fmt::Write as _;
use std::thread;

use anstyle::Style;
use halfopen_live::every_way::{self, Cell, Client, Fate, LIMIT, Method, Outcome, Pause, Way};
use halfopen_live::namespace::become_owner;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde::Serialize;

use super::live::LabFailure;
use crate::cli::Reproduce;
use crate::failure::Failure;
use crate::output::{self, BAD, BOLD, DIM, GOOD, WARN};
use crate::report::value::Seconds;
use words::{failure, last};

/// Trials that run at once, for each core: most of the time they wait.
const AT_ONCE_PER_CORE: usize = 3;
/// How wide a column of verdicts is.
const COLUMN: usize = 26;

pub(super) fn run(order: &Reproduce) -> Result<crate::Outcome, Failure> {
    // Clap asks for a command.
    let (program, arguments) = order.lab.command.split_first().expect("there is a command");
    become_owner().map_err(LabFailure::Refused)?;
    let client = Client { program: program.clone(), arguments: arguments.to_vec() };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let bar = bar();
    let mut trials = Vec::new();
    every_way::try_all(&client, cores * AT_ONCE_PER_CORE, |cell, outcome| {
        trials.push(Trial { cell, outcome });
        bar.inc(1);
    })
    .map_err(LabFailure::EveryWay)?;
    bar.finish_and_clear();
    trials.sort_by_key(|trial| (trial.cell.pause, trial.cell.way, trial.cell.method));
    output::print(&if order.json { json(&client, &trials) } else { text(&client, &trials) })?;
    let survives = |trial: &Trial| trial.verdict() == Verdict::Survives;
    let clear = trials.iter().all(survives);
    Ok(if clear { crate::Outcome::Clear } else { crate::Outcome::Found })
}

/// Returns a line on standard error, if that is a terminal.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{pos} of {len} trials").expect("it is well formed");
    let length = Cell::all().len() as u64;
    let bar = ProgressBar::with_draw_target(Some(length), output::progress());
    bar.with_style(style).with_finish(ProgressFinish::AndClear)
}

/// A cell and what became of the request there.
struct Trial {
    cell: Cell,
    outcome: Outcome,
}

/// What is to be told of a cell first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Survives,
    Errors,
    Hangs,
    Duplicates,
    /// The program did not do what this needs.
    Unclear,
}

impl Trial {
    const fn verdict(&self) -> Verdict {
        match self.outcome.fate {
            Fate::Reused | Fate::KeptAwake | Fate::Reopened | Fate::NotKept | Fate::Resent => {
                Verdict::Survives
            }
            Fate::Failed => Verdict::Errors,
            Fate::Hung => Verdict::Hangs,
            Fate::Doubled => Verdict::Duplicates,
            Fate::PauseNotKept(_) | Fate::NoSecond | Fate::NoRequest => Verdict::Unclear,
        }
    }

    const fn style(&self) -> Style {
        match (self.verdict(), self.outcome.fate) {
            (Verdict::Survives, Fate::Resent) | (Verdict::Unclear, _) => WARN,
            (Verdict::Survives, _) => GOOD,
            (Verdict::Errors | Verdict::Hangs | Verdict::Duplicates, _) => BAD,
        }
    }

    /// Says what became of the request, in a column.
    fn told(&self) -> String {
        let took = self.outcome.took.unwrap_or_default().as_secs_f64();
        match self.outcome.fate {
            Fate::Reused => "survives: reused".to_owned(),
            Fate::KeptAwake => "survives: kept awake".to_owned(),
            Fate::Reopened => "survives: reopened".to_owned(),
            Fate::NotKept => "survives: not kept".to_owned(),
            Fate::Resent => "survives: sent again".to_owned(),
            Fate::Failed => "errors".to_owned(),
            Fate::Hung if self.outcome.code.is_none() => format!("hangs ≥ {took:.0} s"),
            Fate::Hung => format!("hangs {took:.1} s"),
            Fate::Doubled => "duplicates".to_owned(),
            Fate::PauseNotKept(quiet) => format!("paused {:.1} s only", quiet.as_secs_f64()),
            Fate::NoSecond => "no second request".to_owned(),
            Fate::NoRequest => "no request came".to_owned(),
        }
    }

    /// Returns the client's own words, if it did not end well.
    fn words(&self) -> Option<String> {
        match self.outcome.code {
            Some(0) => None,
            Some(_) => failure(&self.outcome.output).or_else(|| last(&self.outcome.output)),
            None => failure(&self.outcome.output),
        }
    }
}

fn text(client: &Client, trials: &[Trial]) -> String {
    let mut notes: Vec<String> = Vec::new();
    let mut text = format!("{BOLD}{}{BOLD:#}\n", command(client));
    let _ = writeln!(
        text,
        "What becomes of its second request on a path that remembers connections for {} s\n",
        LIMIT.as_secs()
    );
    let heads = [Method::Get, Method::Post].map(|method| method.to_string());
    let _ = writeln!(text, "{DIM}  {:18}{:COLUMN$}{}{DIM:#}", "", heads[0], heads[1]);
    for pause in [Pause::Below, Pause::Above] {
        let _ = writeln!(text, "after {} s", pause.length().as_secs());
        for way in Way::ALL {
            let _ = write!(text, "  {:18}", way.to_string());
            let of_row = trials.iter().filter(|one| (one.cell.pause, one.cell.way) == (pause, way));
            let cells: String = of_row.map(|trial| cell(trial, &mut notes)).collect();
            let _ = writeln!(text, "{}", cells.trim_end());
        }
    }
    for (note, number) in notes.iter().zip(1..) {
        let _ = write!(text, "{}[{number}] {note}", if number == 1 { "\n" } else { "" });
        text.push('\n');
    }
    text
}

/// Writes a verdict as wide as its column, with the number of its words among the notes.
fn cell(trial: &Trial, notes: &mut Vec<String>) -> String {
    let mut told = trial.told();
    if let Some(words) = trial.words() {
        let known = notes.iter().position(|note| *note == words);
        let number = known.unwrap_or_else(|| {
            notes.push(words);
            notes.len() - 1
        });
        let _ = write!(told, " [{}]", number + 1);
    }
    let style = trial.style();
    let room = " ".repeat(COLUMN.saturating_sub(told.chars().count()).max(1));
    format!("{style}{told}{style:#}{room}")
}

fn command(client: &Client) -> String {
    let parts = core::iter::once(&client.program).chain(&client.arguments);
    let parts: Vec<String> = parts.map(|part| part.to_string_lossy().into_owned()).collect();
    parts.join(" ")
}

/// The findings for programs.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    command: String,
    limit_s: Seconds,
    cells: Vec<CellForm<'a>>,
}

#[derive(Serialize)]
struct CellForm<'a> {
    way: String,
    method: String,
    pause_s: Seconds,
    verdict: Verdict,
    how: &'a str,
    took_s: Option<Seconds>,
    exit_code: Option<u8>,
    words: Option<String>,
}

fn json(client: &Client, trials: &[Trial]) -> String {
    let cells = trials.iter().map(|trial| CellForm {
        way: trial.cell.way.to_string(),
        method: trial.cell.method.to_string(),
        pause_s: Seconds(trial.cell.pause.length()),
        verdict: trial.verdict(),
        how: how(trial.outcome.fate),
        took_s: trial.outcome.took.map(Seconds),
        exit_code: trial.outcome.code,
        words: trial.words(),
    });
    let document = Document {
        format: 1,
        command: command(client),
        limit_s: Seconds(LIMIT),
        cells: cells.collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("it has only plain values");
    text.push('\n');
    text
}

const fn how(fate: Fate) -> &'static str {
    match fate {
        Fate::Reused => "reused",
        Fate::KeptAwake => "kept-awake",
        Fate::Reopened => "reopened",
        Fate::NotKept => "not-kept",
        Fate::Resent => "resent",
        Fate::Failed => "failed",
        Fate::Hung => "hung",
        Fate::Doubled => "doubled",
        Fate::PauseNotKept(_) => "pause-not-kept",
        Fate::NoSecond => "no-second-request",
        Fate::NoRequest => "no-request",
    }
}
