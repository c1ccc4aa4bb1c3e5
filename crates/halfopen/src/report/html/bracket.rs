//! Every pause of a path on one axis: which were survived, and which were not.

use halfopen_core::cause::{Cause, Finding};
use halfopen_core::time::Duration;
use maud::Markup;

use super::super::{Path, Report};
use super::pauses::{self, Mark, Pauses, Row};
use crate::report::picture::Picture;

/// Products named below the chart.
const FITS_MAX: usize = 6;

/// Draws it; `None` if the question is another than how long a pause may be.
pub(super) fn chart(path: &Path, picture: &Picture, report: &Report) -> Option<Markup> {
    let died: Vec<Duration> = died(path, report);
    let survived: Vec<Duration> = picture.survivals.iter().map(|it| it.idle).collect();
    let speaks_of_pauses = !died.is_empty()
        || (path.cause == Cause::StateLoss && path.idle_limit.survived_s.is_some());
    if !speaks_of_pauses {
        return None;
    }
    let row = |label, mark, words, pauses| Row { label, mark, words, pauses };
    let fits = path.limits.iter().flat_map(|limit| &limit.fits);
    Some(pauses::chart(&Pauses {
        rows: vec![
            row("died", Mark::Cross, "died after", died),
            row("survived", Mark::Dot, "survived", survived),
        ],
        survived: path.idle_limit.survived_s.map(|pause| pause.0),
        died: path.idle_limit.died_s.map(|pause| pause.0),
        title: limit(path),
        timers: fits.map(|fit| (fit.timer_s.0, fit.title.clone())).collect(),
    }))
}

/// Says where the limit lies.
fn limit(path: &Path) -> String {
    match (path.idle_limit.survived_s, path.idle_limit.died_s) {
        (Some(survived), Some(died)) => {
            format!("the limit lies between {survived} and {died}")
        }
        (None, Some(died)) => format!("the limit is {died} or less"),
        (Some(survived), None) => format!("if there is a limit, it is more than {survived}"),
        (None, None) => "no pause that was seen bounds a limit".to_owned(),
    }
}

/// Names the products that fit, in a sentence; none if there are none.
pub(super) fn fitting(path: &Path) -> String {
    let fits = path.limits.iter().flat_map(|limit| &limit.fits);
    let names: Vec<String> =
        fits.map(|fit| format!("{} ({})", fit.title, fit.timer_s)).take(FITS_MAX).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("Blue lines are timers of products that fit: {}.", names.join(", "))
}

/// Returns the pauses that connections of a path died of.
fn died(path: &Path, report: &Report) -> Vec<Duration> {
    let expired = |finding: Finding| {
        matches!(
            finding,
            Finding::ResetOnReuse
                | Finding::SilentDrop
                | Finding::ResetAtExpiry
                | Finding::FinAtExpiry
                | Finding::ForgottenInFlight
        )
    };
    let flows = report.flows.iter().filter(|flow| Some(flow.key.responder) == path.address);
    let died = flows.filter(|flow| expired(flow.finding));
    died.filter_map(|flow| flow.idle_s.map(|idle| idle.0)).collect()
}
