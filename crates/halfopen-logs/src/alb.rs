//! The logs of AWS's application balancers.
//!
//! Sources: AWS, "Access logs for your Application Load Balancer" and "Connection logs for your
//! Application Load Balancer", read 2026-11-22. AWS adds fields at the end of an entry and asks
//! readers to pass over those that they do not know.

mod access;
mod connection;
mod fields;

use std::io::Read;

use crate::lines::Lines;
use crate::reader::{Form, Summary};
use crate::record::{Record, What};

/// The access log: an entry for each request.
pub const ACCESS: Form = Form {
    name: "alb-access",
    title: "access log of an AWS application load balancer",
    recognises: |head| any_of_the_first(head, |line| access::entry(line).is_some()),
    read: |lines, sink| read(lines, sink, access::entry),
};

/// The connection log: an entry for each connection that was opened to the balancer.
pub const CONNECTION: Form = Form {
    name: "alb-connection",
    title: "connection log of an AWS application load balancer",
    recognises: |head| any_of_the_first(head, |line| connection::entry(line).is_some()),
    read: |lines, sink| read(lines, sink, connection::entry),
};

/// So many lines may be strange before the first entry: a line cut by a rotation, a heading.
const STRANGE_MAX: usize = 4;

fn any_of_the_first(head: &[u8], is_entry: impl Fn(&[u8]) -> bool) -> bool {
    head.split(|&byte| byte == b'\n').take(STRANGE_MAX).any(is_entry)
}

type Entry = (halfopen_core::time::Instant, What);

fn read(
    mut lines: Lines<&mut dyn Read>,
    sink: &mut dyn FnMut(Record),
    entry: impl Fn(&[u8]) -> Option<Entry>,
) -> Summary {
    let mut summary = Summary::default();
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return summary,
            Err(error) => {
                summary.broken = Some(error);
                return summary;
            }
        };
        summary.lines = line.number;
        if let Some((at, what)) = entry(line.bytes) {
            summary.count(at);
            sink(Record { at, line: line.number, what });
        } else if !line.bytes.is_empty() {
            summary.pass_over(line.number);
        }
    }
}

#[cfg(test)]
mod tests;
