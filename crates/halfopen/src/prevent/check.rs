//! Checking a path's configuration: files to documents, and findings to text.

use core::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anstyle::Style;
use halfopen_check::finding::Related;
use halfopen_check::{Document, Finding, Level, Place, Report, SourceError, rule, sarif};
use halfopen_core::scenario::DocumentError;

use crate::Outcome;
use crate::cli::prevent::{Check, CheckFormat};
use crate::failure::Failure;
use crate::output::{self, BAD, BOLD, DIM, WARN};

/// How long a document may be: a plan of ten thousand resources has 50 MB.
const BYTES_MAX: u64 = 256 << 20;

/// How many files of folders are looked at.
const FILES_MAX: usize = 10_000;

/// The endings of files that are looked at in a folder.
const ENDINGS: [&str; 7] = ["cfg", "conf", "json", "properties", "toml", "yaml", "yml"];

/// Folders that hold what others made.
const FOREIGN: [&str; 3] = ["node_modules", "target", "vendor"];

pub(crate) fn run(order: &Check) -> Result<Outcome, Failure> {
    if order.rules {
        output::print(&rule::as_markdown())?;
        return Ok(Outcome::Clear);
    }
    let documents = documents(&order.files)?;
    let report = halfopen_check::check(&documents).map_err(|error| failure(&documents, &error))?;
    for name in &report.unknown {
        output::remark(&format!("{name}: of no form that is known; passed over"));
    }
    for allow in &report.unused {
        let place = &allow.place;
        output::remark(&format!("{place}: nothing needs that {} is allowed", allow.rule));
    }
    output::print(&printed(order.format(), &report, &documents)?)?;
    Ok(if report.findings.is_empty() { Outcome::Clear } else { Outcome::Found })
}

fn printed(
    format: CheckFormat,
    report: &Report,
    documents: &[Document],
) -> Result<String, Failure> {
    let json = match format {
        CheckFormat::Text => return Ok(text(report, documents)),
        CheckFormat::Json => serde_json::to_string_pretty(report),
        CheckFormat::Sarif => serde_json::to_string_pretty(&sarif::Log::of(report)),
    };
    json.map(|json| json + "\n").map_err(|error| Failure::Write(error.into()))
}

/// Reads files, and those in folders that can be meant. What is in a folder and cannot be read as
/// what it looks like is passed over, with a remark.
fn documents(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let about = fs::metadata(path).map_err(|error| Failure::open(path, error))?;
        if !about.is_dir() {
            found.push(document(path)?);
            continue;
        }
        let mut files = Vec::new();
        walk(path, &mut files)?;
        files.sort();
        let before = found.len();
        for file in files {
            let Ok(document) = document(&file) else { continue };
            match halfopen_check::form_of(&document) {
                Ok(Some(_)) => found.push(document),
                Ok(None) => {}
                Err(error) => output::remark(&format!("{error}; passed over")),
            }
        }
        if found.len() == before {
            return Err(Failure::NothingToCheck(path.clone()));
        }
    }
    Ok(found)
}

fn document(path: &Path) -> Result<Document, Failure> {
    let open = |error| Failure::open(path, error);
    if fs::metadata(path).map_err(open)?.len() > BYTES_MAX {
        return Err(open(io::Error::other("it has more than 256 MB")));
    }
    let text = fs::read_to_string(path).map_err(open)?;
    Ok(Document::new(&path.to_string_lossy(), text.trim_start_matches('\u{feff}')))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let open = |error| Failure::open(&folder, error);
        for entry in fs::read_dir(&folder).map_err(open)? {
            let entry = entry.map_err(open)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(open)?);
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && !name.starts_with('.') && !FOREIGN.contains(&name.as_str()) {
                folders.push(path);
            } else if kind.is_file()
                && path.extension().is_some_and(|ending| ENDINGS.iter().any(|one| ending == *one))
                && files.len() < FILES_MAX
            {
                files.push(path);
            }
        }
    }
    Ok(())
}

/// Returns what is wrong with a document, with the text that shows it.
fn failure(documents: &[Document], error: &SourceError) -> Failure {
    let SourceError { place, message } = error;
    let text = documents.iter().find(|document| document.name == place.file);
    let text = text.map(|document| document.text.to_string()).unwrap_or_default();
    let error = DocumentError::new(&text, place.span.clone(), message.clone());
    Failure::Document { file: place.file.to_string(), text, error }
}

fn text(report: &Report, documents: &[Document]) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        write_finding(&mut text, finding, documents);
    }
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let findings = report.findings.len();
    let read = count(report.documents.len(), "document");
    let judged = count(report.legs, "connection");
    let allowed = match report.allowed.len() {
        0 => String::new(),
        number => format!(", {number} allowed"),
    };
    let end = if findings == 0 {
        format!("Nothing found{allowed}: {read}, {judged} judged.\n")
    } else {
        format!("{}{allowed}: {read}, {judged} judged.\n", count(findings, "finding"))
    };
    if report.legs == 0 {
        let _ = writeln!(
            text,
            "{DIM}No two parts of a path are known: a path.toml says what stands where \
             (docs/check.md).{DIM:#}"
        );
    }
    text + &end
}

fn write_finding(text: &mut String, finding: &Finding, documents: &[Document]) {
    let style = match finding.level {
        Level::Error => BAD,
        Level::Warning => WARN,
        Level::Note => BOLD,
    };
    let Finding { rule, level, path, message, place, related, fix } = finding;
    let head = format!("{style}{level}[{}]{style:#}: {BOLD}{message}{BOLD:#}", rule.id);
    let _ = writeln!(text, "{head}");
    write_place(text, place, documents, style);
    for Related { place, message, source } in related {
        let _ = writeln!(text, "   = {message}, at {place}");
        if let Some(source) = source {
            let _ = writeln!(text, "     {DIM}{source}{DIM:#}");
        }
    }
    if !path.is_empty() {
        let _ = writeln!(text, "   = path: {path}");
    }
    let _ = writeln!(text, "   = {BOLD}fix{BOLD:#}: {fix}\n");
}

/// Shows the line of a place, as compilers do.
fn write_place(text: &mut String, place: &Place, documents: &[Document], style: Style) {
    let document = documents.iter().find(|document| document.name == place.file);
    let line = document.and_then(|document| document.line(place.line)).unwrap_or_default();
    let number = place.line.to_string();
    let margin = number.len();
    let start = place.column - 1;
    let in_line = line.chars().count().max(start + 1);
    let end = if place.end_line == place.line { place.end_column - 1 } else { in_line };
    let marks = "^".repeat(end.min(in_line).saturating_sub(start).max(1));
    // Tabs keep their width under themselves.
    let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
    let indent: String = line.chars().take(start).map(blank).collect();
    let _ = writeln!(text, "{:margin$}{DIM}-->{DIM:#} {place}", "");
    let _ = writeln!(text, "{:margin$} {DIM}|{DIM:#}", "");
    let _ = writeln!(text, "{number} {DIM}|{DIM:#} {line}");
    let _ = writeln!(text, "{:margin$} {DIM}|{DIM:#} {indent}{style}{marks}{style:#}", "");
}
