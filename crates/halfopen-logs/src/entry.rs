//! A line of a program's log: when, and what it says, whatever the logger's layout.

use std::borrow::Cow;

use halfopen_core::time::{Duration, Instant};
use serde_json::Value;

use crate::reader::{Epoch, Summary};
use crate::stamp::{self, Moment};

/// A line that says when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When.
    pub at: Instant,
    /// All that follows the time stamp: level, thread, logger and message in the layout's order.
    pub text: Cow<'a, str>,
}

/// What is known of the days that a log's times belong to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calendar {
    /// The midnight before the last entry, and its time of day.
    last: Option<(Instant, Duration)>,
}

/// The keys under which JSON layouts have the time: logstash-logback-encoder, log4j 2's
/// `JsonTemplateLayout` (ECS) and `JsonLayout`, Go's slog and zap, bunyan and pino, structlog.
const TIME_KEYS: [&str; 8] =
    ["@timestamp", "timestamp", "time", "ts", "timeMillis", "eventTime", "asctime", "datetime"];
/// The keys under which they have what a line of text would say, in the order of a line.
const TEXT_KEYS: [&str; 14] = [
    "level",
    "log.level",
    "severity",
    "levelname",
    "thread_name",
    "process.thread.name",
    "thread",
    "logger_name",
    "log.logger",
    "loggerName",
    "logger",
    "name",
    "message",
    "msg",
];
/// The keys under which they have a failure: what a log of text has in the lines that follow.
const FAILURE_KEYS: [&str; 6] =
    ["error", "err", "error.message", "exception", "stack_trace", "error.stack_trace"];
const DAY: Duration = Duration::from_hours(24);
const DAY_NANOS: u64 = 86_400_000_000_000;
const HALF_DAY: Duration = Duration::from_hours(12);

impl Calendar {
    /// Reads a line; `None` if it does not say when it was written, as the lines of a stack trace
    /// do not. Notes in the summary what it had to assume.
    pub fn read<'a>(&mut self, line: &'a str, summary: &mut Summary) -> Option<Entry<'a>> {
        if line.starts_with('{')
            && let Some((moment, text)) = json(line)
        {
            return Some(Entry { at: self.instant(moment, summary), text: text.into() });
        }
        // Where lines begin with the time since the start, a date in one is what it quotes.
        let quoting = summary.epoch == Epoch::Start;
        let since_start = if quoting { stamp::since_start(line) } else { None };
        let found = since_start.or_else(|| stamp::find(line))?;
        // Where lines have their time, one that begins with a number belongs to the one before.
        let relative = matches!(found.moment, Moment::SinceStart(_));
        if relative && self.last.is_some() && summary.epoch != Epoch::Start {
            return None;
        }
        Some(Entry { at: self.instant(found.moment, summary), text: line[found.end..].into() })
    }

    /// Returns when a moment is. A time of day belongs to the day of the last entry, or to the one
    /// after if it lies far before that; before any date is known, to 1970-01-01.
    pub fn instant(&mut self, moment: Moment, summary: &mut Summary) -> Instant {
        let (midnight, of_day) = match moment {
            Moment::Dated(stamp) => {
                summary.zone_assumed |= stamp.zone_assumed;
                // What came before began with a number, and that was no time.
                if summary.epoch == Epoch::Start {
                    summary.epoch = Epoch::Unix;
                }
                let of_day = stamp.at.as_nanos() % DAY_NANOS;
                let midnight = Instant::from_nanos(stamp.at.as_nanos() - of_day);
                (midnight, Duration::from_nanos(of_day))
            }
            Moment::SinceStart(since) => {
                summary.epoch = Epoch::Start;
                let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
                let of_day = nanos % DAY_NANOS;
                (Instant::from_nanos(nanos - of_day), Duration::from_nanos(of_day))
            }
            Moment::OfDay(of_day) => {
                summary.zone_assumed = true;
                if self.last.is_none() {
                    summary.epoch = Epoch::Midnight;
                }
                let (midnight, last) = self.last.unwrap_or((Instant::EPOCH, of_day));
                let next_day = last > of_day + HALF_DAY;
                (if next_day { midnight + DAY } else { midnight }, of_day)
            }
        };
        self.last = Some((midnight, of_day));
        midnight + of_day
    }
}

/// Reads a line of a JSON layout: its time, and its other fields as a line of text.
fn json(line: &str) -> Option<(Moment, String)> {
    let Value::Object(fields) = serde_json::from_str(line).ok()? else { return None };
    let time = TIME_KEYS.iter().find_map(|key| fields.get(*key)).map(json_text)?;
    // Seconds with a fraction, as zap has them, are read like any number at a line's start.
    let moment = stamp::find(&time)?.moment;
    let mut text = String::new();
    for (keys, separator) in [(&TEXT_KEYS[..], ' '), (&FAILURE_KEYS[..], '\n')] {
        for value in keys.iter().filter_map(|key| fields.get(*key)) {
            text.push(separator);
            text.push_str(&json_text(value));
        }
    }
    Some((moment, text))
}

fn json_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.into(),
        Value::Null => "".into(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string().into()
        }
    }
}
