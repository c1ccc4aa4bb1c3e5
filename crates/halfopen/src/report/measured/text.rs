//! The answer for people.

use core::fmt::Write as _;

use super::super::text::{hang, remedy::remedy, row};
use super::super::untrusted::visible;
use super::{Fact, Measured, words};
use crate::output::{BAD, DIM, GOOD, WARN};
use crate::report::remedy::Limit;

/// Prints an answer for people, in lines of up to `width` columns.
pub(crate) fn text(measured: &Measured, width: usize) -> String {
    let style = match measured.outcome {
        "limit" => BAD,
        "at-least" => GOOD,
        _ => WARN,
    };
    let headline = textwrap::fill(&visible(&words::headline(measured)), width);
    let mut text = format!("{style}{headline}{style:#}\n\n");
    let mut say = |word, what: &str| text.push_str(&row(word, what, width));
    for (word, what) in [
        ("why", measured.because.as_deref()),
        ("shows", words::shows(measured)),
        ("who", words::who(measured)),
        ("class", words::class(measured)),
    ] {
        if let Some(what) = what {
            say(word, what);
        }
    }
    for fits in measured.limits.iter().filter_map(Limit::sentence) {
        say("fits", &fits);
    }
    if let Some(advice) = &measured.advice {
        text.push_str(&remedy(advice, width));
    }
    for (index, unknown) in measured.unknown.iter().enumerate() {
        text.push_str(&row(if index == 0 { "open" } else { "" }, unknown, width));
    }
    if let Some(says) = &measured.packets.says {
        text.push_str(&row("packet", says, width));
    }
    for remark in &measured.remarks {
        text.push_str(&row("note", remark, width));
    }
    text.push_str(&row("took", &words::effort(measured), width));
    if !measured.packets.evidence.is_empty() {
        let _ = writeln!(text, "\n  {DIM}{:26}  what its packets show{DIM:#}", "time (UTC)");
        for Fact { at, fact } in &measured.packets.evidence {
            let _ = writeln!(text, "  {at}  {}", hang(fact, &" ".repeat(30), width));
        }
    }
    text
}
