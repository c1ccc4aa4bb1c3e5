//! Checks the configuration of a path before it is deployed: timers that are in the wrong order,
//! keepalive that cannot help, settings that do nothing.
//!
//! It reads texts that others wrote for other programs – Terraform's plans, manifests, proxies'
//! and frameworks' configurations – and what its caller writes down of the path itself. It does no
//! I/O, knows no product's number but by the project's data, and guesses nothing: a timer that
//! neither a document nor data states is not judged.
//!
//! ```
//! use halfopen_check::{Document, check};
//!
//! let path = r#"
//!     [[path]]
//!     name = "billing to payment"
//!     [[path.part]]
//!     client = "apache-httpclient-4"
//!     [[path.part]]
//!     box = "aws-nat-gateway"
//! "#;
//! let report = check(&[Document::new("path.toml", path)])?;
//! assert_eq!(report.findings[0].rule.id, "pool-outlives-box");
//! # Ok::<_, halfopen_check::SourceError>(())
//! ```

pub mod allow;
pub mod finding;
mod join;
mod known;
pub mod path;
pub mod place;
pub mod rule;
pub mod sarif;
mod schedule;
mod source;
mod tree;

use serde::Serialize;

pub use allow::Allow;
pub use finding::{Finding, Level};
pub use path::Path;
pub use place::{Document, Place};
pub use rule::{RULES, Rule};
pub use source::{Form, SourceError};

use source::Source;

/// What was found in documents.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What is wrong, in the order of documents and lines.
    pub findings: Vec<Finding>,
    /// What would be, if nobody had said why it is not.
    pub allowed: Vec<Allowed>,
    /// Exemptions that nothing needs any more.
    pub unused: Vec<Allow>,
    /// The documents that were read.
    pub documents: Vec<Read>,
    /// Those of no form that is known.
    pub unknown: Vec<String>,
    /// How many connections with two ends or a box were judged.
    pub legs: usize,
}

/// A document that was read.
#[derive(Clone, Debug, Serialize)]
pub struct Read {
    /// Its name.
    pub name: String,
    /// As what.
    pub form: Form,
}

/// A finding that somebody has allowed.
#[derive(Clone, Debug, Serialize)]
pub struct Allowed {
    /// What was found.
    pub finding: Finding,
    /// Who allows it.
    pub by: Allow,
}

/// Checks what documents say together; one of them may say what stands where on the path.
pub fn check(documents: &[Document]) -> Result<Report, SourceError> {
    let mut report = Report::default();
    let mut read: Vec<(Document, Source)> = Vec::new();
    for document in documents {
        match source::read(document)? {
            Some(source) => {
                report.documents.push(Read { name: document.name.to_string(), form: source.form });
                read.push((document.clone(), source));
            }
            None => report.unknown.push(document.name.to_string()),
        }
    }
    let paths = join::paths(&read)?;
    report.legs = paths.iter().map(|path| path.legs().count()).sum();
    let mut allows = Vec::new();
    for (document, source) in &read {
        allows.extend(allow::of(document, source)?);
    }
    report.sort_out(findings(&paths), allows);
    Ok(report)
}

/// Returns as what a document is read; `None` if it is of no form that is known.
pub fn form_of(document: &Document) -> Result<Option<Form>, SourceError> {
    Ok(source::read(document)?.map(|source| source.form))
}

/// Returns what the rules find on paths, each thing once, in the order of documents and lines.
fn findings(paths: &[Path]) -> Vec<Finding> {
    let on = |path: &Path| {
        let found = RULES.iter().flat_map(|rule| (rule.find)(path));
        found.map(|finding| Finding { path: path.name.clone(), ..finding }).collect::<Vec<_>>()
    };
    let mut found: Vec<Finding> = paths.iter().flat_map(on).collect();
    let place = |finding: &Finding| {
        let Finding { rule, place, message, .. } = finding;
        (place.file.to_string(), place.line, place.column, rule.id, message.clone())
    };
    // Those on a path stand before the same of a part alone, and the sort keeps that.
    found.sort_by_cached_key(place);
    found.dedup_by_key(|finding| place(finding));
    found
}

impl Report {
    fn sort_out(&mut self, found: Vec<Finding>, allows: Vec<Allow>) {
        let mut is_used = vec![false; allows.len()];
        for finding in found {
            match allows.iter().position(|allow| allow.covers(&finding)) {
                Some(index) => {
                    is_used[index] = true;
                    self.allowed.push(Allowed { finding, by: allows[index].clone() });
                }
                None => self.findings.push(finding),
            }
        }
        let unused = allows.into_iter().zip(is_used).filter(|(_, is_used)| !is_used);
        self.unused = unused.map(|(allow, _)| allow).collect();
    }
}
