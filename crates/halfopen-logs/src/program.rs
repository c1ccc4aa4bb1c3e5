//! The log of a program: whatever its lines say of connections, and the failures between them.
//!
//! Lines that speak of something else are passed over in silence: a program logs more than its
//! connections. A line without a time stamp belongs to the one before.

mod trace;

use std::collections::BTreeSet;
use std::io::Read;

use halfopen_core::time::Instant;

use crate::entry::Calendar;
use crate::httpclient::{self, HttpClient, Place};
use crate::lines::{Line, Lines};
use crate::pattern::{Patterns, Told};
use crate::reader::{Form, Summary};
use crate::record::{Ends, How, Http, Record, Step, What};
use crate::stamp;
use trace::Trace;

/// A log in which Apache `HttpClient` speaks.
pub const HTTPCLIENT: Form = Form {
    name: "httpclient",
    title: "log of Apache HttpClient",
    recognises: |head| texts(head).any(|line| httpclient::speaks(&line)),
    read: |lines, sink| read(lines, Patterns::shipped(), sink),
};

/// A log in which a pattern that ships knows a line, or a failure stands.
pub const LOG: Form = Form {
    name: "log",
    title: "log of a program",
    recognises: |head| texts(head).any(|line| tells(&line)),
    read: |lines, sink| read(lines, Patterns::shipped(), sink),
};

/// So many lines at a source's start may speak of something else.
const LINES_MAX: usize = 400;

fn texts(head: &[u8]) -> impl Iterator<Item = String> {
    let lines = head.split(|&byte| byte == b'\n').take(LINES_MAX);
    lines.map(|line| String::from_utf8_lossy(line).into_owned())
}

fn tells(line: &str) -> bool {
    stamp::find(line).is_some() && (Patterns::shipped().know(line) || Trace::begin(line).is_some())
}

/// Reads a log by a user's patterns as well.
pub fn read(
    mut lines: Lines<&mut dyn Read>,
    patterns: &Patterns,
    sink: &mut dyn FnMut(Record),
) -> Summary {
    let mut reader = Reader::new(patterns);
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

struct Reader<'a> {
    patterns: &'a Patterns,
    summary: Summary,
    calendar: Calendar,
    client: HttpClient,
    /// The failure that the last entry tells of, to which more lines may belong.
    trace: Option<Trace>,
    /// When and where the last entry was.
    last: Option<(Instant, u64)>,
    /// Responses and failures that `HttpClient` told and no line of the program has repeated.
    answers: u64,
    products: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn new(patterns: &'a Patterns) -> Self {
        Self {
            patterns,
            summary: Summary::default(),
            calendar: Calendar::default(),
            client: HttpClient::default(),
            trace: None,
            last: None,
            answers: 0,
            products: BTreeSet::new(),
        }
    }

    fn line(&mut self, line: &Line<'_>, sink: &mut dyn FnMut(Record)) {
        self.summary.lines = line.number;
        let text = line.text();
        if let Some(entry) = self.calendar.read(&text, &mut self.summary) {
            self.flush(sink);
            self.last = Some((entry.at, line.number));
            let mut parts = entry.text.split('\n');
            self.entry(&text, parts.next().unwrap_or(""), sink);
            // A JSON layout has the stack trace in the entry.
            parts.for_each(|part| self.more(part));
        } else if self.last.is_some() {
            self.more(&text);
        } else if !text.trim().is_empty() {
            self.summary.pass_over(line.number);
        }
    }

    /// Takes a line that has a time stamp, and what follows that.
    fn entry(&mut self, whole: &str, text: &str, sink: &mut dyn FnMut(Record)) {
        let Some((at, line)) = self.last else { return };
        let Self { summary, answers, client, .. } = self;
        let mut counted = |record: Record| {
            summary.count(record.at);
            *answers += u64::from(is_answer(&record));
            sink(record);
        };
        if client.hear(text, &mut Place { at, line, sink: &mut counted }) {
            return;
        }
        // A JSON layout is flattened: its message is matched, not its syntax.
        let matched = if whole.starts_with('{') { text } else { whole };
        match self.patterns.read(matched) {
            Some(told) => self.told(told, sink),
            None => self.trace = Trace::begin(text),
        }
    }

    /// Takes what a pattern makes of a line.
    fn told(&mut self, told: Told<'a>, sink: &mut dyn FnMut(Record)) {
        let Some((at, line)) = self.last else { return };
        let at = match told.moment {
            Some(moment) => self.calendar.instant(moment, &mut self.summary),
            None => at,
        };
        if let Some(product) = told.product
            && self.products.insert(product)
        {
            let step = Step::Product(product.into());
            let http = Http { connection: None, ends: Ends::default(), step };
            self.tell(Record { at, line, what: What::Client(http) }, sink);
        }
        if let What::Client(Http { step: Step::Failed(failure), .. }) = &told.what {
            self.client.note_failure(at, failure.how);
        }
        if !self.repeats(&told.what) {
            self.tell(Record { at: told.began(at), line, what: told.what }, sink);
        }
    }

    /// Tells whether a program's own line says of a request what `HttpClient` has told step by
    /// step. Where no connection could be opened, it has told nothing.
    fn repeats(&mut self, what: &What) -> bool {
        let What::Client(Http { step: Step::Exchange { outcome, .. }, .. }) = what else {
            return false;
        };
        let unopened = outcome.as_ref().is_err_and(|failure| match failure.how {
            How::ConnectTimedOut
            | How::Refused
            | How::Unreachable
            | How::NoPort
            | How::LeaseTimedOut => true,
            How::Reset
            | How::Closed
            | How::BrokenPipe
            | How::TimedOut
            | How::ResetOrClosed
            | How::Cancelled
            | How::Other => false,
        });
        let repeats = self.answers > 0 && !unopened;
        self.answers -= u64::from(repeats);
        repeats
    }

    fn tell(&mut self, record: Record, sink: &mut dyn FnMut(Record)) {
        self.summary.count(record.at);
        sink(record);
    }

    /// Takes a line that belongs to the last entry.
    fn more(&mut self, text: &str) {
        match &mut self.trace {
            Some(trace) => trace.more(text),
            None => self.trace = Trace::begin(text),
        }
    }

    /// Tells the failure of the last entry, of which all lines have been read.
    fn flush(&mut self, sink: &mut dyn FnMut(Record)) {
        let Some((trace, (at, line))) = self.trace.take().zip(self.last) else { return };
        let mut counted = counted(&mut self.summary, sink);
        let mut place = Place { at, line, sink: &mut counted };
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

fn is_answer(record: &Record) -> bool {
    let What::Client(http) = &record.what else { return false };
    matches!(http.step, Step::Response { .. } | Step::Failed(_))
}
