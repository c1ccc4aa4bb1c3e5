//! Data to standard output, talk to standard error.

use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use indicatif::ProgressDrawTarget;

use halfopen_core::scenario::DocumentError;

use crate::failure::Failure;
use crate::report;

/// A heading, or the word that matters in a line.
pub(crate) const BOLD: Style = Style::new().bold();
/// What failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is wrong and harmed nobody.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// What is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What may be passed over.
pub(crate) const DIM: Style = Style::new().dimmed();

/// Returns how wide text should be: as wide as the terminal, if standard output is one and within
/// what can be read; else as wide as in a file.
pub(crate) fn width() -> usize {
    if !io::stdout().is_terminal() {
        return report::WIDTH;
    }
    textwrap::termwidth().clamp(60, report::WIDTH)
}

static QUIET: AtomicBool = AtomicBool::new(false);

/// Has nothing printed from now on but what went wrong, if that is asked for.
pub(crate) fn keep_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Returns where progress is shown: on standard error, if that is a terminal and may be used.
pub(crate) fn progress() -> ProgressDrawTarget {
    if quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(4) }
}

/// Prints data. A reader that has seen enough and closed the pipe is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    if quiet() {
        return Ok(());
    }
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Write(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints a line of data as soon as it is there; fails if nobody reads it any more.
#[cfg(target_os = "linux")]
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    if quiet() {
        return Ok(());
    }
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Says something that is no data.
pub(crate) fn remark(text: &str) {
    if quiet() {
        return;
    }
    let mut stderr = anstream::AutoStream::auto(io::stderr().lock());
    // There is nobody left to tell that standard error is closed.
    drop(writeln!(stderr, "{text}"));
}

/// Says what went wrong, and what to do about it.
pub(crate) fn complain(failure: &Failure) {
    let mut text = if let Failure::Document { file, text, error } = failure {
        show_in_text(file, text, error)
    } else {
        format!("{BAD}error{BAD:#}: {failure}\n")
    };
    if let Some(hint) = failure.hint() {
        let _ = writeln!(text, " {BOLD}hint{BOLD:#}: {hint}");
    }
    let mut stderr = anstream::AutoStream::auto(io::stderr().lock());
    // There is nobody left to tell that standard error is closed.
    drop(stderr.write_all(text.as_bytes()));
}

/// Shows the place in a text where something is wrong.
fn show_in_text(file: &str, text: &str, error: &DocumentError) -> String {
    let span = (file, error.span.clone());
    let config = ariadne::Config::default().with_index_type(ariadne::IndexType::Byte);
    let report = ariadne::Report::build(ariadne::ReportKind::Error, span.clone())
        .with_config(config)
        .with_message(&error.message)
        .with_label(ariadne::Label::new(span).with_message("here"))
        .finish();
    let mut bytes = Vec::new();
    let written = report.write((file, ariadne::Source::from(text)), &mut bytes);
    written.expect("a vector takes all that is written");
    String::from_utf8_lossy(&bytes).into_owned()
}
