//! `halfopen diagnose`: from captures to a report.

mod input;

use core::hash::{BuildHasher as _, Hasher as _};
use std::hash::RandomState;

use halfopen_capture::{Limits, Points, Summary, pcap};
use halfopen_core::cause::Cause;

use crate::Outcome;
use crate::cli::{Diagnose, Format};
use crate::failure::Failure;
use crate::output;
use crate::report::{self, Report};
use input::Input;

pub(crate) fn run(order: &Diagnose) -> Result<Outcome, Failure> {
    let inputs = input::open_all(&order.files)?;
    let names: Vec<String> = inputs.iter().map(Input::name).collect();
    let mut points = Points::new(Limits::default(), RandomState::new().build_hasher().finish());
    let mut summaries: Vec<Summary> = names.iter().map(|_| Summary::default()).collect();
    for (capture, input) in input::in_order_of_time(inputs) {
        let family = input.family();
        let summary = points.read(capture, &family, input.source()?);
        summaries[capture] = check(summary, &names[capture])?;
    }
    let report = Report::new(&names, &summaries, &points);
    if !order.quiet {
        output::print(&match order.format() {
            Format::Json => report::json(&report),
            Format::Text => report::text(&report, output::width()),
            Format::Markdown => report::markdown(&report),
        })?;
    }
    let found = report.paths.iter().any(|path| path.cause != Cause::None);
    Ok(if found { Outcome::Found } else { Outcome::Clear })
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
