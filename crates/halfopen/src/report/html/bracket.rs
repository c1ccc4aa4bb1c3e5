//! Every pause of a path on one axis: which were survived, which were not, and where between the
//! two the limit lies.

use std::collections::BTreeMap;

use halfopen_core::cause::{Cause, Finding};
use halfopen_core::time::Duration;
use maud::{Markup, html};

use super::super::{Path, Report, Seconds};
use super::{fixed, svg};
use crate::report::picture::Picture;
use crate::report::untrusted::visible;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 212.0;
/// Where the axis begins and ends, from the left.
const AXIS: (f64, f64) = (110.0, 970.0);
/// How far below the top things are.
const BAND: (f64, f64) = (52.0, 156.0);
const DIED: f64 = 82.0;
const SURVIVED: f64 = 128.0;
/// What may stand at the axis.
const TICKS: [(u32, &str); 18] = [
    (1, "1 s"),
    (2, "2 s"),
    (5, "5 s"),
    (10, "10 s"),
    (20, "20 s"),
    (30, "30 s"),
    (60, "1 min"),
    (120, "2 min"),
    (300, "5 min"),
    (600, "10 min"),
    (1_200, "20 min"),
    (1_800, "30 min"),
    (3_600, "1 h"),
    (7_200, "2 h"),
    (21_600, "6 h"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (864_000, "10 days"),
];
/// Products named below the chart.
const FITS_MAX: usize = 6;
/// The narrowest that the band is drawn.
const NARROWEST: f64 = 3.0;

/// A logarithmic axis.
struct Scale {
    from: f64,
    to: f64,
}

/// Draws it; `None` if the question is another than how long a pause may be.
pub(super) fn chart(path: &Path, picture: &Picture, report: &Report) -> Option<Markup> {
    let died: Vec<Duration> = died(path, report);
    let survived: Vec<Duration> = picture.survivals.iter().map(|it| it.idle).collect();
    let speaks_of_pauses = !died.is_empty()
        || (path.cause == Cause::StateLoss && path.idle_limit.survived_s.is_some());
    if !speaks_of_pauses {
        return None;
    }
    let scale = Scale::of(died.iter().chain(&survived).copied());
    let title = limit(path);
    let body = html! {
        (band(path, &scale, &title))
        text class="label" x="100" y=(fixed(DIED + 4.0)) text-anchor="end" { "died" }
        text class="label" x="100" y=(fixed(SURVIVED + 4.0)) text-anchor="end" { "survived" }
        path class="axis" d={ "M" (fixed(AXIS.0)) " " (fixed(BAND.1)) "H" (fixed(AXIS.1)) } {}
        @for (x, words) in scale.ticks() {
            path class="axis" d={ "M" (fixed(x)) " " (fixed(BAND.1)) "v6" } {}
            text class="small" x=(fixed(x)) y=(fixed(BAND.1 + 22.0)) text-anchor="middle" {
                (words)
            }
        }
        text class="small" x=(fixed(AXIS.1)) y=(fixed(BAND.1 + 44.0)) text-anchor="end" {
            "pause without any packet, on a logarithmic scale"
        }
        @for (x, words) in candidates(path, &scale) {
            path class="candidate" d={ "M" (x) " " (fixed(BAND.0)) "V" (fixed(BAND.1)) } {
                title { (visible(&words)) }
            }
        }
        @for (x, words) in dots(&survived, &scale) {
            circle class="well" cx=(x) cy=(fixed(SURVIVED)) r="5" {
                title { "survived " (words) }
            }
        }
        @for (x, words) in dots(&died, &scale) {
            path class="dead" d={ "M" (x) " " (fixed(DIED)) "m-5-5l10 10m0-10l-10 10" } {
                title { "died after " (words) }
            }
        }
    };
    Some(svg((WIDTH, HEIGHT), &title, &body))
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

/// Draws where the limit can be.
fn band(path: &Path, scale: &Scale, title: &str) -> Markup {
    let place = |seconds: Seconds| scale.place(seconds.0);
    let survived = path.idle_limit.survived_s.map(place);
    let died = path.idle_limit.died_s.map(place);
    let from = survived.unwrap_or(AXIS.0);
    let to = died.unwrap_or(AXIS.1);
    let wide = (to - from).max(NARROWEST);
    let middle = f64::midpoint(from, from + wide);
    let anchor = match middle {
        ..250.0 => "start",
        750.0.. => "end",
        _ => "middle",
    };
    html! {
        @if survived.is_some() || died.is_some() {
            rect class="band" x=(fixed(from)) y=(fixed(BAND.0)) width=(fixed(wide))
                height=(fixed(BAND.1 - BAND.0)) {}
            path class="lead" d={ "M" (fixed(middle)) " " (fixed(BAND.0)) "V34" } {}
        }
        text class="strong" x=(fixed(middle)) y="26" text-anchor=(anchor) { (title) }
    }
}

/// Returns where the timers of products stand that fit, and what they are.
fn candidates(path: &Path, scale: &Scale) -> Vec<(String, String)> {
    let fits = path.limits.iter().flat_map(|limit| &limit.fits);
    fits.map(|fit| (fixed(scale.place(fit.timer_s.0)), format!("{}: {}", fit.title, fit.timer_s)))
        .collect()
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

/// Returns where dots stand and what they say; dots in one place are one.
fn dots(pauses: &[Duration], scale: &Scale) -> impl Iterator<Item = (String, String)> {
    let mut at: BTreeMap<String, (Duration, usize)> = BTreeMap::new();
    for &pause in pauses {
        at.entry(fixed(scale.place(pause))).or_insert((pause, 0)).1 += 1;
    }
    at.into_iter().map(|(x, (pause, count))| {
        let times = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
        (x, format!("{}{times}", Seconds(pause)))
    })
}

impl Scale {
    /// Returns a scale on which all pauses have room.
    fn of(pauses: impl Iterator<Item = Duration>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for pause in pauses {
            let secs = pause.as_secs_f64().max(0.1);
            (least, most) = (least.min(secs), most.max(secs));
        }
        // A single pause stands where both sides of it can be seen.
        Self { from: (least / 1.6).min(most / 30.0).ln(), to: (most * 1.6).ln() }
    }

    fn place(&self, pause: Duration) -> f64 {
        let part = (pause.as_secs_f64().max(0.1).ln() - self.from) / (self.to - self.from);
        AXIS.0 + (AXIS.1 - AXIS.0) * part.clamp(0.0, 1.0)
    }

    /// Returns what stands at the axis and does not touch its neighbour.
    fn ticks(&self) -> Vec<(f64, &'static str)> {
        let mut ticks: Vec<(f64, &'static str)> = Vec::new();
        for (secs, words) in TICKS {
            let inside = (self.from..=self.to).contains(&f64::from(secs).ln());
            let x = self.place(Duration::from_secs(secs.into()));
            if inside && ticks.last().is_none_or(|(last, _)| x - last > 60.0) {
                ticks.push((x, words));
            }
        }
        ticks
    }
}
