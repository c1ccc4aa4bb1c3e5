//! Which reader a source is for, and what came of reading it.

use std::io::{self, Read};

use halfopen_core::time::Instant;

use crate::alb;
use crate::flows;
use crate::lines::Lines;
use crate::metrics;
use crate::program;
use crate::record::Record;
use crate::sockets;

/// So many of a source's first bytes are looked at to recognise it.
pub const HEAD_MAX: usize = 64 << 10;

/// One form in which a program writes.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Its name on the command line and in reports: `alb-access`, `httpclient`, `ss`.
    pub name: &'static str,
    /// What it is, for people: "access log of an AWS application load balancer".
    pub title: &'static str,
    /// Tells whether a source that starts with these bytes, cut anywhere, is of this form.
    pub recognises: fn(&[u8]) -> bool,
    /// Reads a source.
    pub read: ReadLines,
}

/// Reads a source's lines and hands out what they say.
pub type ReadLines = fn(Lines<&mut dyn Read>, &mut dyn FnMut(Record)) -> Summary;

/// All forms, the more particular first: the first that recognises a source reads it.
pub const FORMS: &[Form] = &[
    alb::ACCESS,
    alb::CONNECTION,
    #[cfg(feature = "parquet")]
    flows::parquet::TABLE,
    flows::FLOWS,
    metrics::METRICS,
    sockets::PROC,
    sockets::SS,
    sockets::NETSTAT,
    program::HTTPCLIENT,
    program::LOG,
];

/// Returns the form of a source that starts with `head`.
#[must_use]
pub fn recognise(head: &[u8]) -> Option<&'static Form> {
    FORMS.iter().find(|form| (form.recognises)(head))
}

/// What was read of a source, and what could not be.
#[derive(Debug, Default)]
pub struct Summary {
    /// Its lines.
    pub lines: u64,
    /// What it said.
    pub records: u64,
    /// Lines that make no sense in this form.
    pub unread: u64,
    /// The first of those, counted from one.
    pub unread_first: Option<u64>,
    /// The earliest and the latest time that it speaks of.
    pub span: Option<(Instant, Instant)>,
    /// Times stand in it without a zone and were taken for UTC.
    pub zone_assumed: bool,
    /// From when its times count.
    pub epoch: Epoch,
    /// What ended the reading before the end.
    pub broken: Option<io::Error>,
}

/// From when the times of a source count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Epoch {
    /// The UNIX epoch: they have a date.
    #[default]
    Unix,
    /// The midnight before the first of them: they have a time of day only.
    Midnight,
    /// The start of the program that wrote them.
    Start,
}

impl Summary {
    /// Takes note of a record.
    pub fn count(&mut self, at: Instant) {
        self.records += 1;
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    /// Takes note of a line that makes no sense.
    pub fn pass_over(&mut self, line: u64) {
        self.unread += 1;
        self.unread_first.get_or_insert(line);
    }
}
