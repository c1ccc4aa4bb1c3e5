//! The client that the user names.

use std::fs;
use std::path::Path;

use halfopen_core::client::Client;
use halfopen_diagnosis::advice::Recognised;

use crate::failure::Failure;

/// Returns the client `name`: one that ships, or the one that a file describes.
pub(crate) fn named(name: &str) -> Result<Recognised, Failure> {
    let path = Path::new(name);
    if let Some(client) = Client::shipped(name) {
        return Ok(Recognised::named(client));
    }
    let is_file = path.extension().is_some_and(|ending| ending == "toml");
    if !is_file {
        return Err(Failure::NoClient(name.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::open(path, error))?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    match Client::parse(&stem.unwrap_or_default(), &text) {
        Ok(client) => Ok(Recognised::named(client)),
        Err(error) => Err(Failure::Document { file: name.to_owned(), text, error }),
    }
}
