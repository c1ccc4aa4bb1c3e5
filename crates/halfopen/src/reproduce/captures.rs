//! Captures and logs as files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use halfopen_lab::reproduce::Sight;

use crate::failure::Failure;

/// Writes a file for each place and each log into `folder`, which is made if it is not there. No
/// file is overwritten, none is written if one of them is there already, and none is left if one
/// cannot be written.
pub(super) fn write(
    folder: &Path,
    sights: &[Sight],
    logs: &[(String, Vec<u8>)],
) -> Result<Vec<String>, Failure> {
    let captures = sights.iter().enumerate();
    let captures = captures.map(|(at, sight)| (file_name(at, sight), &sight.capture));
    let files: Vec<(PathBuf, &Vec<u8>)> = captures
        .chain(logs.iter().map(|(name, text)| (name.clone(), text)))
        .map(|(name, bytes)| (folder.join(name), bytes))
        .collect();
    let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
    if let Some(there) = paths.iter().find(|path| path.exists()) {
        return Err(Failure::Exists(there.clone()));
    }
    let failed = |path: &Path, error: io::Error| Failure::Save { path: path.to_owned(), error };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (index, (path, bytes)) in files.iter().enumerate() {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let ours = index + usize::from(file.is_ok());
        if let Err(error) = file.and_then(|mut file| file.write_all(bytes)) {
            // What is left behind would keep the next run from writing its own.
            for path in &paths[..ours] {
                let _ = fs::remove_file(path);
            }
            return Err(failed(path, error));
        }
    }
    Ok(paths.iter().map(|path| path.display().to_string()).collect())
}

/// Names a place's file. A scenario may call a gateway anything, so what could lead to another
/// folder is taken out.
fn file_name(index: usize, sight: &Sight) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let place: String = sight.place.chars().map(plain).collect();
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
        let sight = Sight { place: "../../etc/nat".to_owned(), capture: Vec::new() };
        assert_eq!(file_name(1, &sight), "1-______etc_nat.pcapng");
    }
}
