//! What was found, and in one sentence why.

use halfopen_core::time::Duration;
use halfopen_lab::traffic::{self, Cap, Form, Interval, Outline, Record, Study, Tally, Traffic};
use serde::Serialize;

use super::text::{cap, time};
use crate::report::Seconds;

/// What was found.
pub(super) struct Finding<'a> {
    /// The traffic, as the user wrote it.
    pub(super) what: &'a str,
    pub(super) study: &'a Study<'a>,
    pub(super) outline: Outline,
    /// The first is the scenario as it is.
    pub(super) rows: Vec<Row>,
}

/// What was counted with one cap.
pub(super) struct Row {
    pub(super) cap: Cap,
    pub(super) tally: Tally,
}

impl Row {
    /// Returns how sure the failures in a day are. Where nothing is left to chance, none is none.
    pub(super) fn interval(&self, study: &Study<'_>) -> Option<Interval> {
        let by_chance = matches!(study.traffic, Traffic::Rate(_));
        let counted = by_chance || self.tally.met_failed > 0;
        self.tally.interval(study.seed).filter(|_| counted)
    }
}

impl Finding<'_> {
    /// Tells whether no request met a forgotten flow, with the scenario as it is.
    pub(super) fn is_spared(&self) -> bool {
        self.own().met == 0
    }

    pub(super) fn own(&self) -> &Tally {
        &self.rows[0].tally
    }

    pub(super) fn limit(&self) -> Option<(&str, Duration)> {
        traffic::limit(self.study.scenario)
    }

    pub(super) const fn record(&self) -> Option<&Record> {
        match self.study.traffic {
            Traffic::Record(record) => Some(record),
            Traffic::Rate(_) | Traffic::Timetable(_) => None,
        }
    }

    /// Says why this traffic is spared or not, and what would spare it.
    pub(super) fn why(&self) -> String {
        let Some((place, limit)) = self.limit() else {
            return "Spared: nothing on this path forgets a connection because it is idle."
                .to_owned();
        };
        let pause = self.outline.longest_pause.unwrap_or_default();
        let (own, limit_text) = (self.own(), time(limit));
        let pauses = format!("requests pause for {} at most", time(pause));
        if own.met == 0 {
            let oldest = time(own.oldest);
            return if pause < limit {
                format!(
                    "Spared: {pauses}, and no connection that one was sent on had been idle for \
                     longer than {oldest}; {place} forgets after {limit_text}."
                )
            } else {
                format!(
                    "Spared, though {pauses} and {place} forgets after {limit_text}: no request \
                     was sent on a connection that had been idle for longer than {oldest}."
                )
            };
        }
        let reason = if pause < limit {
            format!(
                "Not spared, though {pauses}: a burst opens connections that are not needed until \
                 the next, and {place} forgets them after {limit_text}, while others carry what \
                 comes between."
            )
        } else {
            format!("Not spared: {pauses}, and {place} forgets after {limit_text}.")
        };
        format!("{reason} {}", self.remedy(limit))
    }

    /// Says which cap would spare the traffic. One at the limit or above only seems to.
    fn remedy(&self, limit: Duration) -> String {
        let caps = self.rows.iter().filter(|row| row.tally.met == 0 && row.tally.failed == 0);
        let spares = caps.filter_map(|row| match row.cap {
            Cap::At(cap) => cap.filter(|cap| *cap < limit),
            Cap::Own => None,
        });
        match spares.max() {
            Some(cap) => format!("With a cap of {} none fails.", time(cap)),
            None => "No cap that was tried spares it.".to_owned(),
        }
    }

    /// Tells it to programs.
    pub(super) fn json(&self) -> String {
        let &Study { scenario, length, seed, runs, .. } = self.study;
        let json = Json {
            format: 1,
            scenario: &scenario.name,
            traffic: self.what,
            seed,
            runs,
            length_s: Seconds(length),
            requests: self.outline.requests,
            longest_pause_s: self.outline.longest_pause.map(Seconds),
            limit: self.limit().map(|(place, idle)| JsonLimit { place, idle_s: Seconds(idle) }),
            record: self.record().map(JsonRecord::of),
            spared: self.is_spared(),
            why: self.why(),
            caps: self.rows.iter().map(|row| JsonRow::of(row, self.study)).collect(),
        };
        let text = serde_json::to_string_pretty(&json).expect("it has no map and no odd key");
        text + "\n"
    }
}

#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    scenario: &'a str,
    traffic: &'a str,
    seed: u64,
    runs: u32,
    length_s: Seconds,
    requests: u64,
    longest_pause_s: Option<Seconds>,
    limit: Option<JsonLimit<'a>>,
    record: Option<JsonRecord<'a>>,
    spared: bool,
    why: String,
    caps: Vec<JsonRow>,
}

#[derive(Serialize)]
struct JsonLimit<'a> {
    place: &'a str,
    idle_s: Seconds,
}

#[derive(Serialize)]
struct JsonRecord<'a> {
    form: &'static str,
    unreadable: u64,
    examples: Vec<JsonExample<'a>>,
    unsorted: u64,
    clients: usize,
}

#[derive(Serialize)]
struct JsonExample<'a> {
    line: u64,
    why: &'a str,
}

impl<'a> JsonRecord<'a> {
    fn of(record: &'a Record) -> Self {
        let examples = record.examples.iter();
        Self {
            form: match record.form {
                Form::Seconds => "seconds",
                Form::Iso => "iso-8601",
                Form::Alb => "alb",
            },
            unreadable: record.unreadable,
            examples: examples.map(|(line, why)| JsonExample { line: *line, why }).collect(),
            unsorted: record.unsorted,
            clients: record.clients,
        }
    }
}

#[derive(Serialize)]
struct JsonRow {
    cap: String,
    requests: u64,
    met: u64,
    met_failed: u64,
    failed: u64,
    unfinished: u64,
    opened: u64,
    share_met: f64,
    failures_per_day: f64,
    failures_per_day_low: Option<f64>,
    failures_per_day_high: Option<f64>,
    oldest_s: Seconds,
    on_new_connections: u64,
    ages: Vec<JsonAge>,
}

#[derive(Serialize)]
struct JsonAge {
    from_s: Seconds,
    to_s: Option<Seconds>,
    requests: u64,
    met: u64,
}

impl JsonRow {
    fn of(row: &Row, study: &Study<'_>) -> Self {
        let (tally, interval) = (&row.tally, row.interval(study));
        let ages = tally.ages.iter().map(|age| JsonAge {
            from_s: Seconds(age.from),
            to_s: age.to.map(Seconds),
            requests: age.requests,
            met: age.met,
        });
        Self {
            cap: cap(row.cap),
            requests: tally.requests,
            met: tally.met,
            met_failed: tally.met_failed,
            failed: tally.failed,
            unfinished: tally.unfinished,
            opened: tally.opened,
            share_met: tally.share_met(),
            failures_per_day: tally.failures_per_day(),
            failures_per_day_low: interval.map(|interval| interval.low),
            failures_per_day_high: interval.map(|interval| interval.high),
            oldest_s: Seconds(tally.oldest),
            on_new_connections: tally.fresh,
            ages: ages.collect(),
        }
    }
}
