//! What was learned, written as a table; and the tables of many hosts, judged together.

mod report;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Read as _};
use std::net::IpAddr;
use std::panic;
use std::path::{Path, PathBuf};

use halfopen_capture::Points;
use halfopen_core::cause::Cause;
use halfopen_diagnosis::evidence::{Fleet, Learned, Sharing, file};
use halfopen_diagnosis::{Judgement, Server};
use halfopen_logs::table::{MAGIC, Table};

use crate::Outcome;
use crate::cli::evidence::Learning;
use crate::cli::{Diagnose, Format};
use crate::diagnose::input::folder;
use crate::failure::Failure;
use crate::output;

/// Writes what was learned, if the user wants it.
pub(crate) fn write(
    order: &Learning,
    judgement: &Judgement,
    points: &Points,
) -> Result<(), Failure> {
    let Some(path) = &order.evidence else { return Ok(()) };
    let host = match &order.host {
        Some(host) => host.clone(),
        None => clients(judgement).ok_or(Failure::NoHost)?,
    };
    let mut labels: Vec<String> =
        order.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.sort();
    let learned = Learned::of(judgement, &host, &labels.join(","), |server| match server {
        Server::Address(address) => {
            let survivals = points.survivals(*address).into_iter();
            survivals.map(|survival| (survival.at, survival.idle)).collect()
        }
        Server::Name(_) | Server::Unknown => Vec::new(),
    });
    let save = |error| Failure::Save { path: path.clone(), error };
    if path.exists() {
        return Err(Failure::Exists(path.clone()));
    }
    let out = File::create_new(path).map_err(save)?;
    file::write(&learned, BufWriter::new(out)).map_err(|error| save(io::Error::other(error)))
}

/// Names the clients by their addresses: the first, and how many there are besides.
fn clients(judgement: &Judgement) -> Option<String> {
    let all: BTreeSet<IpAddr> =
        judgement.flows.iter().map(|flow| flow.key.initiator.ip()).collect();
    let first = all.first()?;
    Some(match all.len() - 1 {
        0 => first.to_string(),
        others => format!("{first}+{others}"),
    })
}

/// Judges tables of evidence; `None` if none of the files is one.
pub(crate) fn fleet(order: &Diagnose) -> Result<Option<Outcome>, Failure> {
    let mut other = order.forms.first().map(|(_, path)| path.clone());
    let sharing = match order.learning.sharing.as_slice() {
        [] => Sharing::None,
        names => Sharing::Labels(names.to_vec()),
    };
    let (mut fleet, mut files) = (Fleet::new(sharing), 0_u64);
    for path in &tables(&order.files)? {
        match open(path)? {
            Some(table) => {
                files += 1;
                if other.is_none() {
                    let read = quietly(|| file::read(&table, |key, tally| fleet.add(&key, &tally)));
                    let input = || path.display().to_string();
                    read.map_err(|error| Failure::Evidence { input: input(), error })?;
                }
            }
            None => other = other.or_else(|| Some(path.clone())),
        }
    }
    match other {
        _ if files == 0 => return Ok(None),
        Some(path) => return Err(Failure::NoEvidence(path)),
        None => {}
    }
    let paths = fleet.judge();
    let report = if order.format() == Format::Json { report::json } else { report::text };
    output::print(&report(files, &fleet, &paths))?;
    let found = paths.iter().any(|path| path.cause != Cause::None);
    Ok(Some(if found { Outcome::Found } else { Outcome::Clear }))
}

/// Returns the files that the user names, and in place of each folder the tables of evidence in it,
/// if it has any.
fn tables(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in named {
        let before = all.len();
        if path.is_dir() {
            for file in folder::files(path)? {
                // What else is in a folder need not be readable.
                if open(&file).is_ok_and(|table| table.is_some()) {
                    all.push(file);
                }
            }
        }
        if all.len() == before {
            all.push(path.clone());
        }
    }
    Ok(all)
}

/// Opens a file if it is a table of evidence. What cannot be opened, or is damaged before it says
/// what it is, is for others to complain of.
fn open(path: &Path) -> Result<Option<Table<File>>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut source = File::open(path).map_err(|error| Failure::open(path, error))?;
    let mut magic = [0; 4];
    if source.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Ok(None);
    }
    let table = quietly(|| Table::open(source).ok());
    Ok(table.filter(file::is_evidence))
}

/// Reads a table without a word of the decoder on standard error: what it panics of is an error.
fn quietly<T>(read: impl FnOnce() -> T) -> T {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = read();
    panic::set_hook(hook);
    result
}
