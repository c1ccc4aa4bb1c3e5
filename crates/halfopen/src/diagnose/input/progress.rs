//! How far the reading has come, on standard error if that is a terminal.

use std::fs::File;
use std::path::Path;

use indicatif::{ProgressBar, ProgressBarIter, ProgressFinish, ProgressStyle};

use crate::output;

/// One bar for all that is to be read.
#[derive(Clone, Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("reading {msg} {percent} % {eta} left");
        let bar = ProgressBar::with_draw_target(Some(0), output::progress());
        let bar = bar.with_style(style.expect("the template is well formed"));
        Self(bar.with_finish(ProgressFinish::AndClear))
    }

    /// Takes note that so many bytes more are to be read.
    pub(super) fn expect(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }

    /// Returns a file that moves the bar when it is read.
    pub(super) fn follow(&self, path: &Path, file: File) -> ProgressBarIter<File> {
        self.0.set_message(path.display().to_string());
        self.0.wrap_read(file)
    }
}
