//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file that takes its name when it is finished, and leaves nothing behind if it never is.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    place: Place,
    replace: bool,
}

#[derive(Debug)]
enum Place {
    /// Beside where it will be, under another name.
    Beside(NamedTempFile),
    /// A pipe or a device that is there already: `/dev/stdout`.
    There(File),
}

impl NewFile {
    /// Begins a file; `replace` says whether one of this name may be there already.
    pub(crate) fn create(path: &Path, replace: bool) -> Result<Self, Failure> {
        let failed = |error| Failure::Save { path: path.to_owned(), error };
        let there = fs::metadata(path).ok();
        let place = match there {
            Some(there) if there.is_dir() => return Err(Failure::Directory(path.to_owned())),
            Some(there) if !there.is_file() => {
                Place::There(OpenOptions::new().write(true).open(path).map_err(failed)?)
            }
            Some(_) if !replace => return Err(Failure::Exists(path.to_owned())),
            Some(_) | None => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let mut new = tempfile::Builder::new();
                // As other new files: the user's mask takes from this what it does.
                new.prefix(".halfopen-").permissions(Permissions::from_mode(0o666));
                let folder = folder.unwrap_or(Path::new("."));
                Place::Beside(new.tempfile_in(folder).map_err(failed)?)
            }
        };
        Ok(Self { path: path.to_owned(), place, replace })
    }

    /// Returns what went wrong as it was written.
    pub(crate) fn failed(&self, error: io::Error) -> Failure {
        Failure::Save { path: self.path.clone(), error }
    }

    /// Gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush().map_err(|error| self.failed(error))?;
        let Self { path, place, replace } = self;
        let Place::Beside(file) = place else { return Ok(()) };
        let named = if replace { file.persist(&path) } else { file.persist_noclobber(&path) };
        match named.map_err(|failed| failed.error) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Failure::Exists(path))
            }
            Err(error) => Err(Failure::Save { path, error }),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            Place::Beside(file) => file.write(bytes),
            Place::There(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Beside(file) => file.flush(),
            Place::There(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_finished_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        let mut file = NewFile::create(&path, false).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        let file = NewFile::create(&path, false).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        assert!(matches!(file.finish(), Err(Failure::Exists(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        NewFile::create(&path, true).unwrap().finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
