//! What goes on while packets are carried, on standard error if that is a terminal.

use halfopen_core::time::{Duration, Instant};
use halfopen_live::carry::Status;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::output;

/// A line that is gone when it is dropped.
pub(super) struct StatusLine {
    bar: ProgressBar,
    length: Duration,
}

impl StatusLine {
    /// Returns the line of a run of that length.
    pub(super) fn new(length: Duration) -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(None, output::progress());
        Self { bar: bar.with_style(style).with_finish(ProgressFinish::AndClear), length }
    }

    pub(super) fn show(&self, now: Instant, status: &Status) {
        let passed = now.saturating_since(Instant::EPOCH).min(self.length).as_secs_f64();
        let length = self.length.as_secs_f64();
        self.bar.set_message(format!("{passed:.1} of {length:.1} s: {}", words(status)));
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
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
}
