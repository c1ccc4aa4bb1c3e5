//! Any bytes are read in any form: nothing panics, each record is counted, none is out of the span,
//! and none comes from a line that is not there.

use std::io::Read;

use halfopen_logs::pattern::Patterns;
use halfopen_logs::reader::Form;
use halfopen_logs::{FORMS, Lines, alb, flows, metrics, program, recognise, sockets};

/// Reads the bytes as a balancer's access log and as its connection log.
pub fn alb(bytes: &[u8]) {
    read(&alb::ACCESS, bytes);
    read(&alb::CONNECTION, bytes);
}

/// Reads the bytes as the log of a program.
pub fn program(bytes: &[u8]) {
    read(&program::HTTPCLIENT, bytes);
}

/// Reads the bytes up to a zero as a file of patterns, and what follows as a log, by them.
pub fn patterns(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let (file, log) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(Ok(patterns)) = str::from_utf8(file).map(Patterns::parse) else { return };
    let mut source = log;
    let Ok(lines) = Lines::new(&mut source as &mut dyn Read) else { return };
    let mut count = 0;
    let summary = program::read(lines, &patterns, &mut |_| count += 1);
    assert_eq!(summary.records, count);
}

/// Reads the bytes as tables of sockets.
pub fn sockets(bytes: &[u8]) {
    read(&sockets::SS, bytes);
}

/// Reads the bytes as a flow log.
pub fn flows(bytes: &[u8]) {
    read(&flows::FLOWS, bytes);
}

/// Reads the bytes as metrics.
pub fn metrics(bytes: &[u8]) {
    read(&metrics::METRICS, bytes);
}

/// Reads the bytes in the form that they are recognised as, and else in all.
pub fn any(bytes: &[u8]) {
    match recognise(bytes) {
        Some(form) => read(form, bytes),
        None => FORMS.iter().for_each(|form| read(form, bytes)),
    }
}

fn read(form: &Form, bytes: &[u8]) {
    let _ = recognise(bytes);
    let mut source = bytes;
    let Ok(lines) = Lines::new(&mut source as &mut dyn Read) else { return };
    let (mut count, mut last_line, mut earliest, mut latest) = (0, 0, None, None);
    let summary = (form.read)(lines, &mut |record| {
        count += 1;
        last_line = last_line.max(record.line);
        earliest = Some(earliest.map_or(record.at, |at| record.at.min(at)));
        latest = Some(latest.map_or(record.at, |at| record.at.max(at)));
    });
    assert_eq!(summary.records, count, "{}", form.name);
    assert!(last_line <= summary.lines + 1, "{}: {last_line} of {}", form.name, summary.lines);
    assert!(summary.unread <= summary.lines + 1 || form.name == metrics::METRICS.name);
    if let Some((first, last)) = summary.span {
        assert!(first <= last && Some(last) <= latest.max(Some(last)), "{}", form.name);
        assert!(earliest.is_some_and(|at| at <= first), "{}", form.name);
    }
}
