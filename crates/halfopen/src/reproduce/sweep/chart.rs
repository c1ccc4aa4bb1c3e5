//! The outcomes as a chart: SVG without anything from elsewhere.
//!
//! Colours are those of the reader's scheme, light or dark. Nothing is said by colour alone: bands
//! have numbers, and the list below says what each is.

use core::fmt::Write as _;

use halfopen_core::time::Duration;
use halfopen_lab::sweep::words::{Kind, Span};

use super::Finding;
use super::scale::Scale;

const WIDTH: u32 = 900;
const MARGIN: f64 = 28.0;
/// Where the bands begin and end, from above.
const BANDS: (f64, f64) = (116.0, 176.0);
/// Where the list begins, and how far its lines are apart.
const LIST: (f64, f64) = (262.0, 24.0);
/// The narrowest that a band is drawn, however short its pauses are.
const NARROWEST: f64 = 3.0;
/// How wide a band must be to have its number in it.
const ROOM: f64 = 18.0;
/// And to have also its word in it.
const ROOM_FOR_WORD: f64 = 96.0;
/// How wide the words at a boundary are, and on how many levels they can give way to each other.
const WORDS: (f64, usize) = (70.0, 3);
/// More lines than this, and nobody reads them.
const LINES_MAX: usize = 40;

const STYLE: &str = "\
text{font:14px system-ui,sans-serif;fill:var(--ink)}\
.title{font-size:20px;font-weight:600}.small{font-size:12.5px;fill:var(--faint)}\
.number{font-weight:600;fill:var(--on)}\
.line{stroke:var(--faint);stroke-width:1;fill:none}\
.paper{fill:var(--paper)}\
.reused{fill:var(--reused)}.reopened{fill:var(--reopened)}.resent{fill:var(--resent)}\
.fails{fill:var(--fails)}.hangs{fill:var(--hangs)}.doubled{fill:var(--doubled)}\
svg{--paper:#fff;--ink:#1b1f24;--faint:#5b6570;--on:#fff;--reused:#1a7f4b;--reopened:#1b6fb3;\
--resent:#9a6200;--fails:#c62f2f;--hangs:#7d3bb0;--doubled:#24292f}\
@media(prefers-color-scheme:dark){svg{--paper:#0e1116;--ink:#e6eaef;--faint:#9aa6b2;--on:#0e1116;\
--reused:#56c98c;--reopened:#6cb6f5;--resent:#e5b04c;--fails:#ff8078;--hangs:#c798f5;\
--doubled:#f0f3f6}}";

impl Finding<'_> {
    /// Draws it. The same finding gives the same bytes.
    pub(super) fn chart(&self) -> String {
        let scale = Scale::new(MARGIN, f64::from(WIDTH) - 2.0 * MARGIN, self.plan.up_to);
        let lines = u32::try_from(self.sweep.bands.len().min(LINES_MAX)).unwrap_or(u32::MAX);
        let height = LIST.0 + LIST.1 * f64::from(lines) + 30.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
             <title>{title}</title>\n<desc>{question}</desc>\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
            title = escaped(&self.scenario.title),
            question = escaped(&self.question()),
        );
        write_text(&mut svg, "title", (MARGIN, 38.0), &self.scenario.title);
        write_text(&mut svg, "small", (MARGIN, 60.0), &self.question());
        self.draw_bands(&mut svg, scale);
        draw_axis(&mut svg, scale);
        self.draw_list(&mut svg);
        let (runs, seed) = (self.sweep.runs, self.lane.seed);
        let told = format!(
            "{runs} pauses tried in virtual time, seed {seed}: halfopen reproduce {} --sweep",
            self.scenario.name
        );
        write_text(&mut svg, "small", (MARGIN, height - 14.0), &told);
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_bands(&self, svg: &mut String, scale: Scale) {
        let bands = &self.sweep.bands;
        let mut drawn: Vec<Drawn> = Vec::with_capacity(bands.len());
        for (index, band) in bands.iter().enumerate() {
            let from = scale.place(band.from);
            let end = bands.get(index + 1).map_or(self.plan.up_to, |next| next.from);
            let wide = (scale.place(end) - from).max(NARROWEST);
            drawn.push(Drawn { number: index + 1, kind: band.answer.kind(), from, wide });
        }
        draw_boundaries(svg, &drawn, &bands.iter().map(|band| edge(band.from)).collect::<Vec<_>>());
        // What is drawn wider than it is lies above its neighbours.
        drawn.sort_by_key(|band| band.wide < ROOM);
        for band in &drawn {
            band.draw(svg);
        }
    }

    fn draw_list(&self, svg: &mut String) {
        let mut below = LIST.0;
        let more = self.sweep.bands.len().saturating_sub(LINES_MAX);
        let shown = if more > 0 { LINES_MAX - 1 } else { LINES_MAX };
        for (index, (band, when)) in
            self.sweep.bands.iter().zip(self.whens()).enumerate().take(shown)
        {
            let kind = band.answer.kind();
            let _ = writeln!(
                svg,
                "<rect class=\"{kind}\" x=\"{MARGIN}\" y=\"{:.2}\" width=\"22\" height=\"18\" \
                 rx=\"3\"/>\n<text class=\"number\" x=\"{:.2}\" y=\"{below}\" \
                 text-anchor=\"middle\" style=\"font-size:12px\">{}</text>",
                below - 14.0,
                MARGIN + 11.0,
                index + 1
            );
            write_text(svg, "", (MARGIN + 34.0, below), &when);
            write_text(svg, "", (MARGIN + 214.0, below), &band.answer.to_string());
            below += LIST.1;
        }
        if more > 0 {
            let told = format!("and {} more", more + 1);
            write_text(svg, "small", (MARGIN + 34.0, below), &told);
        }
    }
}

/// A band on the chart.
struct Drawn {
    number: usize,
    kind: Kind,
    from: f64,
    wide: f64,
}

impl Drawn {
    fn draw(&self, svg: &mut String) {
        let Self { number, kind, from, wide } = self;
        let (above, tall) = (BANDS.0, BANDS.1 - BANDS.0);
        let _ = writeln!(
            svg,
            "<rect class=\"{kind}\" x=\"{from:.2}\" y=\"{above}\" width=\"{wide:.2}\" \
             height=\"{tall}\"/>"
        );
        if *wide < ROOM {
            return;
        }
        let word = if *wide < ROOM_FOR_WORD { String::new() } else { format!(" {kind}") };
        let _ = writeln!(
            svg,
            "<text class=\"number\" x=\"{:.2}\" y=\"{:.2}\" text-anchor=\"middle\">\
             {number}{word}</text>",
            from + wide / 2.0,
            f64::midpoint(above, BANDS.1) + 5.0
        );
    }
}

/// Says above the bands where each begins, but for the first, and which it is if it has no room.
fn draw_boundaries(svg: &mut String, bands: &[Drawn], begins: &[String]) {
    let mut levels = [f64::NEG_INFINITY; WORDS.1];
    let mut said = "";
    for (band, begin) in bands.iter().zip(begins).skip(1) {
        if band.wide >= ROOM && begin == said {
            continue;
        }
        said = begin;
        // The words take the lowest level on which they touch no others.
        let level = levels.iter().position(|end| *end < band.from).unwrap_or(0);
        levels[level] = band.from + WORDS.0;
        let number = if band.wide < ROOM { format!("{}: ", band.number) } else { String::new() };
        draw_boundary(svg, band.from, level, &format!("{number}{begin}"));
    }
}

fn draw_axis(svg: &mut String, scale: Scale) {
    let below = BANDS.1;
    let mut free = f64::NEG_INFINITY;
    for (place, words) in scale.ticks() {
        if place < free {
            continue;
        }
        free = place + 50.0;
        let _ = writeln!(
            svg,
            "<path class=\"line\" d=\"M{place:.2} {below}v7\"/>\n<text class=\"small\" \
             x=\"{place:.2}\" y=\"{:.2}\" text-anchor=\"middle\">{words}</text>",
            below + 22.0
        );
    }
    write_text(
        svg,
        "small",
        (MARGIN, below + 44.0),
        "pause between the two requests, on a logarithmic scale",
    );
}

/// Draws a line up from a band, and words beside it.
fn draw_boundary(svg: &mut String, at: f64, level: usize, words: &str) {
    let levels = u32::try_from(level).unwrap_or(0);
    let above = BANDS.0 - 8.0 - 15.0 * f64::from(levels);
    let near_the_end = at > f64::from(WIDTH) - MARGIN - WORDS.0;
    let (x, anchor) = if near_the_end { (at - 4.0, "end") } else { (at + 4.0, "start") };
    let _ = writeln!(
        svg,
        "<path class=\"line\" d=\"M{at:.2} {:.2}V{:.2}\"/>\n<text class=\"small\" x=\"{x:.2}\" \
         y=\"{above:.2}\" text-anchor=\"{anchor}\">{words}</text>",
        BANDS.0,
        above - 9.0
    );
}

fn write_text(svg: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(svg, "<text{class} x=\"{x:.2}\" y=\"{y:.2}\">{}</text>", escaped(text));
}

fn edge(pause: Duration) -> String {
    Span(pause).to_string()
}

/// Replaces what has a meaning of its own in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
