//! What the user names: files, folders, pipes, standard input; captures and logs.

mod ahead;
pub(super) mod folder;
mod progress;
mod stretches;

use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use halfopen_capture::{Source, pcap};
use halfopen_core::time::Instant;
use halfopen_logs::reader::HEAD_MAX;
use halfopen_logs::{FORMS, Form, Lines};
use indicatif::ProgressBarIter;

use self::ahead::Ahead;
use self::progress::Progress;
pub(crate) use self::stretches::Captures;
use super::interrupt::Interrupt;
use crate::cli::Diagnose;
use crate::failure::Failure;

pub(crate) type Bytes = Box<dyn Read + Send>;

/// All that the user gave, looked at and not yet read.
pub(crate) struct Inputs {
    /// How what will be read is read.
    pub(crate) reading: Reading,
    /// In the order of the command line.
    pub(crate) captures: Vec<Capture>,
    /// Likewise.
    pub(crate) logs: Vec<Log>,
    /// What was passed over.
    pub(crate) notes: Vec<String>,
}

/// How sources are read to their end.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    interrupt: Interrupt,
    progress: Progress,
}

/// A capture that could be opened.
pub(crate) struct Capture {
    path: PathBuf,
    starts: Option<Instant>,
    /// What cannot be opened again.
    kept: Option<Box<Source<Bytes>>>,
}

/// A log of a form that is known.
pub(crate) struct Log {
    path: PathBuf,
    pub(crate) form: &'static Form,
    kept: Option<Bytes>,
}

/// What a source turned out to be.
enum Opened {
    Capture(Box<Source<Bytes>>),
    Log(&'static Form, Bytes),
}

impl Inputs {
    /// Looks at all sources before any is read, so that nothing is judged if one is missing.
    ///
    /// Of many files only those stay open that can be read but once.
    pub(crate) fn open(order: &Diagnose, interrupt: Interrupt) -> Result<Self, Failure> {
        let named = order.files.iter().chain(order.forms.iter().map(|(_, path)| path));
        if named.filter(|path| is_stdin(path)).count() > 1 {
            return Err(Failure::StdinTwice);
        }
        let reading = Reading { interrupt, progress: Progress::new() };
        let mut inputs =
            Self { reading, captures: Vec::new(), logs: Vec::new(), notes: Vec::new() };
        for path in &order.files {
            if path.is_dir() {
                inputs.add_folder(path)?;
            } else {
                inputs.add(path.clone(), inputs.open_one(path)?);
            }
        }
        for (name, path) in &order.forms {
            let form = FORMS.iter().find(|form| form.name == name);
            let form = form.ok_or_else(|| Failure::NoForm(name.clone()))?;
            let bytes = inputs.reading.at_first(path)?;
            inputs.add(path.clone(), Opened::Log(form, bytes));
        }
        Ok(inputs)
    }

    /// Adds what in a folder can be read; for what cannot, a note.
    fn add_folder(&mut self, folder: &Path) -> Result<(), Failure> {
        let before = self.captures.len() + self.logs.len();
        for path in folder::files(folder)? {
            match self.open_one(&path) {
                Ok(opened) => self.add(path, opened),
                Err(error) => self.notes.push(format!("passed over: {error}")),
            }
        }
        if self.captures.len() + self.logs.len() == before {
            return Err(Failure::NothingIn(folder.to_owned()));
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, opened: Opened) {
        let keep = is_read_once(&path);
        self.reading.progress.expect(path.metadata().map_or(0, |file| file.len()));
        match opened {
            Opened::Capture(source) => {
                let starts = source.starts();
                self.captures.push(Capture { path, starts, kept: keep.then_some(source) });
            }
            Opened::Log(form, bytes) => {
                self.logs.push(Log { path, form, kept: keep.then_some(bytes) });
            }
        }
    }

    /// Opens a source to look at it, and to read it on if it can be read but once.
    fn open_one(&self, path: &Path) -> Result<Opened, Failure> {
        open(path, self.reading.at_first(path)?)
    }
}

impl Reading {
    /// Opens what is looked at.
    fn at_first(&self, path: &Path) -> Result<Bytes, Failure> {
        if is_read_once(path) { self.bytes(path) } else { Ok(Box::new(file(path)?)) }
    }

    /// Opens what will be read to its end, ahead of who takes it.
    fn bytes(&self, path: &Path) -> Result<Bytes, Failure> {
        let ahead = if is_stdin(path) {
            Ahead::new(io::stdin(), self.interrupt.clone())
        } else {
            Ahead::new(self.followed(path)?, self.interrupt.clone())
        };
        Ok(Box::new(ahead.map_err(|error| Failure::open(path, error))?))
    }

    /// Opens a file that moves the bar.
    fn followed(&self, path: &Path) -> Result<ProgressBarIter<File>, Failure> {
        Ok(self.progress.follow(path, file(path)?))
    }
}

/// Returns the captures with their places on the command line, in the order of their starts.
pub(crate) fn in_order_of_time(captures: Vec<Capture>) -> Vec<(usize, Capture)> {
    let mut captures: Vec<(usize, Capture)> = captures.into_iter().enumerate().collect();
    captures.sort_by_key(|(_, capture)| (capture.starts.is_none(), capture.starts));
    captures
}

impl Capture {
    /// Returns its name in reports: as the user gave it.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what the files of one rotation have in common: their name without its digits.
    pub(crate) fn family(&self) -> String {
        self.name().chars().filter(|c| !c.is_ascii_digit()).collect()
    }

    /// Opens it, unless it is open.
    fn source(self, reading: &Reading) -> Result<Source<Bytes>, Failure> {
        let source = match self.kept {
            Some(source) => *source,
            None => capture(&self.path, Box::new(reading.followed(&self.path)?))?,
        };
        Ok(source.until(reading.interrupt.flag()))
    }
}

impl Log {
    /// Returns its name in reports: as the user gave it.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns when the file was last written, for forms that do not say when they speak of.
    pub(crate) fn last_written(&self) -> Option<Instant> {
        let metadata = self.path.metadata().ok().filter(Metadata::is_file)?;
        let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Instant::EPOCH + since)
    }

    /// Opens it, unless it is open.
    pub(crate) fn bytes(self, reading: &Reading) -> Result<Bytes, Failure> {
        self.kept.map_or_else(|| reading.bytes(&self.path), Ok)
    }
}

fn is_stdin(path: &Path) -> bool {
    path == "-"
}

/// Tells whether a source cannot be opened again from its start.
fn is_read_once(path: &Path) -> bool {
    is_stdin(path) || !path.is_file()
}

/// Sees from the first bytes of a source what it is.
fn open(path: &Path, mut bytes: Bytes) -> Result<Opened, Failure> {
    let mut head = Vec::new();
    let unreadable = |error| Failure::open(path, error);
    (&mut bytes).take(HEAD_MAX as u64).read_to_end(&mut head).map_err(unreadable)?;
    let form = match pcap::Reader::new(head.as_slice()) {
        Ok(_) => None,
        Err(_) => form(&head),
    };
    let whole: Bytes = Box::new(Cursor::new(head).chain(bytes));
    match form {
        Some(form) => Ok(Opened::Log(form, whole)),
        None => capture(path, whole).map(|source| Opened::Capture(Box::new(source))),
    }
}

/// Returns the form of a log that starts with `head`, plain or in gzip.
fn form(head: &[u8]) -> Option<&'static Form> {
    let mut lines = Lines::new(head).ok()?;
    halfopen_logs::recognise(lines.peek().ok()?)
}

fn capture(path: &Path, bytes: Bytes) -> Result<Source<Bytes>, Failure> {
    Source::open(bytes)
        .map_err(|error| Failure::Capture { input: path.display().to_string(), error })
}

/// Opens a file.
pub(crate) fn file(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::open(path, error))
}
