//! Exemptions: `# halfopen: allow RULE reason` in a document that has comments, or `[[allow]]` in a
//! path file.

use serde::Serialize;

use crate::finding::Finding;
use crate::place::{Document, Place};
use crate::rule;
use crate::source::{self, Source, SourceError};

const MARK: &str = "halfopen: allow";

/// A rule that is not to count somewhere.
#[derive(Clone, Debug, Serialize)]
pub struct Allow {
    /// The rule's id.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Where that is written.
    pub place: Place,
    #[serde(skip)]
    scope: Scope,
}

#[derive(Clone, Debug)]
enum Scope {
    /// A line of the document that the comment is in.
    Line(usize),
    /// What a path file says.
    Stated { path: Option<String>, file: Option<String> },
}

/// Returns the exemptions of a document.
pub(crate) fn of(document: &Document, source: &Source) -> Result<Vec<Allow>, SourceError> {
    let mut found = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        let Some((before, rest)) = comment(line) else { continue };
        let number = index + 1;
        let start = line_start(document, number);
        let place = document.place(start + before.len()..start + line.len());
        let (rule, reason) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        let alone = before.trim_end_matches(['#', ' ', '\t', '/']).trim().is_empty();
        let line = if alone { next_line(document, number) } else { number };
        found.push(checked(rule, reason.trim(), place, Scope::Line(line))?);
    }
    let stated = source.path_file.iter().flat_map(|file| &file.allow);
    for source::Exemption { rule, reason, path, file } in stated {
        let place = document.place(rule.span());
        let scope = Scope::Stated { path: path.clone(), file: file.clone() };
        found.push(checked(rule.get_ref(), reason, place, scope)?);
    }
    Ok(found)
}

/// Returns what stands before and after the mark of an exemption, if the line has one in a comment.
fn comment(line: &str) -> Option<(&str, &str)> {
    let (before, rest) = line.split_once(MARK)?;
    before.trim_end().ends_with('#').then_some((before, rest))
}

fn checked(rule: &str, reason: &str, place: Place, scope: Scope) -> Result<Allow, SourceError> {
    if rule::named(rule).is_none() {
        let ids: Vec<&str> = rule::RULES.iter().map(|rule| rule.id).collect();
        let message = format!("there is no rule `{rule}`; there are {}", ids.join(", "));
        return Err(SourceError { place, message });
    }
    if reason.is_empty() {
        let message = format!("say why, for whoever reads this next: `# {MARK} {rule} REASON`");
        return Err(SourceError { place, message });
    }
    Ok(Allow { rule: rule.to_owned(), reason: reason.to_owned(), place, scope })
}

fn line_start(document: &Document, number: usize) -> usize {
    document.text.split_inclusive('\n').take(number - 1).map(str::len).sum()
}

/// Returns the next line that is neither empty nor a comment.
fn next_line(document: &Document, number: usize) -> usize {
    let is_setting = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let after = (number + 1..).map_while(|at| Some((at, document.line(at)?)));
    after.into_iter().find(|(_, line)| is_setting(line)).map_or(number, |(at, _)| at)
}

impl Allow {
    /// Tells whether the exemption is for a finding: for what it says or what it rests on.
    pub(crate) fn covers(&self, finding: &Finding) -> bool {
        let mut places =
            core::iter::once(&finding.place).chain(finding.related.iter().map(|one| &one.place));
        let is_there = match &self.scope {
            Scope::Line(line) => {
                places.any(|place| place.file == self.place.file && place.line == *line)
            }
            Scope::Stated { path, file } => {
                let in_file = |place: &Place, file: &str| {
                    let rest = place.file.strip_suffix(file);
                    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
                };
                path.as_ref().is_none_or(|path| *path == finding.path)
                    && file.as_ref().is_none_or(|file| places.any(|place| in_file(place, file)))
            }
        };
        is_there && self.rule == finding.rule.id
    }
}
