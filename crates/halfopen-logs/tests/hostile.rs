//! What no log should be: cut anywhere, binary, without an end.

#![expect(clippy::unwrap_used, reason = "a test's own files and memory can be read")]

use std::io::{self, Read};

use halfopen_logs::reader::{Form, Summary};
use halfopen_logs::{Lines, alb, program};

const ALB: &str = include_str!("../src/alb/tests/bad-gateway.log");
const CLASSIC: &str = include_str!("../src/httpclient/tests/classic5.log");
const FORMS: [&Form; 4] = [&alb::ACCESS, &alb::CONNECTION, &program::HTTPCLIENT, &program::LOG];

fn read(form: &Form, mut source: impl Read) -> (u64, Summary) {
    let mut count = 0;
    let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    let summary = (form.read)(lines, &mut |_| count += 1);
    assert_eq!(summary.records, count, "{}", form.name);
    (count, summary)
}

#[test]
fn a_log_cut_anywhere_gives_what_came_before() {
    for (form, log) in [(&alb::ACCESS, ALB), (&program::HTTPCLIENT, CLASSIC)] {
        let mut before = 0;
        for end in 0..log.len() {
            let (count, summary) = read(form, &log.as_bytes()[..end]);
            assert!(count + 1 >= before, "{} at {end}: {count} after {before}", form.name);
            assert!(summary.broken.is_none());
            before = count;
        }
    }
}

#[test]
fn what_is_no_log_gives_nothing_and_is_counted() {
    let binary: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    for form in FORMS {
        assert_eq!(read(form, &b""[..]).1.lines, 0, "{}", form.name);
        let (count, summary) = read(form, &binary[..]);
        assert_eq!(count, 0, "{}", form.name);
        assert_eq!(summary.unread_first, Some(1), "{}", form.name);
        assert!(!(form.recognises)(&binary), "{}", form.name);
    }
}

/// A text that repeats without end, up to a length.
struct Endless<'a> {
    text: &'a [u8],
    at: usize,
    left: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.text[self.at..];
        let len = rest.len().min(into.len()).min(self.left);
        into[..len].copy_from_slice(&rest[..len]);
        self.at = (self.at + len) % self.text.len();
        self.left -= len;
        Ok(len)
    }
}

/// Longer than any buffer here.
const LONG: usize = 8 << 20;

#[test]
fn a_line_without_an_end_is_one_line() {
    for form in FORMS {
        let (count, summary) = read(form, Endless { text: b"x", at: 0, left: LONG });
        assert_eq!((count, summary.lines, summary.unread), (0, 1, 1), "{}", form.name);
    }
}

/// Several times as much as may be resident, and as a form's tables hold.
const FILE: usize = 64 << 20;
const RESIDENT_MAX: u64 = 24 << 20;

#[test]
fn a_log_of_any_length_is_read_in_the_memory_of_its_tables() {
    for (form, text) in [(&alb::ACCESS, ALB), (&program::HTTPCLIENT, CLASSIC)] {
        let before = resident("VmRSS:");
        let (count, summary) = read(form, Endless { text: text.as_bytes(), at: 0, left: FILE });
        assert!(count > 10_000 && summary.broken.is_none(), "{}: {summary:?}", form.name);
        let grown = resident("VmHWM:").saturating_sub(before);
        assert!(grown < RESIDENT_MAX, "{}: {grown} bytes for {FILE}", form.name);
    }
}

/// Returns one of this process's sizes in memory, in bytes (`proc_pid_status(5)`).
#[expect(clippy::disallowed_methods, reason = "the kernel says it in a file")]
fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}
