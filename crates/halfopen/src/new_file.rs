//! Files that are there whole or not at all.
//!
//! Where the system lets it, a file has no name before it is finished (`O_TMPFILE`, open(2)), so
//! that nothing of it stays even if the program is killed.

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
    /// Where it will be, without a name.
    #[cfg(target_os = "linux")]
    Nameless(File),
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
            Some(_) | None => Place::new(folder(path)).map_err(failed)?,
        };
        Ok(Self { path: path.to_owned(), place, replace })
    }

    /// Begins a file that can also be read: no pipe, and nothing else that is there.
    #[cfg(target_os = "linux")]
    pub(crate) fn create_readable(path: &Path) -> Result<(Self, File), Failure> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(Failure::Exists(path.to_owned()));
        }
        let new = Self::create(path, false)?;
        let file = match &new.place {
            Place::Nameless(file) | Place::There(file) => file,
            Place::Beside(file) => file.as_file(),
        };
        let file = file.try_clone().map_err(|error| new.failed(error))?;
        Ok((new, file))
    }

    /// Returns where it will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what went wrong as it was written.
    pub(crate) fn failed(&self, error: io::Error) -> Failure {
        Failure::Save { path: self.path.clone(), error }
    }

    /// Gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush().map_err(|error| self.failed(error))?;
        let Self { path, place, replace } = self;
        match place.name(&path, replace) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Failure::Exists(path))
            }
            Err(error) => Err(Failure::Save { path, error }),
        }
    }
}

impl Place {
    fn new(folder: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = nameless::create(folder) {
            return Ok(Self::Nameless(file));
        }
        // As other new files: the user's mask takes from this what it does.
        let all = Permissions::from_mode(0o666);
        beside().permissions(all).tempfile_in(folder).map(Self::Beside)
    }

    fn name(self, path: &Path, replace: bool) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nameless(file) if !replace => nameless::link(&file, path),
            #[cfg(target_os = "linux")]
            Self::Nameless(file) => {
                // A link replaces nothing, but a file that has a name can take another's.
                let linked = beside().make_in(folder(path), |it| nameless::link(&file, it))?;
                linked.persist(path).map(drop).map_err(io::Error::from)
            }
            Self::Beside(file) if replace => Ok(file.persist(path).map(drop)?),
            Self::Beside(file) => Ok(file.persist_noclobber(path).map(drop)?),
            Self::There(_) => Ok(()),
        }
    }
}

/// Returns the folder that a file will be in.
fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Returns how files are made that have another name first.
fn beside() -> tempfile::Builder<'static, 'static> {
    let mut new = tempfile::Builder::new();
    new.prefix(".halfopen-");
    new
}

/// Files without a name.
#[cfg(target_os = "linux")]
mod nameless {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

    /// Begins a file in a folder; `None` if this file system has none without a name, or they could
    /// not be given one.
    pub(super) fn create(folder: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666)).ok()?);
        place(&file).exists().then_some(file)
    }

    /// Gives it a name that nothing has.
    pub(super) fn link(file: &File, path: &Path) -> io::Result<()> {
        Ok(linkat(CWD, place(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Returns where a file that is open can be found (open(2), `O_TMPFILE`).
    fn place(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.place {
            #[cfg(target_os = "linux")]
            Place::Nameless(file) => file.write(bytes),
            Place::Beside(file) => file.write(bytes),
            Place::There(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.place {
            #[cfg(target_os = "linux")]
            Place::Nameless(file) => file.flush(),
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
