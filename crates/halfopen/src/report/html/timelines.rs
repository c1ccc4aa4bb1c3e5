//! When each connection of a path was active, on one time axis that long pauses do not swallow.

use halfopen_capture::scene::Run;
use halfopen_core::cause::{Culprit, Finding};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::tcp::Flags;
use maud::{Markup, html};

use super::super::{Seconds, value::At};
use super::{fixed, svg};
use crate::report::picture::Drawn;

const WIDTH: f64 = 1000.0;
/// Where the axis begins and ends, from the left.
const AXIS: (f64, f64) = (206.0, 985.0);
const ROW: f64 = 40.0;
const TOP: f64 = 10.0;
/// The narrowest that a run is drawn.
const NARROWEST: f64 = 4.0;
/// How wide a pause must be to have its length written on it.
const ROOM: f64 = 58.0;
/// How far times at the axis are apart.
const TICK_ROOM: f64 = 76.0;

/// A time axis of pieces, each as long as the logarithm of its time: nothing that happens is hidden
/// by how long nothing happened.
struct Axis {
    /// Each piece's start, and where it stands.
    marks: Vec<(Instant, f64)>,
}

/// Draws the connections, one below the other.
pub(super) fn chart(drawn: &[Drawn<'_>]) -> Option<Markup> {
    let axis = Axis::of(drawn)?;
    let rows = u32::try_from(drawn.len()).unwrap_or(u32::MAX);
    let bottom = TOP + ROW * f64::from(rows);
    let body = html! {
        @for (x, time) in axis.ticks() {
            path class="grid" d={ "M" (fixed(x)) " " (fixed(TOP)) "V" (fixed(bottom)) } {}
            text class="small" x=(fixed(x)) y=(fixed(bottom + 18.0)) text-anchor="middle" { (time) }
        }
        @for (index, one) in (0_u32..).zip(drawn) {
            (row(one, &axis, TOP + ROW * (f64::from(index) + 0.5)))
        }
    };
    let title = format!("{} connections and their pauses", drawn.len());
    Some(svg((WIDTH, bottom + 30.0), &title, &body))
}

/// Draws one connection.
fn row(one: &Drawn<'_>, axis: &Axis, y: f64) -> Markup {
    let well = one.flow.finding == Finding::Healthy;
    let kind = if well { "well" } else { "ill" };
    let runs = &one.lane.runs;
    let fatal = one.fatal_pause().filter(|_| !well);
    let is_fatal =
        |pause: &[Run]| fatal.is_some_and(|(from, to)| pause[0].to >= from && pause[1].from <= to);
    let dead = one.flow.culprit == Culprit::Hop;
    let is_lost = |run: &Run| dead && fatal.is_some_and(|(from, _)| run.from > from);
    html! {
        text class="strong" x="8" y=(fixed(y - 2.0)) { (one.flow.key.initiator) }
        text class={ "small " (kind) } x="8" y=(fixed(y + 13.0)) { (one.flow.finding) }
        @for pair in runs.windows(2) {
            (pause(axis.place(pair[0].to), axis.place(pair[1].from),
                pair[1].from.saturating_since(pair[0].to), y, is_fatal(pair)))
        }
        @for run in runs {
            @let x = axis.place(run.from);
            @let wide = (axis.place(run.to) - x).max(NARROWEST);
            @let kind = if is_lost(run) { "lost" } else { kind };
            rect class=(kind) x=(fixed(x)) y=(fixed(y - 8.0)) width=(fixed(wide)) height="16"
                rx="2" {
                title {
                    (run.packets) " packets, " (run.bytes[0]) " bytes sent, " (run.bytes[1])
                    " received; frames " (run.first.frame) " to " (run.last.frame) ", "
                    (At(run.from)) " to " (At(run.to))
                }
            }
        }
        @if let Some(last) = runs.last() {
            (end(one.flow.finding, last.flags, axis.place(last.to), y))
        }
    }
}

/// Draws a pause, with its length if there is room.
fn pause(from: f64, to: f64, length: Duration, y: f64, fatal: bool) -> Markup {
    let kind = if fatal { "pause fatal" } else { "pause" };
    let words = Seconds(length).to_string();
    html! {
        path class=(kind) d={ "M" (fixed(from)) " " (fixed(y)) "H" (fixed(to)) } {
            title { "a pause of " (words) }
        }
        @if to - from >= ROOM {
            text class={ "small on " (if fatal { "ill strong" } else { "" }) } y=(fixed(y - 5.0))
                x=(fixed(f64::midpoint(from, to))) text-anchor="middle" { (words) }
        }
    }
}

/// Draws how it ended, as far as it did.
fn end(finding: Finding, flags: Flags, x: f64, y: f64) -> Markup {
    let x = fixed(x + 12.0);
    let reset = flags.has(Flags::RST);
    html! {
        @if reset || finding == Finding::SilentDrop {
            path class="dead" d={ "M" (x) " " (fixed(y)) "m-5-5l10 10m0-10l-10 10" } {
                title { (if reset { "reset" } else { "never answered" }) }
            }
        } @else if flags.has(Flags::FIN) {
            path class="closed" d={ "M" (x) " " (fixed(y)) "m-4-6v12" } { title { "closed" } }
        }
    }
}

impl Axis {
    fn of(drawn: &[Drawn<'_>]) -> Option<Self> {
        let runs = drawn.iter().flat_map(|one| &one.lane.runs);
        let mut times: Vec<Instant> = runs.flat_map(|run| [run.from, run.to]).collect();
        times.sort_unstable();
        times.dedup();
        let mut marks = vec![(*times.first()?, 0.0)];
        let mut at = 0.0;
        for pair in times.windows(2) {
            // What took no time still needs room to be seen.
            at += 0.1 + pair[1].saturating_since(pair[0]).as_secs_f64().ln_1p();
            marks.push((pair[1], at));
        }
        let scale = (AXIS.1 - AXIS.0 - 20.0) / at.max(0.1);
        for (_, place) in &mut marks {
            *place = AXIS.0 + *place * scale;
        }
        Some(Self { marks })
    }

    /// Returns where a moment stands that is the start or the end of a run.
    fn place(&self, at: Instant) -> f64 {
        let index = self.marks.partition_point(|&(start, _)| start < at);
        self.marks[index.min(self.marks.len() - 1)].1
    }

    /// Returns the times that have room at the axis.
    fn ticks(&self) -> Vec<(f64, String)> {
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for &(at, x) in &self.marks {
            if ticks.last().is_none_or(|(last, _)| x - last >= TICK_ROOM) {
                ticks.push((x, At(at).time_of_day()));
            }
        }
        ticks
    }
}
