//! The files of a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A balancer's logs lie in folders by year, month and day.
const DATES_DEEP: usize = 3;
/// More files are not looked at.
const FILES_MAX: usize = 100_000;

/// Returns a folder's files in the order of their names, with those of folders named by a number:
/// of a year, a month, a day.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    collect(folder, DATES_DEEP, &mut files).map_err(|error| Failure::open(folder, error))?;
    Ok(files)
}

fn collect(folder: &Path, deep: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if files.len() == FILES_MAX {
            break;
        }
        if path.is_file() {
            files.push(path);
        } else if deep > 0 && path.is_dir() && is_date(&path) {
            collect(&path, deep - 1, files)?;
        }
    }
    Ok(())
}

fn is_date(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}
