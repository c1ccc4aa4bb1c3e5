//! The log of a program: whatever its lines say of connections, and the failures between them.
//!
//! Lines that speak of something else are passed over in silence: a program logs more than its
//! connections. A line without a time stamp belongs to the one before.

mod trace;

use std::io::Read;

use halfopen_core::time::Instant;

use crate::entry::Calendar;
use crate::httpclient::{self, HttpClient, Place};
use crate::lines::{Line, Lines};
use crate::reader::{Form, Summary};
use crate::record::Record;
use trace::Trace;

/// A log in which Apache `HttpClient` speaks.
pub const HTTPCLIENT: Form = Form {
    name: "httpclient",
    title: "log of Apache HttpClient",
    recognises: |head| texts(head).any(|line| httpclient::speaks(&line)),
    read,
};

/// So many lines at a source's start may speak of something else.
const LINES_MAX: usize = 400;

fn texts(head: &[u8]) -> impl Iterator<Item = String> {
    let lines = head.split(|&byte| byte == b'\n').take(LINES_MAX);
    lines.map(|line| String::from_utf8_lossy(line).into_owned())
}

fn read(mut lines: Lines<&mut dyn Read>, sink: &mut dyn FnMut(Record)) -> Summary {
    let mut reader = Reader::default();
    loop {
        match lines.next() {
            Ok(Some(line)) => reader.line(&line, sink),
            Ok(None) => break,
            Err(error) => {
                reader.summary.broken = Some(error);
                break;
            }
        }
    }
    reader.end(sink);
    reader.summary
}

#[derive(Default)]
struct Reader {
    summary: Summary,
    calendar: Calendar,
    client: HttpClient,
    /// The failure that the last entry tells of, to which more lines may belong.
    trace: Option<Trace>,
    /// When and where the last entry was.
    last: Option<(Instant, u64)>,
}

impl Reader {
    fn line(&mut self, line: &Line<'_>, sink: &mut dyn FnMut(Record)) {
        self.summary.lines = line.number;
        let text = line.text();
        match self.calendar.read(&text, &mut self.summary) {
            Some(entry) => {
                self.flush(sink);
                self.last = Some((entry.at, line.number));
                let mut parts = entry.text.split('\n');
                self.entry(parts.next().unwrap_or(""), sink);
                // A JSON layout has the stack trace in the entry.
                parts.for_each(|part| self.more(part));
            }
            None if self.last.is_some() => self.more(&text),
            None if !text.trim().is_empty() => self.summary.pass_over(line.number),
            None => {}
        }
    }

    /// Takes what follows a line's time stamp.
    fn entry(&mut self, text: &str, sink: &mut dyn FnMut(Record)) {
        let Some((at, line)) = self.last else { return };
        let summary = &mut self.summary;
        let mut sink = counted(summary, sink);
        let mut place = Place { at, line, sink: &mut sink };
        if !self.client.hear(text, &mut place) {
            self.trace = Trace::begin(text);
        }
    }

    /// Takes a line that belongs to the last entry.
    fn more(&mut self, text: &str) {
        match &mut self.trace {
            Some(trace) => trace.more(text),
            None => self.trace = Trace::begin(text),
        }
    }

    fn flush(&mut self, sink: &mut dyn FnMut(Record)) {
        let Some((trace, (at, line))) = self.trace.take().zip(self.last) else { return };
        let mut sink = counted(&mut self.summary, sink);
        let mut place = Place { at, line, sink: &mut sink };
        self.client.hear_failure(trace.failure(), &mut place);
    }

    fn end(&mut self, sink: &mut dyn FnMut(Record)) {
        self.flush(sink);
        self.client.end(&mut counted(&mut self.summary, sink));
    }
}

fn counted<'a>(
    summary: &'a mut Summary,
    sink: &'a mut dyn FnMut(Record),
) -> impl FnMut(Record) + 'a {
    |record| {
        summary.count(record.at);
        sink(record);
    }
}
