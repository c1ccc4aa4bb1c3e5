//! The captures that the user names: files, pipes, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use halfopen_capture::Source;
use halfopen_core::time::Instant;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::failure::Failure;

pub(crate) type Bytes = Box<dyn Read>;

/// A capture that could be opened.
pub(crate) struct Input {
    path: PathBuf,
    starts: Option<Instant>,
    /// What cannot be opened again, or need not be.
    kept: Option<Source<Bytes>>,
}

/// Looks at all captures before any is read, so that nothing is judged if one is missing.
///
/// Of many files only those stay open that can be read but once.
pub(crate) fn open_all(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    if paths.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::StdinTwice);
    }
    let only = paths.len() == 1;
    paths
        .iter()
        .map(|path| {
            let source = open(path)?;
            let starts = source.starts();
            let kept = (only || !path.is_file()).then_some(source);
            Ok(Input { path: path.clone(), starts, kept })
        })
        .collect()
}

/// Returns the captures with their places on the command line, in the order of their starts.
pub(crate) fn in_order_of_time(inputs: Vec<Input>) -> Vec<(usize, Input)> {
    let mut inputs: Vec<(usize, Input)> = inputs.into_iter().enumerate().collect();
    inputs.sort_by_key(|(_, input)| (input.starts.is_none(), input.starts));
    inputs
}

impl Input {
    /// Returns its name in reports: as the user gave it.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns what the files of one rotation have in common: their name without its digits.
    pub(crate) fn family(&self) -> String {
        self.name().chars().filter(|c| !c.is_ascii_digit()).collect()
    }

    /// Opens it, unless it is open.
    pub(crate) fn source(self) -> Result<Source<Bytes>, Failure> {
        self.kept.map_or_else(|| open(&self.path), Ok)
    }
}

fn is_stdin(path: &Path) -> bool {
    path == "-"
}

fn open(path: &Path) -> Result<Source<Bytes>, Failure> {
    let bytes: Bytes = if is_stdin(path) {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).map_err(|error| Failure::open(path, error))?;
        let metadata = file.metadata().map_err(|error| Failure::open(path, error))?;
        if metadata.is_dir() {
            return Err(Failure::Directory(path.to_owned()));
        }
        Box::new(progress(path, metadata.len()).wrap_read(file))
    };
    Source::open(bytes)
        .map_err(|error| Failure::Capture { input: path.display().to_string(), error })
}

/// Returns a bar on standard error; nobody sees it unless that is a terminal.
fn progress(path: &Path, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("reading {msg} {percent} % {eta} left");
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(4));
    bar.with_style(style.expect("the template is well formed"))
        .with_message(path.display().to_string())
        .with_finish(ProgressFinish::AndClear)
}
