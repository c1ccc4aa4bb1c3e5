//! What a measurement reads and leaves behind in files.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use halfopen_measure::answer::Finding;
use halfopen_measure::known::Known;
use halfopen_pool::ledger::{Ledger, LedgerConfig};
use halfopen_pool::name::PathName;
use jiff::Timestamp;

use super::MeasureFailure;
use crate::cli::measure::Measure;
use crate::failure::Failure;
use crate::new_file::NewFile;

/// No file that is read is longer: 64 MiB, as much as a ledger can have.
const READ_MAX: u64 = 64 << 20;

/// The files that the user named, opened before anything is measured: nobody waits for what fails.
#[derive(Debug)]
pub(super) struct Files {
    page: Option<NewFile>,
    known: Option<Known>,
    resume: Option<NewFile>,
    ledger: Option<(PathBuf, Ledger)>,
}

impl Files {
    pub(super) fn open(order: &Measure) -> Result<Self, Failure> {
        let page = order.html.as_deref().map(|path| NewFile::create(path, order.force));
        let known = order.resume.as_deref().map(known).transpose()?.flatten();
        let resume = order.resume.as_deref().map(|path| NewFile::create(path, true));
        let ledger = match order.ledger.as_deref() {
            Some(path) => Some((path.to_owned(), ledger(path)?)),
            None => None,
        };
        let (page, resume) = (page.transpose()?, resume.transpose()?);
        Ok(Self { page, known, resume, ledger })
    }

    /// Returns what an earlier round has found out.
    pub(super) const fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// Writes what is known of a path.
    pub(super) fn keep(
        &mut self,
        known: &Known,
        finding: &Finding,
        path: &PathName,
    ) -> Result<(), Failure> {
        if let Some(file) = self.resume.take() {
            save(file, &known.to_text())?;
        }
        if let Some((file, mut ledger)) = self.ledger.take() {
            finding.teach(Timestamp::now(), path, &mut ledger);
            save(NewFile::create(&file, true)?, &ledger.to_text())?;
        }
        Ok(())
    }

    /// Writes a page, if one is wanted.
    pub(super) fn page(&mut self, page: impl FnOnce() -> String) -> Result<(), Failure> {
        self.page.take().map_or(Ok(()), |file| save(file, &page()))
    }
}

fn known(path: &Path) -> Result<Option<Known>, Failure> {
    let Some(text) = read(path)? else { return Ok(None) };
    let known = Known::parse(&text);
    let path = path.display().to_string();
    known.map(Some).map_err(|error| MeasureFailure::Known { path, error }.into())
}

/// Returns the ledger in a file, or one that knows nothing.
fn ledger(path: &Path) -> Result<Ledger, Failure> {
    let config = LedgerConfig::default();
    let Some(text) = read(path)? else { return Ok(Ledger::new(config)) };
    let ledger = Ledger::parse(&text, Timestamp::now(), config);
    let file = path.display().to_string();
    ledger.map_err(|error| Failure::Document { file, text, error })
}

/// Reads a file; `None` if there is none yet.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    let mut text = String::new();
    let file = fs::File::open(path).and_then(|file| file.take(READ_MAX).read_to_string(&mut text));
    match file {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::open(path, error)),
    }
}

fn save(mut file: NewFile, text: &str) -> Result<(), Failure> {
    file.write_all(text.as_bytes()).map_err(|error| file.failed(error))?;
    file.finish()
}
