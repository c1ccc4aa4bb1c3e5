//! Captures as files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use halfopen_sim::reproduce::Sight;

use crate::failure::Failure;

/// Writes a file for each place into `folder`, which is made if it is not there. No file is
/// overwritten, and none is written if one of them is there already.
pub(super) fn write(folder: &Path, sights: &[Sight]) -> Result<Vec<String>, Failure> {
    let paths: Vec<PathBuf> =
        sights.iter().enumerate().map(|(at, sight)| folder.join(file_name(at, sight))).collect();
    if let Some(there) = paths.iter().find(|path| path.exists()) {
        return Err(Failure::Exists(there.clone()));
    }
    let failed = |path: &Path, error: io::Error| Failure::Save { path: path.to_owned(), error };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (path, sight) in paths.iter().zip(sights) {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| file.write_all(&sight.capture));
        written.map_err(|error| failed(path, error))?;
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
    fn a_place_with_an_odd_name_stays_in_its_folder() {
        let sight = Sight { place: "../../etc/nat".to_owned(), capture: Vec::new() };
        assert_eq!(file_name(1, &sight), "1-______etc_nat.pcapng");
    }
}
