//! How far a measurement has come, on standard error if that is a terminal.

use std::cell::Cell;
use std::time::{Duration, Instant};

use halfopen_core::time::brief;
use halfopen_measure::plan::{Progress as Stand, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// How often the line is written anew at most.
const EACH: Duration = Duration::from_millis(250);

/// A line that is gone when it is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    shown: Cell<Option<Instant>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
        let bar = bar.with_style(style).with_finish(ProgressFinish::AndClear);
        Self { bar, shown: Cell::new(None) }
    }

    pub(super) fn show(&self, stand: &Stand) {
        let now = Instant::now();
        if self.shown.get().is_none_or(|shown| now.duration_since(shown) >= EACH) {
            self.shown.set(Some(now));
            self.bar.set_message(words(stand));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn words(stand: &Stand) -> String {
    let seconds = |time: Duration| brief(Duration::from_secs(time.as_secs()));
    let stage = match stand.stage {
        Stage::Opening => "opening",
        Stage::Waiting => "waiting",
        Stage::ClosingIn => "closing in",
        Stage::Done => "done",
    };
    let survived = stand.survived.map_or("nothing yet".to_owned(), seconds);
    let died = stand.suspected.map_or(String::new(), |died| format!(", died of {}", seconds(died)));
    format!(
        "{stage}: survived {survived}{died}; {} of {} connections open, {} at most left",
        stand.open,
        stand.opened,
        seconds(stand.left_at_most)
    )
}
