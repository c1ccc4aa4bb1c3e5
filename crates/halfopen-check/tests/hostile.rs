//! Documents that are cut, mixed up and damaged are read or refused, and never end the program.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test's own files can be read"
)]

use std::fs;
use std::path::{Path, PathBuf};

use halfopen_check::{Document, check};
use halfopen_core::rng::Rng;

/// Returns every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Returns a place in a text at which it can be cut.
fn somewhere(text: &str, rng: &mut Rng) -> usize {
    let at = rng.index(text.len() + 1);
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap()
}

/// Returns a text with one thing wrong: something cut out, put in or doubled.
fn damaged(text: &str, rng: &mut Rng) -> String {
    const PIECES: [&str; 14] =
        ["{", "}", "[", "]", "\"", "'", ":", ";", "\n", "#", "&a", "*a", "\u{e9}", "-99999999999"];
    let (one, other) = (somewhere(text, rng), somewhere(text, rng));
    let (start, end) = (one.min(other), one.max(other));
    match rng.below(3) {
        0 => format!("{}{}", &text[..start], &text[end..]),
        1 => {
            let piece = rng.pick(&PIECES);
            format!("{}{piece}{}", &text[..start], &text[start..])
        }
        _ => format!("{}{}", &text[..end], &text[start..]),
    }
}

#[test]
fn damaged_documents_are_read_or_refused() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (mut read, mut refused) = (0, 0);
    for path in ["rules", "incidents", "incident"].iter().flat_map(|name| files(&tests.join(name)))
    {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        for seed in 0..60 {
            let mut rng = Rng::new(seed);
            let text = damaged(&text, &mut rng);
            let checked = std::panic::catch_unwind(|| check(&[Document::new(&name, &text)]));
            let checked = checked.unwrap_or_else(|_| panic!("{}: seed {seed}", path.display()));
            if checked.is_ok() { read += 1 } else { refused += 1 }
        }
    }
    assert!(read > 1000 && refused > 100, "{read} read, {refused} refused");
}
