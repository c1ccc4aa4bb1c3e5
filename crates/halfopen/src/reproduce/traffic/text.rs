//! What was found, as people read it.

use core::fmt::Write as _;

use halfopen_core::time::Duration;
use halfopen_lab::traffic::{Age, Cap, Study};

use super::finding::{Finding, Row};
use crate::output::{BAD, BOLD, DIM, GOOD};

/// The longest bar of the histogram.
const BAR: u64 = 40;

impl Finding<'_> {
    /// Tells it to people.
    pub(super) fn text(&self) -> String {
        let &Study { scenario, length, seed, runs, .. } = self.study;
        let mut text = format!("{BOLD}{}{BOLD:#}\n", scenario.title);
        let each = if runs > 1 { format!(", {runs} runs") } else { String::new() };
        let _ = writeln!(text, "with the traffic {} for {}{each}\n", self.what, time(length));
        self.tell_arrivals(&mut text);
        self.tell_ages(&mut text);
        self.tell_caps(&mut text);
        let colour = if self.is_spared() { GOOD } else { BAD };
        let _ = writeln!(text, "\n{colour}{}{colour:#}", textwrap::fill(&self.why(), 100));
        let _ = writeln!(text, "\n{DIM}seed {seed}; docs/traffic.md says how it is counted{DIM:#}");
        text
    }

    fn tell_arrivals(&self, text: &mut String) {
        let requests = count(self.outline.requests);
        let _ = write!(text, "  {requests} requests arrive");
        if let Some(pause) = self.outline.longest_pause {
            let _ = write!(text, "; the longest pause is {}", time(pause));
        }
        text.push('\n');
        if let Some((place, limit)) = self.limit() {
            let _ = writeln!(text, "  {place} forgets a connection after {}", time(limit));
        }
        let Some(record) = self.record() else { return };
        if record.unsorted > 0 {
            let _ = writeln!(text, "  {} times were put in order", count(record.unsorted));
        }
        if record.clients > 1 {
            let clients = record.clients;
            let _ =
                writeln!(text, "  they come from {clients} addresses, and are taken as one pool's");
        }
        if record.unreadable > 0 {
            let _ = writeln!(text, "  {} lines without a time:", count(record.unreadable));
            for (line, why) in &record.examples {
                let _ = writeln!(text, "    line {line}: {why}");
            }
        }
    }

    /// Shows how old the connections were that requests were sent on.
    fn tell_ages(&self, text: &mut String) {
        let own = self.own();
        let _ = writeln!(text, "\n  {DIM}{:<20}{:>12}  idle before it{DIM:#}", "", "requests");
        let most = own.ages.iter().map(|age| age.requests).chain([own.fresh]).max().unwrap_or(0);
        tell_bar(text, "new", own.fresh, most, 0);
        let last = own.ages.iter().rposition(|age| age.requests > 0);
        for age in own.ages.iter().take(last.map_or(0, |last| last + 1)) {
            tell_bar(text, &span(*age), age.requests, most, age.met);
        }
    }

    fn tell_caps(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n  {DIM}{:<14}{:>10}{:>10}{:>24}{:>12}{:>12}{DIM:#}",
            "cap", "forgotten", "failed", "a day (95 %)", "opened", "oldest"
        );
        for row in &self.rows {
            let Row { cap: of, tally } = row;
            let between = row
                .interval(self.study)
                .map(|interval| format!(" ({} - {})", rate(interval.low), rate(interval.high)));
            let a_day = rate(tally.failures_per_day()) + &between.unwrap_or_default();
            let _ = writeln!(
                text,
                "  {:<14}{:>10}{:>10}{a_day:>24}{:>12}{:>12}",
                cap(*of),
                count(tally.met),
                count(tally.failed),
                count(tally.opened),
                time(tally.oldest),
            );
        }
        let others = self.own().failed - self.own().met_failed;
        if others > 0 {
            let others = count(others);
            let _ = writeln!(text, "  {others} requests failed without a forgotten connection");
        }
        if self.own().unfinished > 0 {
            let unfinished = count(self.own().unfinished);
            let _ = writeln!(text, "  {unfinished} requests were not over when the run was");
        }
    }
}

fn tell_bar(text: &mut String, what: &str, requests: u64, most: u64, met: u64) {
    let length = (requests * BAR).div_ceil(most.max(1));
    let bar: String = (0..length).map(|_| '#').collect();
    let met = if met > 0 { format!(" {} forgotten", count(met)) } else { String::new() };
    let line = format!("  {what:<20}{:>12}  {bar}{met}", count(requests));
    let _ = writeln!(text, "{}", line.trim_end());
}

fn span(age: Age) -> String {
    match age.to {
        None => format!("{} or longer", time(age.from)),
        Some(to) if age.from.is_zero() => format!("under {}", time(to)),
        Some(to) => format!("{} to {}", time(age.from), time(to)),
    }
}

/// Writes a cap as the user does.
pub(super) fn cap(cap: Cap) -> String {
    match cap {
        Cap::Own => "as it is".to_owned(),
        Cap::At(None) => "none".to_owned(),
        Cap::At(Some(cap)) => time(cap),
    }
}

/// Writes a time as a person would say it: `0.3 s`, `350 s`, `20 min`, `7 days`.
pub(super) fn time(time: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(24 * 60 * 60, "days"), (60 * 60, "h"), (60, "min")];
    let seconds = time.as_secs_f64();
    let whole = time.subsec_nanos() == 0;
    let even = UNITS
        .iter()
        .find(|(unit, _)| whole && time.as_secs() > *unit && time.as_secs().is_multiple_of(*unit));
    match even {
        Some((unit, name)) => format!("{} {name}", time.as_secs() / unit),
        None if seconds >= 10.0 * 60.0 => format!("{} min", (seconds / 60.0).round()),
        None if whole || seconds >= 100.0 => format!("{seconds:.0} s"),
        None => format!("{seconds:.1} s"),
    }
}

/// Writes a number of things, with its thousands apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes how often something happens in a day.
fn rate(per_day: f64) -> String {
    if per_day == 0.0 || per_day >= 100.0 {
        format!("{per_day:.0}")
    } else {
        format!("{per_day:.2}")
    }
}
