//! VPC flow logs: what passed a network interface, by flow and interval.
//!
//! The fields are those that AWS documents (VPC user guide, "Flow log records", versions 2 to 10),
//! in the order of the header line that files in S3 begin with. `CloudWatch` Logs has no header and
//! puts its own time and stream in front; without a header the default format is taken, which is
//! version 2, and a line that has another number of fields is not guessed at.
//!
//! A record is one way of one flow over at most ten minutes; its flags are those of all its packets
//! together. So a reset is dated to the interval, and not to the request that it answered.

#[cfg(feature = "parquet")]
pub mod parquet;
mod row;

use std::io::Read;

use crate::lines::Lines;
use crate::reader::{Form, Summary};
use crate::record::Record;
use crate::stamp;
use row::{Field, Row};

/// A flow log as text.
pub const FLOWS: Form =
    Form { name: "vpc-flow", title: "VPC flow log", recognises: is_flow_log, read };

/// The default format, which is version 2.
const DEFAULT: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol \
                       packets bytes start end action log-status";
/// More fields than this in a header are not read; AWS documents fewer than 60.
const FIELDS_MAX: usize = 128;

/// Tells whether a source begins as a flow log does: with a header, or with a record of the default
/// format.
#[must_use]
pub fn is_flow_log(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Ok(line) = core::str::from_utf8(line) else { return false };
    let line = after_delivery(line);
    if header(line.as_bytes()).is_some() {
        return true;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let known = matches!(words.last(), Some(&("OK" | "NODATA" | "SKIPDATA")));
    known && words.len() == DEFAULT.split_whitespace().count() && words[0] == "2"
}

/// Reads a flow log.
pub fn read(mut lines: Lines<&mut dyn Read>, out: &mut dyn FnMut(Record)) -> Summary {
    let mut summary = Summary::default();
    let mut layout = header(DEFAULT.as_bytes()).unwrap_or_default();
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                summary.broken = Some(error);
                break;
            }
        };
        summary.lines = line.number;
        if let Some((at, what)) = (!line.cut).then(|| record(&layout, line.bytes)).flatten() {
            summary.count(at);
            out(Record { at, line: line.number, what });
        } else if let Some(found) = header(line.bytes) {
            layout = found;
        } else if !line.bytes.trim_ascii().is_empty() {
            summary.pass_over(line.number);
        }
    }
    summary
}

/// Returns the fields that a header names, if it names the ends of a flow and a time; a header that
/// somebody has put in front of an export may have hyphens or underscores.
fn header(line: &[u8]) -> Option<Vec<Field>> {
    let line = core::str::from_utf8(line).ok()?;
    let fields: Vec<Field> = line
        .split_whitespace()
        .take(FIELDS_MAX)
        .map(|name| Field::named(&name.to_lowercase()))
        .collect();
    Row::is_whole(&fields).then_some(fields)
}

/// Reads one record. A word too many or too few, and it is none.
fn record(
    layout: &[Field],
    line: &[u8],
) -> Option<(halfopen_core::time::Instant, crate::record::What)> {
    let read = |line: &[u8]| {
        let mut row = Row::default();
        let mut words = words(line);
        for field in layout {
            row.set(*field, words.next()?)?;
        }
        words.next().is_none().then(|| row.finish()).flatten()
    };
    read(line).or_else(|| {
        let text = core::str::from_utf8(line).ok()?;
        let rest = after_delivery(text);
        (rest.len() < text.len()).then(|| read(rest.as_bytes())).flatten()
    })
}

/// Splits at spaces, and at tabs, which a spreadsheet leaves.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// Splits off what `CloudWatch` Logs puts in front: its time, and with `aws logs tail` the stream.
fn after_delivery(line: &str) -> &str {
    let Some((_, rest)) = stamp::leading(line) else { return line };
    let rest = rest.trim_start();
    match rest.split_once(' ') {
        Some((stream, after)) if stream.starts_with("eni-") && stream.ends_with("all") => after,
        Some((stream, after)) if stream.ends_with("-accept") || stream.ends_with("-reject") => {
            after
        }
        _ => rest,
    }
}

#[cfg(test)]
mod tests;
