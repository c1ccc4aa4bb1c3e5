//! What is wrong with a path: one rule a file.
//!
//! A rule judges what documents and data state, and says nothing where neither does. Its id is
//! stable: comments and code hosts' records name it.

mod keepalive_cannot_help;
mod keepalive_late;
mod keepalive_off;
mod pool_outlives_box;
mod port_exhaustion;
mod request_outlasts_path;
mod schedule_resonance;
mod setting_without_effect;
mod timeout_equal;
mod timeout_order;
mod wrong_leg;

use core::fmt;
use core::fmt::Write as _;
use core::time::Duration;

use crate::finding::{Finding, Level};
use crate::path::{Path, Then};

/// A rule, and what to say of it.
pub struct Rule {
    /// Its name in comments and reports.
    pub id: &'static str,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// How much its findings matter.
    pub level: Level,
    /// Why that matters, in a paragraph.
    pub why: &'static str,
    /// What to do about it, in general; a finding says it with its numbers.
    pub fix: &'static str,
    /// The page that the rule rests on.
    pub source: &'static str,
    /// Finds it on a path.
    pub(crate) find: fn(&Path) -> Vec<Finding>,
}

/// Every rule, in the order of their ids.
pub static RULES: [&Rule; 11] = [
    &keepalive_cannot_help::RULE,
    &keepalive_late::RULE,
    &keepalive_off::RULE,
    &pool_outlives_box::RULE,
    &port_exhaustion::RULE,
    &request_outlasts_path::RULE,
    &schedule_resonance::RULE,
    &setting_without_effect::RULE,
    &timeout_equal::RULE,
    &timeout_order::RULE,
    &wrong_leg::RULE,
];

/// Returns the rule `id`, if there is one.
#[must_use]
pub fn named(id: &str) -> Option<&'static Rule> {
    RULES.into_iter().find(|rule| rule.id == id)
}

/// Returns all rules as a part of a document in Markdown: one heading for each.
#[must_use]
pub fn as_markdown() -> String {
    let mut text = String::new();
    for rule in RULES {
        let Rule { id, title, level, why, fix, source, find: _ } = rule;
        let written = write!(
            text,
            "### {id}\n\n*{level}*: {title}.\n\n{why}\n\n**Fix.** {fix}\n\n\
             **Source.** <{source}>\n\n"
        );
        written.expect("a string takes all that is written");
    }
    text
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// Says what becomes of a request on a connection that a box has forgotten.
const fn fate(then: Then) -> &'static str {
    match then {
        Then::Silent => "the next request on it gets no answer",
        Then::ResetsNext => "the next request on it is reset",
        Then::Tells => "it is closed under the next request",
    }
}

/// Returns a time that is safely shorter than a limit: four fifths of it, in whole seconds.
fn below(limit: Duration) -> Duration {
    Duration::from_secs((limit * 4 / 5).as_secs().max(1))
}

/// Returns a time that is safely longer than a limit: five seconds more.
fn above(limit: Duration) -> Duration {
    limit + Duration::from_secs(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_stand_in_order_and_say_all_that_is_asked() {
        assert!(RULES.is_sorted_by_key(|rule| rule.id));
        for rule in RULES {
            assert!(rule.source.starts_with("https://"), "{}", rule.id);
            for sentence in [rule.why, rule.fix] {
                assert!(sentence.ends_with('.') && sentence.len() > 60, "{}", rule.id);
            }
            assert!(!rule.title.ends_with('.'), "{}", rule.id);
            assert!(core::ptr::eq(named(rule.id).unwrap(), rule));
        }
    }
}
