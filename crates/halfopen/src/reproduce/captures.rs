//! Captures and logs as files.

use std::fs;
#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use halfopen_lab::reproduce::Sight;

use crate::failure::Failure;
use crate::new_file::NewFile;

/// Writes a file for each place and each log into `folder`, which is made if it is not there. No
/// file is overwritten, and none is left if one of them is there already or cannot be written.
pub(super) fn write(
    folder: &Path,
    sights: &[Sight],
    logs: &[(String, Vec<u8>)],
) -> Result<Vec<String>, Failure> {
    let mut files = Files::new(Some(folder))?;
    for Sight { place, capture } in sights {
        files.add(folder, &files.capture_name(place), capture)?;
    }
    files.write(logs)?;
    files.keep()
}

/// Files of a run, which have no names unless they are [kept](Self::keep).
#[derive(Debug)]
pub(super) struct Files {
    /// `None` if nobody wants files.
    folder: Option<PathBuf>,
    begun: Vec<NewFile>,
}

impl Files {
    /// Makes the folder if it is not there.
    pub(super) fn new(folder: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = folder {
            let failed = |error| Failure::Save { path: folder.to_owned(), error };
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Ok(Self { folder: folder.map(Path::to_owned), begun: Vec::new() })
    }

    /// Begins the file of a capture, to be written and read; without a folder, one that goes away
    /// by itself.
    #[cfg(target_os = "linux")]
    pub(super) fn create(&mut self, place: &str) -> Result<File, Failure> {
        let Some(folder) = &self.folder else {
            let failed = |error| Failure::Save { path: std::env::temp_dir(), error };
            return tempfile::tempfile().map_err(failed);
        };
        let (new, file) = NewFile::create_readable(&folder.join(self.capture_name(place)))?;
        self.begun.push(new);
        Ok(file)
    }

    /// Writes logs, if anybody wants files.
    pub(super) fn write(&mut self, logs: &[(String, Vec<u8>)]) -> Result<(), Failure> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        logs.iter().try_for_each(|(name, text)| self.add(&folder, name, text))
    }

    /// Gives the files their names, which it returns; all of them or none.
    pub(super) fn keep(self) -> Result<Vec<String>, Failure> {
        let mut named = Named(Vec::new());
        for file in self.begun {
            let path = file.path().to_owned();
            file.finish()?;
            named.0.push(path);
        }
        Ok(core::mem::take(&mut named.0).iter().map(|path| path.display().to_string()).collect())
    }

    fn add(&mut self, folder: &Path, name: &str, content: &[u8]) -> Result<(), Failure> {
        let mut file = NewFile::create(&folder.join(name), false)?;
        file.write_all(content).map_err(|error| file.failed(error))?;
        self.begun.push(file);
        Ok(())
    }

    /// Names the file of the next capture.
    fn capture_name(&self, place: &str) -> String {
        file_name(self.begun.len(), place)
    }
}

/// Files that are removed again if a later one cannot have its name.
struct Named(Vec<PathBuf>);

impl Drop for Named {
    fn drop(&mut self) {
        // What is left behind would keep the next run from writing its own.
        for path in &self.0 {
            drop(fs::remove_file(path));
        }
    }
}

/// Names a place's file. A scenario may call a gateway anything, so what could lead to another
/// folder is taken out.
fn file_name(index: usize, place: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let place: String = place.chars().map(plain).collect();
    format!("{index}-{place}.pcapng")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_written_all_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let sights = ["client", "nat"]
            .map(|place| Sight { place: place.to_owned(), capture: b"capture".to_vec() });
        let nowhere = folder.path().join("nowhere");
        std::os::unix::fs::symlink(nowhere, folder.path().join("1-nat.pcapng")).unwrap();
        assert!(write(folder.path(), &sights, &[]).is_err());
        assert!(!folder.path().join("0-client.pcapng").exists());
    }

    #[test]
    fn a_place_with_an_odd_name_stays_in_its_folder() {
        assert_eq!(file_name(1, "../../etc/nat"), "1-______etc_nat.pcapng");
    }
}
