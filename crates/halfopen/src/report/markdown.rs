//! The report for an issue tracker: short, in Markdown as GitHub and GitLab read it.
//!
//! What is not ours is escaped: it stays text, makes no link, and calls nobody by a mention.

use core::fmt::Write as _;

use halfopen_core::cause::Cause;

use super::remedy::{Advice, Step, Warning};
use super::untrusted::visible;
use super::{Evidence, Line, Path, Report, Suspect, advice};

/// Healthy servers beyond this many are counted and not told one by one.
const HEALTHY_TOLD_MAX: usize = 5;

/// Prints a report for an issue tracker.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let several = report.captures.len() > 1;
    let (healthy, troubled): (Vec<&Path>, Vec<&Path>) =
        report.paths.iter().partition(|path| path.cause == Cause::None);
    for path in troubled {
        trouble(&mut text, path, report);
    }
    for path in healthy.iter().take(HEALTHY_TOLD_MAX) {
        let (headline, counts) = (advice::headline(path), advice::well(path));
        let _ = writeln!(text, "{} {}  ", escaped(&headline), escaped(&counts));
    }
    if let Some(more) = healthy.len().checked_sub(HEALTHY_TOLD_MAX).filter(|&more| more > 0) {
        let _ = writeln!(text, "Nothing is wrong with {more} more servers.");
    }
    if report.paths.is_empty() {
        text.push_str("There is no TCP connection in it, so there is nothing to judge.\n");
    }
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    for (index, capture) in report.captures.iter().enumerate() {
        let number = if several { format!(" {index}") } else { String::new() };
        let file = code(&capture.file);
        let _ = write!(text, "- capture{number}: {file}, {} packets", capture.packets);
        if let (Some(first), Some(last)) = (capture.first, capture.last) {
            let _ = write!(text, ", {first} to {last} UTC");
        }
        for what in &capture.notes {
            let _ = write!(text, "; {}", escaped(what));
        }
        text.push('\n');
    }
    text
}

/// A path with which something is wrong.
fn trouble(text: &mut String, path: &Path, report: &Report) {
    let several = report.captures.len() > 1;
    let _ = writeln!(text, "### {}\n", escaped(&advice::headline(path)));
    let mechanism = path.mechanism.map_or(String::new(), |how| format!(" ({how})"));
    let because = escaped(&path.because);
    let _ = writeln!(text, "| cause | {}{mechanism}: {because} |\n|---|---|", path.cause);
    let mut row = |word: &str, what: &str| {
        let _ = writeln!(text, "| **{word}** | {what} |");
    };
    row("harm", &advice::harm(path));
    if let Some(limit) = advice::limit(path) {
        row("limit", &limit);
    }
    if let Some(who) = advice::who(path.culprit) {
        row("who", who);
    }
    if let Some(next) = advice::next(path) {
        row("next", &escaped(&next));
    }
    if !path.evidence.is_empty() {
        text.push_str("\n| frame | time (UTC) | what it shows |\n|--:|---|---|\n");
    }
    for seen in &path.evidence {
        let Evidence { capture, frame, at, fact } = seen;
        let number = if several { format!("{capture}:") } else { String::new() };
        let _ = writeln!(text, "| {number}{frame} | {at} | {} |", escaped(fact));
    }
    lines(text, &path.lines, report);
    suspects(text, &path.suspects);
    if let Some(advice) = &path.advice {
        remedy(text, advice);
    }
    text.push('\n');
}

/// What logs say.
fn lines(text: &mut String, lines: &[Line], report: &Report) {
    if !lines.is_empty() {
        text.push_str("\n| line | time (UTC) | what it says |\n|---|---|---|\n");
    }
    for Line { log, number, at, fact } in lines {
        let file = report.logs.get(*log).map_or("", |log| log.file.as_str());
        let _ = writeln!(text, "| {}:{number} | {at} | {} |", escaped(file), escaped(fact));
    }
}

/// Who could have done it.
fn suspects(text: &mut String, suspects: &[Suspect]) {
    if !suspects.is_empty() {
        text.push_str("\n| suspect | standing | why |\n|---|---|---|\n");
    }
    for Suspect { who, standing, why, .. } in suspects {
        let _ = writeln!(text, "| {who} | {standing} | {} |", escaped(why));
    }
}

/// What to change, and what not.
fn remedy(text: &mut String, advice: &Advice) {
    let client = advice.client.as_ref().map_or(String::new(), |client| {
        let version = client.version.as_ref().map_or(String::new(), |it| format!(" ({it})"));
        format!(" in {}{version}", client.title)
    });
    let _ = writeln!(text, "\n**What to do{}**\n", escaped(&client));
    for (index, Step { what, setting, snippet, note, source }) in advice.steps.iter().enumerate() {
        let _ = write!(text, "- {}", escaped(what));
        if let Some(basis) = advice.basis.as_ref().filter(|_| index == 0) {
            let _ = write!(text, " ({})", escaped(basis));
        }
        if let Some(setting) = setting {
            let _ = write!(text, ": {}", code(setting));
        }
        for more in [note, source].into_iter().flatten() {
            let _ = write!(text, "; {}", escaped(more));
        }
        text.push('\n');
        if let Some(snippet) = snippet {
            let lines: Vec<String> =
                snippet.lines().map(|line| format!("  {}", visible(line))).collect();
            let _ = writeln!(text, "  ```\n{}\n  ```", lines.join("\n"));
        }
    }
    text.push_str("\n**What does not help here**\n\n");
    for Warning { what, why, .. } in &advice.warnings {
        let _ = writeln!(text, "- {}: {}", escaped(what), escaped(why));
    }
}

/// Escapes text so that it stays text, in a cell of a table, too.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in visible(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // A mention tells everybody of a name, escaped or not; a word that is broken is none.
            '@' => safe.push_str("@&#8203;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    // Addresses of pages become links without being marked as such.
    safe.replace("://", ":&#8203;//").replace("www.", "www&#8203;.")
}

/// Sets text as code, fenced by more backticks than it has in a row.
fn code(text: &str) -> String {
    let text = visible(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        assert_eq!(escaped("<img src=x>|*b*"), "&lt;img src=x&gt;\\|\\*b\\*");
        assert_eq!(escaped("@team [a](http://b)"), "@&#8203;team \\[a\\](http:&#8203;//b)");
    }

    #[test]
    fn code_with_backticks_in_it_is_fenced_by_more() {
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`"), "`` ` ``");
    }
}
