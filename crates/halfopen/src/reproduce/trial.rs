//! The verdict on trial: what a blind diagnosis says, what really happened, what was expected.

use core::fmt::Write as _;

use halfopen_capture::{Limits, PathReport, Points, Source};
use halfopen_core::cause::{Cause, Culprit, Harm, Mechanism};
use halfopen_core::profile::Fact;
use halfopen_core::scenario::{Expectation, Gateway, Scenario};
use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::{Reproduction, Truth};
use serde::Serialize;
use textwrap::{Options, WordSplitter};

use super::timeline::{self, Line};
use crate::cli::Who;
use crate::output::{BAD, BOLD, DIM, GOOD};
use crate::report::{self, Report, Seconds};

/// Time without a line that is worth a line.
const PAUSE: Duration = Duration::from_secs(1);
/// Lines beyond this many are left out of the text.
const LINES_MAX: usize = 200;

/// A run, and the verdict on it.
#[derive(Debug)]
pub(super) struct Trial {
    scenario: Scenario,
    seed: u64,
    requests: usize,
    timeline: Vec<Line>,
    report: Report,
    /// What the diagnosis says; `None` if it saw no path.
    verdict: Option<Said>,
    truth: Said,
    expected: Said,
    files: Vec<String>,
    /// `None` in virtual time.
    punctuality: Option<Punctuality>,
    /// Whether somebody else's program was the client: what became of its requests it alone knows.
    is_of_another_client: bool,
}

/// How fast a run on real packets was, and how far the machine kept up.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Punctuality {
    /// How many times faster than in the scenario's text its timers ran.
    pub(super) speed: u32,
    /// How many packets came from either end.
    pub(super) packets: u64,
    /// How late the path was told of what was due, in half of the cases at most.
    pub(super) delay_median_s: Seconds,
    /// And at most.
    pub(super) delay_max_s: Seconds,
    /// Who the gateways were.
    pub(super) gateway: Who,
    /// How many packets met something else at the kernel's gateways than at halfopen's own.
    pub(super) differing: u64,
}

impl Punctuality {
    fn tell(&self, text: &mut String) {
        let Self { speed, packets, delay_median_s, delay_max_s, gateway, differing } = self;
        let _ = writeln!(
            text,
            "{DIM}{packets} packets; timers ran {speed} times faster, and late by \
             {delay_median_s} in half of the cases, by {delay_max_s} at most{DIM:#}",
        );
        if *gateway == Who::Kernel {
            let _ = writeln!(
                text,
                "{DIM}the kernel was the gateway; {differing} packets met something else there \
                 than at halfopen's own, which tells what happened{DIM:#}",
            );
        }
    }
}

/// What is said of a path, by whomever. What is left open is `None`.
#[derive(Clone, Copy, Debug, Serialize)]
struct Said {
    cause: Cause,
    mechanism: Option<Mechanism>,
    culprit: Option<Culprit>,
    harm: Harm,
    failures: u64,
}

impl Trial {
    /// Diagnoses the client's capture, and nothing else.
    pub(super) fn new(
        scenario: &Scenario,
        seed: u64,
        run: &Reproduction,
        files: Vec<String>,
    ) -> Self {
        let client = run.sights.first().expect("the client is always watched");
        let mut points = Points::new(Limits::default(), seed);
        let source = Source::open(client.capture.as_slice());
        let summary =
            points.read(0, &client.place, source.expect("the simulator writes whole files"));
        let name = files.first().cloned().unwrap_or_else(|| client.place.clone());
        let report = Report::of_capture(&name, &summary, &points);
        let mut paths = points.diagnose().paths.into_iter();
        Self {
            seed,
            requests: run.requests.len(),
            timeline: timeline::tell(scenario, run),
            report,
            verdict: paths.find(|path| path.server == run.server).map(|path| Said::by(&path)),
            truth: run.truth(scenario).into(),
            expected: scenario.expect.into(),
            files,
            punctuality: None,
            is_of_another_client: false,
            scenario: scenario.clone(),
        }
    }

    /// Says that it was no simulation.
    #[cfg(target_os = "linux")]
    pub(super) fn on_real_packets(self, punctuality: Punctuality) -> Self {
        Self { punctuality: Some(punctuality), ..self }
    }

    /// Says that it was not the scenario's own client that asked.
    #[cfg(target_os = "linux")]
    pub(super) fn of_another_client(self) -> Self {
        Self { is_of_another_client: true, ..self }
    }

    /// Tells whether the diagnosis says what happened.
    fn agrees_with_the_truth(&self) -> bool {
        self.verdict.is_some_and(|verdict| {
            if self.is_of_another_client {
                verdict.blames_as(&self.truth)
            } else {
                verdict.agrees(&self.truth)
            }
        })
    }

    /// Tells whether the diagnosis says what happened, and what was to happen did.
    pub(super) fn verdict_is_true(&self) -> bool {
        let expected = |verdict: Said| self.is_of_another_client || verdict.agrees(&self.expected);
        self.agrees_with_the_truth() && self.verdict.is_some_and(expected)
    }

    /// Tells it to people.
    pub(super) fn text(&self) -> String {
        let Self { scenario, seed, .. } = self;
        let mut text = format!("{BOLD}{}{BOLD:#}\n", scenario.title);
        let _ = writeln!(text, "{}\n", textwrap::fill(&scenario.about.replace('\n', " "), 100));
        self.tell_timeline(&mut text);
        let _ = writeln!(
            text,
            "\n{BOLD}The diagnosis, from the client's capture alone:{BOLD:#}\n\n{}",
            report::text(&self.report, report::WIDTH)
        );
        self.tell_verdict(&mut text);
        self.tell_assumptions(&mut text);
        for file in &self.files {
            let _ = writeln!(text, "wrote {file}");
        }
        let kind = if self.punctuality.is_some() { "real" } else { "virtual" };
        let _ = writeln!(
            text,
            "{DIM}{} of {kind} time, {} requests, seed {seed}{DIM:#}",
            Seconds(scenario.length),
            self.requests
        );
        if let Some(punctuality) = &self.punctuality {
            punctuality.tell(&mut text);
        }
        text
    }

    fn tell_timeline(&self, text: &mut String) {
        let width = self.timeline.iter().map(|line| line.place.chars().count()).max();
        let width = width.unwrap_or(0).max("where".len());
        let _ = writeln!(text, "  {DIM}{:>12}  {:width$}  what{DIM:#}", "seconds", "where");
        let mut last = Instant::EPOCH;
        for line in self.timeline.iter().take(LINES_MAX) {
            let since = line.at.saturating_since(last);
            if since >= PAUSE {
                let _ = writeln!(
                    text,
                    "  {DIM}{:>12}  {} without an event{DIM:#}",
                    "…",
                    Seconds(since)
                );
            }
            let at = line.at.saturating_since(Instant::EPOCH).as_secs_f64();
            let _ = writeln!(text, "  {at:>12.4}  {:width$}  {}", line.place, line.what);
            last = line.at;
        }
        if let Some(more) = self.timeline.len().checked_sub(LINES_MAX).filter(|&more| more > 0) {
            let _ = writeln!(text, "  {DIM}… {more} lines more; --json has them all{DIM:#}");
        }
    }

    fn tell_verdict(&self, text: &mut String) {
        let verdict = self.verdict.map_or("no connection was seen".to_owned(), Said::words);
        let _ = writeln!(text, "verdict   {verdict}");
        if self.is_of_another_client {
            let _ = writeln!(text, "hops say  {}", self.truth.blame());
        } else {
            let _ = writeln!(text, "truth     {}", self.truth.words());
            let _ = writeln!(text, "expected  {}", self.expected.words());
        }
        let truth = self.agrees_with_the_truth();
        let _ = match (truth, self.verdict_is_true()) {
            (true, true) => writeln!(text, "{GOOD}The verdict is the truth.{GOOD:#}\n"),
            (true, false) => writeln!(
                text,
                "{BAD}The verdict is the truth, but not what the scenario expects.{BAD:#}\n"
            ),
            (false, _) if self.verdict.is_some_and(|said| said.cause == Cause::Inconclusive) => {
                writeln!(text, "{BAD}The verdict leaves the truth open.{BAD:#}\n")
            }
            (false, _) => writeln!(text, "{BAD}The verdict is not the truth.{BAD:#}\n"),
        };
    }

    /// Tells what this run rests on that nothing confirms.
    fn tell_assumptions(&self, text: &mut String) {
        let mut told = false;
        for gateway in self.scenario.gateways() {
            let values: Vec<String> =
                assumed(gateway).map(|fact| format!("{} {}", fact.key, fact.value)).collect();
            if values.is_empty() {
                continue;
            }
            let Gateway { name, profile, .. } = gateway;
            let words = format!(
                "Assumed of {name}, as no source confirms it of {profile}: {}.",
                values.join(", ")
            );
            let whole = Options::new(100).word_splitter(WordSplitter::NoHyphenation);
            let _ = writeln!(text, "{DIM}{}{DIM:#}", textwrap::fill(&words, whole));
            told = true;
        }
        if told {
            text.push('\n');
        }
    }

    /// Tells it to programs.
    pub(super) fn json(&self) -> String {
        let json = Json {
            format: 1,
            scenario: &self.scenario.name,
            title: &self.scenario.title,
            seed: self.seed,
            length_s: Seconds(self.scenario.length),
            requests: self.requests,
            timeline: self.timeline.iter().map(JsonLine::of).collect(),
            captures: &self.files,
            live: self.punctuality,
            report: &self.report,
            verdict: self.verdict,
            truth: self.truth,
            expected: self.expected,
            verdict_is_true: self.verdict_is_true(),
            assumed: self
                .scenario
                .gateways()
                .flat_map(|gateway| {
                    assumed(gateway).map(|fact| Assumption {
                        place: &gateway.name,
                        profile: &gateway.profile,
                        key: &fact.key,
                        value: &fact.value,
                        note: fact.note.as_deref(),
                    })
                })
                .collect(),
        };
        let text = serde_json::to_string_pretty(&json).expect("it has no map and no odd key");
        text + "\n"
    }
}

#[derive(Serialize)]
struct Json<'a> {
    format: u32,
    scenario: &'a str,
    title: &'a str,
    seed: u64,
    length_s: Seconds,
    requests: usize,
    timeline: Vec<JsonLine<'a>>,
    captures: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Punctuality>,
    report: &'a Report,
    verdict: Option<Said>,
    truth: Said,
    expected: Said,
    verdict_is_true: bool,
    assumed: Vec<Assumption<'a>>,
}

#[derive(Serialize)]
struct Assumption<'a> {
    place: &'a str,
    profile: &'a str,
    key: &'a str,
    value: &'a str,
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    at_ns: u64,
    place: &'a str,
    what: &'a str,
}

impl<'a> JsonLine<'a> {
    fn of(line: &'a Line) -> Self {
        Self { at_ns: line.at.as_nanos(), place: &line.place, what: &line.what }
    }
}

/// Returns what is assumed of a gateway and can matter to a scenario, whose programs speak TCP.
fn assumed(gateway: &Gateway) -> impl Iterator<Item = &Fact> {
    let others = ["timers.udp", "timers.udp-stream", "timers.icmp"];
    gateway.unconfirmed.iter().filter(move |fact| !others.contains(&fact.key.as_str()))
}

impl Said {
    fn by(path: &PathReport) -> Self {
        let known = Some(path.culprit).filter(|culprit| *culprit != Culprit::Unknown);
        let &PathReport { cause, mechanism, harm, failures, .. } = path;
        Self { cause, mechanism, culprit: known, harm, failures }
    }

    /// Tells whether both say the same, as far as both say anything.
    fn agrees(&self, other: &Self) -> bool {
        fn open<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        self.cause == other.cause
            && self.harm == other.harm
            && self.failures == other.failures
            && open(self.mechanism, other.mechanism)
            && open(self.culprit, other.culprit)
    }

    /// Tells whether both name the same cause, whatever it did to requests.
    fn blames_as(&self, other: &Self) -> bool {
        let Self { harm, failures, .. } = *self;
        self.agrees(&Self { harm, failures, ..*other })
    }

    fn words(self) -> String {
        format!("{}, harm {}, failures {}", self.blame(), self.harm, self.failures)
    }

    fn blame(self) -> String {
        let mut text = format!("cause {}", self.cause);
        if let Some(mechanism) = self.mechanism {
            let _ = write!(text, ", mechanism {mechanism}");
        }
        if let Some(culprit) = self.culprit {
            let _ = write!(text, ", culprit {culprit}");
        }
        text
    }
}

impl From<Truth> for Said {
    fn from(truth: Truth) -> Self {
        let Truth { cause, mechanism, culprit, harm, failures } = truth;
        Self { cause, mechanism, culprit, harm, failures }
    }
}

impl From<Expectation> for Said {
    fn from(expected: Expectation) -> Self {
        let Expectation { cause, mechanism, culprit, harm, failures } = expected;
        Self { cause, mechanism, culprit, harm, failures: failures.into() }
    }
}
