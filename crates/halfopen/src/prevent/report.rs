//! What a guard did, for people and for programs.

use core::fmt::Write as _;
use std::path::Path;

use halfopen_core::time::Duration;
use halfopen_live::guard::limits::{Limits, Rules};
use halfopen_live::guard::{Counts, Guard, Mode, Tallied};
use serde::Serialize;

use super::GuardFailure;

/// What a guard did.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    cgroup: String,
    dry_run: bool,
    rules: Vec<Rule>,
    spared: Vec<String>,
    counts: CountsJson,
    destinations: Vec<Counted>,
}

#[derive(Debug, Serialize)]
struct Rule {
    destination: String,
    idle_s: u64,
    interval_s: u64,
    count: u32,
    user_timeout_s: u64,
}

/// What was counted.
#[derive(Debug, Serialize)]
pub(super) struct CountsJson {
    opened: u64,
    accepted: u64,
    changed: u64,
    kept: u64,
    failed: u64,
    options_held: u64,
    spared: u64,
    others: u64,
}

#[derive(Debug, Serialize)]
struct Counted {
    destination: String,
    connections: u64,
    changed: u64,
}

impl Report {
    /// Reads what a guard has counted.
    pub(super) fn new(
        guard: &Guard,
        cgroup: &Path,
        rules: &Rules,
        mode: Mode,
    ) -> Result<Self, GuardFailure> {
        let rule = |(destination, limits): &(_, Limits)| Rule::new(destination, limits);
        Ok(Self {
            cgroup: cgroup.display().to_string(),
            dry_run: mode == Mode::DryRun,
            rules: rules.guarded.iter().map(rule).collect(),
            spared: rules.spared.iter().map(ToString::to_string).collect(),
            counts: guard.counts()?.into(),
            destinations: guard.destinations()?.iter().map(Counted::from).collect(),
        })
    }

    /// Returns it for programs, in a line.
    pub(super) fn json(&self) -> String {
        line(self)
    }

    /// Returns it for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.counts.words(self.dry_run));
        for Counted { destination, connections, changed } in &self.destinations {
            let _ = writeln!(text, "  {destination}: {connections} connections, {changed} changed");
        }
        text
    }
}

impl Rule {
    fn new(destination: impl ToString, limits: &Limits) -> Self {
        let seconds = |time: Duration| time.as_secs();
        Self {
            destination: destination.to_string(),
            idle_s: seconds(limits.idle()),
            interval_s: seconds(limits.interval()),
            count: limits.count(),
            user_timeout_s: seconds(limits.user_timeout()),
        }
    }
}

impl CountsJson {
    /// Says what was counted.
    pub(super) fn words(&self, dry_run: bool) -> String {
        let Self { opened, accepted, changed, kept, failed, options_held, spared, others } = self;
        let would = if dry_run { "would have been " } else { "" };
        let mut text = format!(
            "{} connections guarded ({opened} opened, {accepted} accepted): {changed} {would}\
             changed, {kept} kept as they were; {options_held} calls {would}held to the limit",
            opened + accepted
        );
        for (number, what) in [
            (spared, "spared"),
            (others, "of which no rule speaks"),
            (failed, "where the kernel refused something"),
        ] {
            if *number > 0 {
                let _ = write!(text, "; {number} {what}");
            }
        }
        text
    }
}

impl From<Counts> for CountsJson {
    fn from(counts: Counts) -> Self {
        let Counts { opened, accepted, changed, kept, failed, held, spared, others } = counts;
        Self { opened, accepted, changed, kept, failed, options_held: held, spared, others }
    }
}

impl From<&Tallied> for Counted {
    fn from(one: &Tallied) -> Self {
        let Tallied { destination, connections, changed } = *one;
        Self { destination: destination.to_string(), connections, changed }
    }
}

/// Returns something for programs, in a line.
pub(super) fn line(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value);
    text.expect("it is made of texts and numbers") + "\n"
}
