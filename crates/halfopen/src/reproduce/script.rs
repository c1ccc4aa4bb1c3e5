//! The scenario or hunt that the user names: one that ships, or a file.

use std::fs;
use std::path::Path;

use halfopen_core::scenario::Scenario;
use halfopen_lab::hunt::Hunt;

use crate::failure::Failure;

/// A text that the user names.
struct Script {
    /// Its file's name without the ending.
    name: String,
    text: String,
}

/// Loads the scenario of that name or in that file. A name that ships means that scenario, even
/// if there is such a file.
pub(super) fn load(named: &str) -> Result<Scenario, Failure> {
    let Script { name, text } = read(named, Scenario::text(named), Failure::NoScenario)?;
    Scenario::parse(&name, &text).map_err(|error| Failure::Document {
        file: named.to_owned(),
        text,
        error,
    })
}

/// Loads the hunt of that name or in that file, over the scenario that the user names or the hunt's
/// own.
pub(super) fn load_hunt(named: &str, scenario: Option<&str>) -> Result<Hunt, Failure> {
    let Script { name, text } = read(named, Hunt::text(named), Failure::NoHunt)?;
    let scenario = match scenario {
        Some(named) => {
            // A mistake in the scenario is shown where it stands in it.
            load(named)?;
            Some(read(named, Scenario::text(named), Failure::NoScenario)?)
        }
        None => None,
    };
    let over = scenario.as_ref().map(|script| (script.name.as_str(), script.text.as_str()));
    Hunt::parse(&name, &text, over).map_err(|error| Failure::Document {
        file: named.to_owned(),
        text,
        error,
    })
}

fn read(
    named: &str,
    shipped: Option<&str>,
    missing: fn(String) -> Failure,
) -> Result<Script, Failure> {
    if let Some(text) = shipped {
        return Ok(Script { name: named.to_owned(), text: text.to_owned() });
    }
    let path = Path::new(named);
    let is_name = path.components().count() == 1 && path.extension().is_none();
    if is_name && !path.exists() {
        return Err(missing(named.to_owned()));
    }
    if path.is_dir() {
        return Err(Failure::Directory(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::open(path, error))?;
    let name = path.file_stem().map_or(named.into(), |stem| stem.to_string_lossy());
    Ok(Script { name: name.into_owned(), text })
}
