//! `halfopen diagnose`: from captures and logs to a report.

mod again;
pub(crate) mod client;
#[cfg(feature = "parquet")]
mod evidence;
mod input;
mod interrupt;
#[cfg(target_os = "linux")]
mod live;

use core::hash::{BuildHasher as _, Hasher as _};
use std::fs;
use std::hash::RandomState;
use std::io::{Read, Write as _};
use std::path::Path;

use halfopen_capture::{Limits, Points, Summary, pcap};
use halfopen_core::cause::Cause;
use halfopen_diagnosis::Logs;
use halfopen_logs::pattern::Patterns;
use halfopen_logs::{Lines, program};

use crate::Outcome;
use crate::cli::{Diagnose, Format};
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output;
use crate::report::{self, Report, Sources};
use again::Again;
use input::{Captures, Inputs, Reading};
pub(crate) use interrupt::Interrupt;
#[cfg(target_os = "linux")]
pub(crate) use live::LiveFailure;

pub(crate) fn run(order: &Diagnose) -> Result<Outcome, Failure> {
    match &order.live.interface {
        Some(interface) => watch(order, interface),
        None => read(order),
    }
}

#[cfg(target_os = "linux")]
fn watch(order: &Diagnose, interface: &str) -> Result<Outcome, Failure> {
    live::run(order, interface).map_err(Failure::from)
}

#[cfg(not(target_os = "linux"))]
fn watch(_: &Diagnose, _: &str) -> Result<Outcome, Failure> {
    Err(Failure::NotLinux)
}

fn read(order: &Diagnose) -> Result<Outcome, Failure> {
    #[cfg(feature = "parquet")]
    if let Some(outcome) = evidence::fleet(order)? {
        return Ok(outcome);
    }
    let client = order.client.as_deref().map(client::named).transpose()?;
    let interrupt = Interrupt::listen();
    let Inputs { reading, captures, logs, mut notes } = Inputs::open(order, interrupt.clone())?;
    let names: Vec<String> = captures.iter().map(input::Capture::name).collect();
    let points = Points::new(Limits::default(), RandomState::new().build_hasher().finish());
    let sources = captures.len() + logs.len();
    let mut points = if sources > 1 { points.compared() } else { points };
    let mut summaries: Vec<Summary> = names.iter().map(|_| Summary::default()).collect();
    let captures = input::in_order_of_time(captures);
    let again = Again::new(&captures);
    let page = new_file(order.html.as_deref(), &again, order)?;
    let copy = new_file(order.annotate.as_deref(), &again, order)?;
    if copy.is_some() {
        again.only()?;
    }
    let mut captures = Captures::new(captures, reading.clone());
    while let Some((capture, family, stretches)) = captures.next()? {
        if interrupt.asked() {
            summaries[capture].stopped = true;
            continue;
        }
        let summary = points.read(capture, &family, stretches);
        summaries[capture] = check(summary, &names[capture])?;
    }
    let log_names: Vec<String> = logs.iter().map(input::Log::name).collect();
    let logs = read_logs(logs, order.pattern.as_deref(), &reading)?;
    interrupt.reading_is_over();
    if interrupt.asked() {
        notes.push("the reading was interrupted: only what was read is judged".to_owned());
    }
    let sources = Sources {
        captures: names.iter().zip(&summaries).collect(),
        points: &points,
        logs: log_names.iter().zip(logs.list()).collect(),
        notes,
    };
    let mut judgement = halfopen_diagnosis::judge(&points, names.len(), logs.list());
    judgement.advise(client.as_ref(), logs.list());
    #[cfg(feature = "parquet")]
    evidence::write(&order.learning, &judgement, &points)?;
    let report = Report::new(sources, judgement);
    if let Some(page) = page {
        let (pictures, unseen) = again.look(&report, &points, &interrupt);
        save(page, report::html(&report, &pictures, unseen.as_deref()).as_bytes())?;
    }
    if let Some(copy) = copy {
        again.annotate(copy, &report, &summaries)?;
    }
    output::print(&match order.format() {
        Format::Json => report::json(&report),
        Format::Text => report::text(&report, output::width()),
        Format::Markdown => report::markdown(&report),
    })?;
    let found = report.paths.iter().any(|path| path.cause != Cause::None);
    Ok(if found { Outcome::Found } else { Outcome::Clear })
}

/// Begins a file that is to be written, before anything is read: nobody waits for what fails.
fn new_file(
    path: Option<&Path>,
    captures: &Again,
    order: &Diagnose,
) -> Result<Option<NewFile>, Failure> {
    let Some(path) = path else { return Ok(None) };
    if captures.has(path) {
        return Err(Failure::OwnInput(path.to_owned()));
    }
    NewFile::create(path, order.force).map(Some)
}

fn save(mut file: NewFile, bytes: &[u8]) -> Result<(), Failure> {
    file.write_all(bytes).map_err(|error| file.failed(error))?;
    file.finish()
}

fn read_logs(
    inputs: Vec<input::Log>,
    pattern: Option<&Path>,
    reading: &Reading,
) -> Result<Logs, Failure> {
    let patterns = pattern.map(patterns).transpose()?;
    let mut logs = Logs::new();
    for input in inputs {
        let (form, path) = (input.form, input.name());
        let written = input.last_written();
        let mut bytes = input.bytes(reading)?;
        let source: &mut dyn Read = &mut bytes;
        let lines = Lines::new(source).map_err(|error| Failure::open(path.as_ref(), error))?;
        let lines = match written {
            Some(at) => lines.written(at),
            None => lines,
        };
        match &patterns {
            Some(patterns) if form.name == program::LOG.name => logs.read_by(patterns, lines),
            Some(_) | None => logs.read(form, lines),
        }
    }
    Ok(logs)
}

/// Reads a user's file of patterns.
fn patterns(path: &Path) -> Result<Patterns, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::open(path, error))?;
    let error = |error| Failure::Pattern { path: path.to_owned(), error: Box::new(error) };
    Patterns::parse(&text).map_err(error)
}

/// Returns the summary if there is anything to judge. Damage is no failure as long as a frame came
/// before it; a source that fails is one, for what it would have said is not known.
fn check(mut summary: Summary, name: &str) -> Result<Summary, Failure> {
    let input = name.to_owned();
    let frames = summary.frames;
    let fatal = |error: &mut pcap::Error| frames == 0 || matches!(error, pcap::Error::Read { .. });
    if let Some(error) = summary.broken.take_if(fatal) {
        return Err(Failure::Capture { input, error });
    }
    match summary.unfollowed {
        Some(link) if summary.packets == 0 => Err(Failure::Link { input, frames, link }),
        Some(_) | None => Ok(summary),
    }
}
