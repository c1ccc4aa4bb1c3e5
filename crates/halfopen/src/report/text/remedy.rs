//! What to change, for people.

use core::fmt::Write as _;

use super::super::remedy::{Advice, Step};
use super::super::untrusted::visible;
use super::row;
use crate::output::DIM;

/// Says what to change, and what not.
pub(in crate::report) fn remedy(advice: &Advice, width: usize) -> String {
    let mut text = String::new();
    if let Some(client) = &advice.client {
        let version = client.version.as_ref().map_or(String::new(), |it| format!(" ({it})"));
        let known = format!("{}{version}, by {}. {}", client.title, client.by, client.summary);
        text.push_str(&row("client", &known, width));
    }
    for (index, step) in advice.steps.iter().enumerate() {
        let word = if index == 0 { "do" } else { "" };
        let basis = advice.basis.as_ref().filter(|_| index == 0);
        text.push_str(&tell(word, step, basis, width));
    }
    for (index, warning) in advice.warnings.iter().enumerate() {
        let word = if index == 0 { "don't" } else { "" };
        text.push_str(&row(word, &format!("{}: {}", warning.what, warning.why), width));
    }
    text
}

fn tell(word: &str, step: &Step, basis: Option<&String>, width: usize) -> String {
    let mut what = step.what.clone();
    if let Some(basis) = basis {
        let _ = write!(what, " ({basis})");
    }
    if let Some(setting) = &step.setting {
        let _ = write!(what, ": {setting}");
    }
    if let Some(note) = &step.note {
        let _ = write!(what, "; {note}");
    }
    let mut text = row(word, &what, width);
    for line in step.snippet.iter().flat_map(|snippet| snippet.lines()) {
        let _ = writeln!(text, "           {}", visible(line));
    }
    if let Some(source) = &step.source {
        let _ = writeln!(text, "         {DIM}{}{DIM:#}", visible(source));
    }
    text
}
