//! The scenario that the user names: one that ships, or a file.

use std::fs;
use std::path::Path;

use halfopen_core::scenario::Scenario;

use crate::failure::Failure;

/// Loads the scenario of that name or in that file. A name that ships means that scenario, even
/// if there is such a file.
pub(super) fn load(named: &str) -> Result<Scenario, Failure> {
    if let Some(scenario) = Scenario::shipped(named) {
        return Ok(scenario);
    }
    let path = Path::new(named);
    let is_name = path.components().count() == 1 && path.extension().is_none();
    if is_name && !path.exists() {
        return Err(Failure::NoScenario(named.to_owned()));
    }
    if path.is_dir() {
        return Err(Failure::Directory(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::open(path, error))?;
    let name = path.file_stem().map_or(named.into(), |stem| stem.to_string_lossy());
    Scenario::parse(&name, &text).map_err(|error| Failure::Scenario {
        file: named.to_owned(),
        text,
        error,
    })
}
