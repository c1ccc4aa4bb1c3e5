//! Arrivals as they were written down: times, one a line, or an access log of AWS's application
//! balancer, either of them also in gzip.

mod line;
mod moment;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use halfopen_core::time::{Duration, Instant};
use halfopen_sim::world::Config;

use super::{Error, TIMES_MAX};
use crate::reproduce::Burst;
use line::{Line, Lines};
use moment::Entry;
pub use moment::Form;

/// RFC 1952 section 2.3.1: how gzip starts.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Lines that cannot be read are told up to this many.
const UNREADABLE_TOLD: usize = 3;
/// Clients are counted up to this many.
const CLIENTS_MAX: usize = 100;

/// Times at which requests arrived.
#[derive(Clone, Debug)]
pub struct Record {
    /// How a line is written.
    pub form: Form,
    /// Lines that hold neither a time nor a comment.
    pub unreadable: u64,
    /// The first of them, with their numbers, and why.
    pub examples: Vec<(u64, String)>,
    /// Times that are earlier than the one before: they were put in order.
    pub unsorted: u64,
    /// How many addresses the requests came from, up to a hundred; 0 if it is not known.
    pub clients: usize,
    /// Since the first, in nanoseconds, in order.
    times: Arc<[u64]>,
}

impl Record {
    /// Reads all times of a text. Memory is bounded: eight bytes for each of at most
    /// [`TIMES_MAX`], and one line.
    pub fn read(input: impl Read) -> Result<Self, Error> {
        let mut input = BufReader::new(input);
        if input.fill_buf().map_err(Error::Read)?.starts_with(&GZIP) {
            read(BufReader::new(MultiGzDecoder::new(input)))
        } else {
            read(input)
        }
    }

    /// Returns the time from the first arrival to the last.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.times.last().map_or(Duration::ZERO, |&last| Duration::from_nanos(last))
    }

    /// Returns how many arrivals there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Tells whether there is none, which cannot be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Returns the arrivals of a run of `length`, the first at its start.
    pub(super) fn arrivals(&self, length: Duration) -> impl Iterator<Item = Burst> + use<> {
        let times = Arc::clone(&self.times);
        let all = (0..times.len()).map(move |index| Instant::from_nanos(times[index]));
        all.take_while(move |&at| at < Instant::EPOCH + length).map(|at| Burst { at, requests: 1 })
    }
}

fn read(input: impl BufRead) -> Result<Record, Error> {
    let mut lines = Lines::new(input);
    let mut draft = Draft::default();
    while let Some((number, line)) = lines.next().map_err(Error::Read)? {
        draft.take(number, line)?;
    }
    draft.finish()
}

/// What was read so far.
#[derive(Debug, Default)]
struct Draft {
    form: Option<Form>,
    /// UNIX times in nanoseconds, or whatever the file's numbers count from.
    times: Vec<i64>,
    unsorted: u64,
    unreadable: u64,
    examples: Vec<(u64, String)>,
    clients: BTreeSet<String>,
}

impl Draft {
    fn take(&mut self, number: u64, line: Line<'_>) -> Result<(), Error> {
        let text = match line {
            Line::Text(text) if text.is_empty() || text.starts_with('#') => return Ok(()),
            Line::Text(text) => text,
            Line::TooLong => {
                self.refuse(number, "longer than 64 KiB".to_owned());
                return Ok(());
            }
            Line::NotText => {
                self.refuse(number, "not UTF-8".to_owned());
                return Ok(());
            }
        };
        let Some((form, Entry { at, client })) = Form::read(self.form, text) else {
            let start: String = text.chars().take(40).collect();
            self.refuse(number, format!("no time in `{}`", start.escape_debug()));
            return Ok(());
        };
        self.form = Some(form);
        if self.times.len() >= TIMES_MAX {
            return Err(Error::TooManyTimes);
        }
        self.unsorted += u64::from(self.times.last().is_some_and(|&last| at < last));
        self.times.push(at);
        let has_room = self.clients.len() < CLIENTS_MAX;
        if let Some(client) = client.filter(|it| has_room && !self.clients.contains(*it)) {
            self.clients.insert(client.to_owned());
        }
        Ok(())
    }

    fn refuse(&mut self, number: u64, why: String) {
        self.unreadable += 1;
        if self.examples.len() < UNREADABLE_TOLD {
            self.examples.push((number, why));
        }
    }

    fn finish(mut self) -> Result<Record, Error> {
        self.times.sort_unstable();
        let (Some(form), Some(&first), Some(&last)) =
            (self.form, self.times.first(), self.times.last())
        else {
            return Err(match self.examples.into_iter().next() {
                Some((line, why)) => Error::NoTimes { lines: self.unreadable, line, why },
                None => Error::Empty,
            });
        };
        if u128::from(last.abs_diff(first)) > Config::LIMIT_MAX.as_nanos() {
            let apart = Duration::from_nanos(last.abs_diff(first));
            let days = apart.as_secs() / Duration::from_hours(24).as_secs();
            return Err(Error::TooFarApart { days });
        }
        Ok(Record {
            form,
            unreadable: self.unreadable,
            examples: self.examples,
            unsorted: self.unsorted,
            clients: self.clients.len(),
            times: self.times.into_iter().map(|at| at.abs_diff(first)).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
