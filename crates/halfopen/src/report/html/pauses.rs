//! Pauses on one axis, a row for each thing that became of them, and where between the longest that
//! was survived and the shortest that was not the limit lies.

use std::collections::BTreeMap;

use halfopen_core::time::Duration;
use maud::{Markup, html};

use super::{fixed, svg};
use crate::report::Seconds;
use crate::report::untrusted::visible;

const WIDTH: f64 = 1000.0;
/// Where the axis begins and ends, from the left.
const AXIS: (f64, f64) = (110.0, 970.0);
/// How far below the top things are: the band, and the first row.
const TOP: f64 = 52.0;
const FIRST: f64 = 82.0;
/// From a row to the next, from the last to the axis, and from there to the edge.
const ROW: f64 = 46.0;
const FOOT: f64 = 28.0;
const MARGIN: f64 = 56.0;
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
/// The narrowest that the band is drawn.
const NARROWEST: f64 = 3.0;

/// What is to be drawn.
#[derive(Debug)]
pub(crate) struct Pauses {
    /// From the top to the bottom.
    pub(crate) rows: Vec<Row>,
    /// The longest pause below the limit.
    pub(crate) survived: Option<Duration>,
    /// The shortest above it.
    pub(crate) died: Option<Duration>,
    /// Where the limit lies, in words.
    pub(crate) title: String,
    /// Timers to compare with, and whose they are.
    pub(crate) timers: Vec<(Duration, String)>,
}

/// Pauses that one thing became of.
#[derive(Debug)]
pub(crate) struct Row {
    /// What stands at the left: "died".
    pub(crate) label: &'static str,
    /// How each is drawn.
    pub(crate) mark: Mark,
    /// What a reader is told who points at one, before its length: "died after".
    pub(crate) words: &'static str,
    pub(crate) pauses: Vec<Duration>,
}

/// How a pause is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A dot: all is well.
    Dot,
    /// A cross: it was fatal.
    Cross,
    /// A bar: somebody closed in the open.
    Bar,
}

/// A logarithmic axis.
struct Scale {
    from: f64,
    to: f64,
}

/// Draws it.
#[expect(clippy::cast_precision_loss, reason = "there are a handful of rows")]
pub(crate) fn chart(pauses: &Pauses) -> Markup {
    let Pauses { rows, timers, title, .. } = pauses;
    let scale = Scale::of(rows.iter().flat_map(|row| &row.pauses).copied());
    let foot = FIRST + ROW * (rows.len().saturating_sub(1)) as f64 + FOOT;
    let body = html! {
        (band(pauses, &scale, foot))
        @for (index, row) in rows.iter().enumerate() {
            text class="label" x="100" y=(fixed(place(index) + 4.0)) text-anchor="end" {
                (row.label)
            }
        }
        path class="axis" d={ "M" (fixed(AXIS.0)) " " (fixed(foot)) "H" (fixed(AXIS.1)) } {}
        @for (x, words) in scale.ticks() {
            path class="axis" d={ "M" (fixed(x)) " " (fixed(foot)) "v6" } {}
            text class="small" x=(fixed(x)) y=(fixed(foot + 22.0)) text-anchor="middle" { (words) }
        }
        text class="small" x=(fixed(AXIS.1)) y=(fixed(foot + 44.0)) text-anchor="end" {
            "pause without any packet, on a logarithmic scale"
        }
        @for (timer, whose) in timers {
            path class="candidate"
                d={ "M" (fixed(scale.place(*timer))) " " (fixed(TOP)) "V" (fixed(foot)) } {
                title { (visible(whose)) ": " (Seconds(*timer)) }
            }
        }
        @for (index, row) in rows.iter().enumerate() { (marks(row, place(index), &scale)) }
    };
    svg((WIDTH, foot + MARGIN), title, &body)
}

/// Returns how far below the top a row is.
#[expect(clippy::cast_precision_loss, reason = "there are a handful of rows")]
fn place(row: usize) -> f64 {
    FIRST + ROW * row as f64
}

/// Draws where the limit can be.
fn band(pauses: &Pauses, scale: &Scale, foot: f64) -> Markup {
    let survived = pauses.survived.map(|pause| scale.place(pause));
    let died = pauses.died.map(|pause| scale.place(pause));
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
            rect class="band" x=(fixed(from)) y=(fixed(TOP)) width=(fixed(wide))
                height=(fixed(foot - TOP)) {}
            path class="lead" d={ "M" (fixed(middle)) " " (fixed(TOP)) "V34" } {}
        }
        text class="strong" x=(fixed(middle)) y="26" text-anchor=(anchor) { (pauses.title) }
    }
}

fn marks(row: &Row, y: f64, scale: &Scale) -> Markup {
    html! {
        @for (x, words) in dots(&row.pauses, scale) {
            @match row.mark {
                Mark::Dot => circle class="well" cx=(x) cy=(fixed(y)) r="5" {
                    title { (row.words) " " (words) }
                },
                Mark::Cross => path class="dead"
                    d={ "M" (x) " " (fixed(y)) "m-5-5l10 10m0-10l-10 10" } {
                    title { (row.words) " " (words) }
                },
                Mark::Bar => path class="closed" d={ "M" (x) " " (fixed(y)) "m0-8v16" } {
                    title { (row.words) " " (words) }
                },
            }
        }
    }
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
        if least > most {
            (least, most) = (1.0, 60.0);
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
