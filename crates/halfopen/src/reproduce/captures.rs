//! Captures and logs as files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use halfopen_lab::reproduce::Sight;

use crate::failure::Failure;

/// Writes a file for each place and each log into `folder`, which is made if it is not there. No
/// file is overwritten, and none is left if one of them is there already or cannot be written.
pub(super) fn write(
    folder: &Path,
    sights: &[Sight],
    logs: &[(String, Vec<u8>)],
) -> Result<Vec<String>, Failure> {
    let mut files = Files::new(Some(folder))?;
    for Sight { place, capture } in sights {
        let (path, mut file) = files.create_in(folder, &files.capture_name(place))?;
        file.write_all(capture).map_err(|error| Failure::Save { path, error })?;
    }
    files.write(logs)?;
    Ok(files.keep())
}

/// Files of a run, which are removed unless they are [kept](Self::keep).
#[derive(Debug)]
pub(super) struct Files {
    /// `None` if nobody wants files.
    folder: Option<PathBuf>,
    /// Those that were made.
    made: Vec<PathBuf>,
}

impl Files {
    /// Makes the folder if it is not there.
    pub(super) fn new(folder: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = folder {
            let failed = |error| Failure::Save { path: folder.to_owned(), error };
            fs::create_dir_all(folder).map_err(failed)?;
        }
        Ok(Self { folder: folder.map(Path::to_owned), made: Vec::new() })
    }

    /// Makes the file of a capture, to be written and read; without a folder, one that has no name
    /// and goes away by itself.
    #[cfg(target_os = "linux")]
    pub(super) fn create(&mut self, place: &str) -> Result<File, Failure> {
        match self.folder.clone() {
            Some(folder) => Ok(self.create_in(&folder, &self.capture_name(place))?.1),
            None => tempfile::tempfile()
                .map_err(|error| Failure::Save { path: std::env::temp_dir(), error }),
        }
    }

    /// Writes logs, if anybody wants files.
    pub(super) fn write(&mut self, logs: &[(String, Vec<u8>)]) -> Result<(), Failure> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        for (name, text) in logs {
            let (path, mut file) = self.create_in(&folder, name)?;
            file.write_all(text).map_err(|error| Failure::Save { path, error })?;
        }
        Ok(())
    }

    /// Returns the names of the files, which stay.
    pub(super) fn keep(mut self) -> Vec<String> {
        core::mem::take(&mut self.made).iter().map(|path| path.display().to_string()).collect()
    }

    fn create_in(&mut self, folder: &Path, name: &str) -> Result<(PathBuf, File), Failure> {
        let path = folder.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return Failure::Exists(path.clone());
            }
            Failure::Save { path: path.clone(), error }
        })?;
        self.made.push(path.clone());
        Ok((path, file))
    }

    /// Names the file of the next capture.
    fn capture_name(&self, place: &str) -> String {
        file_name(self.made.len(), place)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left behind would keep the next run from writing its own.
        for path in &self.made {
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
