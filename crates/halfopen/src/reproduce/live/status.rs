//! What goes on while packets are carried, on standard error if that is a terminal.

use std::io::{self, IsTerminal as _};

use halfopen_core::time::{Duration, Instant};
use halfopen_live::carry::Status;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::cli::Reproduce;
use crate::output::{self, DIM};

/// A line that is gone when it is dropped.
pub(super) struct StatusLine {
    bar: ProgressBar,
    /// `None` if the run ends when somebody else likes.
    length: Option<Duration>,
}

impl StatusLine {
    /// Returns the line of a run of that length, if it has one.
    pub(super) fn new(length: Option<Duration>) -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(None, output::progress());
        Self { bar: bar.with_style(style).with_finish(ProgressFinish::AndClear), length }
    }

    pub(super) fn show(&self, now: Instant, status: &Status) {
        let passed = now.saturating_since(Instant::EPOCH);
        let time = match self.length {
            Some(length) => {
                format!("{:.1} of {:.1} s", passed.min(length).as_secs_f64(), length.as_secs_f64())
            }
            None => format!("{:.1} s", passed.as_secs_f64()),
        };
        self.bar.set_message(format!("{time}: {}", words(status)));
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How often news are told between the lines of a program, at most.
const STEP: Duration = Duration::from_secs(1);

/// What goes on, beside a program.
pub(super) enum Beside {
    /// The program writes elsewhere.
    Line(StatusLine),
    /// It writes to the same terminal: what is new, each time in a line of its own.
    Between {
        /// When something was told, and what.
        told: Option<(Instant, String)>,
    },
    /// It has the terminal for itself, or there is none.
    Nowhere,
}

impl Beside {
    /// Says where there is room beside the program that is to run.
    pub(super) fn the_program(order: &Reproduce) -> Self {
        if order.lab.shell || !io::stderr().is_terminal() {
            Self::Nowhere
        } else if order.json || io::stdout().is_terminal() {
            Self::Between { told: None }
        } else {
            Self::Line(StatusLine::new(None))
        }
    }

    pub(super) fn show(&mut self, now: Instant, status: &Status) {
        match self {
            Self::Line(line) => line.show(now, status),
            Self::Between { told } => {
                if let Some(news) = news(told, now, status) {
                    output::remark(&format!("{DIM}{news}{DIM:#}"));
                }
            }
            Self::Nowhere => {}
        }
    }
}

/// Returns what is new since something was told, unless that was a moment ago.
fn news(told: &mut Option<(Instant, String)>, now: Instant, status: &Status) -> Option<String> {
    let words = words(status);
    let is_news = match told {
        Some((at, last)) => *at + STEP <= now && *last != words,
        None => status.hops.iter().any(|hop| hop.remembered > 0),
    };
    let news = format!("{:.1} s: {words}", now.saturating_since(Instant::EPOCH).as_secs_f64());
    is_news.then(|| {
        *told = Some((now, words));
        news
    })
}

/// Says what the hops hold and what they have done. A flow counts at each hop that remembers it.
fn words(status: &Status) -> String {
    let all = |of: fn(&halfopen_live::carry::Flows) -> u64| status.hops.iter().map(of).sum::<u64>();
    let (held, remembered) = (all(|hop| hop.held()), all(|hop| hop.remembered));
    let forgotten = all(|hop| hop.forgotten);
    let resets = status.resets.inside + status.resets.outside;
    format!("{held} flows held, {remembered} remembered, {forgotten} forgotten, {resets} resets")
}

#[cfg(test)]
mod tests {
    use halfopen_live::carry::{BySide, Flows};

    use super::*;

    #[test]
    fn flows_are_counted_at_all_hops_and_resets_at_both_ends() {
        let hops =
            vec![Flows { remembered: 3, forgotten: 2 }, Flows { remembered: 4, forgotten: 0 }];
        let resets = BySide { inside: 2, outside: 1 };
        let status = Status { hops, resets, ..Status::default() };
        assert_eq!(words(&status), "5 flows held, 7 remembered, 2 forgotten, 3 resets");
    }

    #[test]
    fn news_are_told_once_and_not_too_often() {
        let status = |remembered| {
            let hops = vec![Flows { remembered, forgotten: 0 }];
            Status { hops, ..Status::default() }
        };
        let at = |millis| Instant::EPOCH + Duration::from_millis(millis);
        let mut told = None;
        let mut is_told = |millis, flows| news(&mut told, at(millis), &status(flows)).is_some();
        let seen = [(0, 0), (100, 1), (200, 2), (1_200, 2), (9_000, 2)];
        assert_eq!(seen.map(|(at, flows)| is_told(at, flows)), [false, true, false, true, false]);
    }
}
