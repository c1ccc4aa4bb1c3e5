//! Logs as they were read: what they said, in bounded memory.

use std::io::Read;

use halfopen_logs::pattern::Patterns;
use halfopen_logs::{Form, Lines, Record, Summary, program};

/// So many records are kept over all logs; what is said after that is counted and not judged.
const RECORDS_MAX: usize = 500_000;

/// A log as it was read.
#[derive(Debug)]
pub struct Log {
    /// The name of its form, as `halfopen_logs::FORMS` has it.
    pub form: &'static str,
    /// What it said, in the order of its lines.
    pub records: Vec<Record>,
    /// What was read of it.
    pub summary: Summary,
    /// Records for which there was no room.
    pub unkept: u64,
}

/// The logs of one job, in the order in which they were read.
#[derive(Debug)]
pub struct Logs {
    list: Vec<Log>,
    room: usize,
}

impl Logs {
    /// Returns logs that say nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new(), room: RECORDS_MAX }
    }

    /// Reads a log of this form to its end.
    pub fn read(&mut self, form: &Form, lines: Lines<&mut dyn Read>) {
        self.keep(form.name, |sink| (form.read)(lines, sink));
    }

    /// Reads the log of a program to its end, by these patterns as well.
    pub fn read_by(&mut self, patterns: &Patterns, lines: Lines<&mut dyn Read>) {
        self.keep(program::LOG.name, |sink| program::read(lines, patterns, sink));
    }

    fn keep(&mut self, form: &'static str, read: impl FnOnce(&mut dyn FnMut(Record)) -> Summary) {
        let (mut records, mut unkept, room) = (Vec::new(), 0, self.room);
        let summary = read(&mut |record| {
            if records.len() < room {
                records.push(record);
            } else {
                unkept += 1;
            }
        });
        self.room -= records.len();
        self.list.push(Log { form, records, summary, unkept });
    }

    /// Returns the logs.
    #[must_use]
    pub fn list(&self) -> &[Log] {
        &self.list
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self::new()
    }
}
