//! Thousands of random histories: the verdict of the client's capture is what the hops report.
//!
//! Each seed makes a scenario – a gateway of some profile, links, a client's habits, a far end,
//! perhaps a flush – and runs it. The capture is diagnosed blind and held against the truth, which
//! is told from the hops' events and the programs' own accounts. `SWARM_SEED=n` runs one seed,
//! shows its scenario and leaves its capture in the folder for temporary files; `SWARM_COUNT=n`
//! runs more or fewer than usual.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;

use halfopen_capture::{Diagnosis, Limits, PathReport, Tracker, frame, pcap};
use halfopen_core::cause::{Cause, Culprit, Finding, Harm};
use halfopen_core::profile::Profile;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::Scenario;
use halfopen_core::wire::View;
use halfopen_lab::reproduce::{Truth, reproduce};

const COUNT: u64 = 2_000;
/// Reasons not to be right that must stay rare.
const INCONCLUSIVE: &str = "inconclusive";
const EITHERS: &str = "the reset may be the server's as well as a box's";
const UNTOLD: &str = "what a box or the server told an idle client got lost";

/// What the verdict was, beside the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is the truth.
    Right,
    /// It says that the capture does not tell.
    Inconclusive,
    /// The capture cannot tell the truth from what the verdict says, for the reason given.
    Indistinguishable(&'static str),
    /// It names somebody or something that had no part in it, or misses what had.
    Wrong,
}

/// Writes a random scenario as a text that can become a file of its own.
fn scenario(seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let mut text =
        format!("title = \"swarm {seed}\"\nabout = \"Made by chance.\"\nseed = {seed}\n");
    let limit = [20, 60, 120, 350, 1200][rng.index(5)];
    let pauses = pauses(&mut rng, limit);
    let mut at = 0;
    let starts: Vec<String> = core::iter::once(0)
        .chain(pauses.iter().copied())
        .map(|pause| {
            at += pause;
            format!("\"{at}s\"")
        })
        .collect();
    let _ = writeln!(text, "run-for = \"{}s\"\n", at + 120);
    client(&mut text, &mut rng, &starts, limit);
    path(&mut text, &mut rng, limit);
    let idle_timeout = [limit / 2, limit * 3, limit * 10][rng.index(3)];
    let answers = ["1ms", "20ms", "700ms"][rng.index(3)];
    let _ = writeln!(text, "[far-end]\nidle-timeout = \"{idle_timeout}s\"");
    let _ = writeln!(text, "answers-after = \"{answers}\"");
    if rng.chance(0.1) {
        text.push_str("closes-with = \"reset\"\n");
    }
    if rng.chance(0.15) {
        let _ = writeln!(text, "\n[[disturbance]]\nat = \"{}s\"\nflush = \"box\"", rng.below(at));
    }
    text.push_str("\n[expect]\ncause = \"none\"\nharm = \"none\"\n");
    text
}

/// Returns pauses below and above the limit, in whole seconds and never within one of it.
fn pauses(rng: &mut Rng, limit: u64) -> Vec<u64> {
    (0..2 + rng.below(6))
        .map(|_| match rng.below(3) {
            0 => 2 + rng.below(limit - 4),
            1 => limit + 2 + rng.below(limit),
            _ => 2 + rng.below(limit / 2),
        })
        .collect()
}

fn client(text: &mut String, rng: &mut Rng, starts: &[String], limit: u64) {
    let _ = writeln!(text, "[client]\nbursts-at = [{}]", starts.join(", "));
    let requests = 1 + rng.below(4);
    let at_once = 1 + rng.below(requests);
    let _ = writeln!(text, "requests = {requests}\nat-once = {at_once}");
    let pooled = rng.chance(0.9);
    let connections = if pooled { "pooled" } else { "per-request" };
    let _ = writeln!(text, "connections = \"{connections}\"");
    if pooled && rng.chance(0.2) {
        let quarters = [1, 2, 3, 5, 8][rng.index(5)];
        let _ = writeln!(text, "idle-cap = \"{}s\"", limit * quarters / 4);
    }
    let _ = writeln!(text, "connect-timeout = \"3s\"\nread-timeout = \"{}s\"", 5 + rng.below(11));
    let _ = writeln!(text, "retries = {}", u8::from(rng.chance(0.3)));
    let _ = writeln!(text, "request-bytes = {}", [120, 700, 5_000][rng.index(3)]);
    if rng.chance(0.15) {
        let idle = 1 + rng.below(limit * 2);
        let _ = writeln!(
            text,
            "keepalive = {{ idle = \"{idle}s\", interval = \"{}s\", count = 9 }}",
            1 + idle / 4
        );
    }
    text.push('\n');
}

fn path(text: &mut String, rng: &mut Rng, limit: u64) {
    let timer = format!("{limit}s");
    // A product that takes no timer as short as that is left out.
    let gateway = |name: &&str| {
        let takes = |profile: &Profile| {
            let fact = profile.fact("timers.tcp-established");
            fact.and_then(|it| it.range.as_ref()).is_none_or(|range| range.admits(&timer))
        };
        Profile::shipped(name).is_some_and(|it| it.balancer().is_none() && takes(&it))
    };
    let profiles: Vec<&str> = Profile::names().filter(gateway).collect();
    let profile = *rng.pick(&profiles);
    link(text, rng);
    let _ = writeln!(text, "[[path]]\ngateway.profile = \"{profile}\"\ngateway.name = \"box\"");
    let _ = writeln!(text, "gateway.timers.tcp-established = \"{timer}\"\n");
    link(text, rng);
}

fn link(text: &mut String, rng: &mut Rng) {
    let delay = [50, 300, 5_000, 40_000][rng.index(4)] + rng.below(500);
    let _ = writeln!(text, "[[path]]\nlink.delay = \"{delay}us\"");
    if rng.chance(0.2) {
        let _ = writeln!(text, "link.loss = \"{}%\"", 1 + rng.below(3));
    }
    if rng.chance(0.1) {
        text.push_str("link.duplication = \"1%\"\n");
    }
    if rng.chance(0.1) {
        text.push_str("link.reordering = \"2%\"\nlink.held-back = \"3ms\"\n");
    }
    text.push('\n');
}

fn diagnose(capture: &[u8]) -> Diagnosis {
    let mut reader = pcap::Reader::new(capture).unwrap();
    let mut tracker = Tracker::new(Limits::default(), 0);
    while let Some(frame) = reader.next().unwrap() {
        let ip = frame::network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
        tracker.take(frame.number, frame.at, View::parse(ip.bytes, ip.wire_len).unwrap());
    }
    tracker.diagnose()
}

/// Holds a verdict against the truth.
fn compare(truth: &Truth, path: &PathReport) -> Outcome {
    let same_harm =
        path.harm == truth.harm && (truth.harm != Harm::Failed || path.failures == truth.failures);
    let same_culprit = truth
        .culprit
        .is_none_or(|culprit| path.culprit == culprit || path.culprit == Culprit::Unknown);
    let same_mechanism = truth.mechanism.is_none() || path.mechanism == truth.mechanism;
    let harmed = |harm| matches!(harm, Harm::Failed | Harm::Masked);
    // A box that tells the ends at expiry may refuse their answers as well: two mechanisms at once.
    let harmless = !harmed(path.harm) && !harmed(truth.harm);
    let same_story = same_harm && same_mechanism || harmless;
    if path.cause == truth.cause && same_culprit && same_story {
        return Outcome::Right;
    }
    if path.cause == Cause::Inconclusive {
        return Outcome::Inconclusive;
    }
    match (truth.cause, path.cause) {
        (Cause::PacketLoss, Cause::None) if truth.harm == Harm::None => {
            Outcome::Indistinguishable("a few lost packets are no cause")
        }
        (cause, verdict)
            if cause == verdict && same_culprit && same_mechanism && path.harm >= truth.harm =>
        {
            Outcome::Indistinguishable("a repetition after a second counts as a request of its own")
        }
        (Cause::StateLoss, Cause::IdleExpiry | Cause::IdleExpiryInFlight)
            if path.died.is_none_or(|died| path.survived < Some(died)) =>
        {
            Outcome::Indistinguishable("no flow survived as long a pause as the flush ended")
        }
        (_, Cause::IdleExpiry | Cause::PeerAbort) if path.culprit == Culprit::Unknown => {
            Outcome::Indistinguishable(EITHERS)
        }
        (_, Cause::None | Cause::PacketLoss) if harmless => Outcome::Indistinguishable(UNTOLD),
        _ => Outcome::Wrong,
    }
}

/// Returns a seed's scenario, its outcome, and truth and verdict in one line and in many.
fn run(seed: u64) -> (String, Outcome, String, String) {
    let text = scenario(seed);
    let scenario = Scenario::parse("swarm", &text)
        .unwrap_or_else(|error| panic!("seed {seed}: {error:?}\n{text}"));
    let run = reproduce(&scenario, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let truth = run.truth(&scenario);
    let diagnosis = diagnose(&run.sights[0].capture);
    let [path] = diagnosis.paths.as_slice() else { panic!("seed {seed}: {:?}", diagnosis.paths) };
    let outcome = compare(&truth, path);
    if env::var("SWARM_SEED").is_ok() {
        let file = env::temp_dir().join(format!("swarm-{seed}.pcapng"));
        std::fs::write(file, &run.sights[0].capture).unwrap();
    }
    let flows: Vec<String> = diagnosis
        .flows
        .iter()
        .filter(|verdict| verdict.finding != Finding::Healthy)
        .map(|verdict| {
            format!("{} {} {:?} {}", verdict.flow, verdict.finding, verdict.idle, verdict.harm)
        })
        .collect();
    let account = format!("truth {truth:?}\nverdict {path:#?}\n{}", flows.join("\n"));
    let line = format!(
        "seed {seed}: {}, harm {}, {} failures ({:?}) was judged {}, harm {}, {} failures \
         ({:?}, {})",
        truth.cause,
        truth.harm,
        truth.failures,
        truth.mechanism,
        path.cause,
        path.harm,
        path.failures,
        path.mechanism,
        path.culprit,
    );
    (text, outcome, line, account)
}

#[test]
fn the_verdict_is_what_the_hops_report() {
    if let Ok(seed) = env::var("SWARM_SEED") {
        let (text, outcome, _, account) = run(seed.parse().unwrap());
        panic!("{text}\n{account}\n{outcome:?}");
    }
    let count = env::var("SWARM_COUNT").map_or(COUNT, |count| count.parse().unwrap());
    let mut wrong = Vec::new();
    let mut right = 0;
    let mut unsure: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..count {
        let (_, outcome, line, _) = run(seed);
        match outcome {
            Outcome::Right => right += 1,
            Outcome::Inconclusive => *unsure.entry(INCONCLUSIVE).or_default() += 1,
            Outcome::Indistinguishable(why) => *unsure.entry(why).or_default() += 1,
            Outcome::Wrong => wrong.push(line),
        }
    }
    let (lines, misses) = (wrong.join("\n"), wrong.len());
    assert!(
        misses == 0,
        "{lines}\n{misses} of {count} are wrong, {right} right, {unsure:?}; SWARM_SEED=n shows one"
    );
    // A diagnosis that is never sure accuses nobody either, and an excuse must stay one.
    assert!(right * 4 >= count * 3, "only {right} of {count} are right, {unsure:?}");
    for (excuse, percent) in [(INCONCLUSIVE, 5), (EITHERS, 1), (UNTOLD, 1)] {
        let excused = unsure.get(excuse).copied().unwrap_or(0);
        assert!(excused * 100 <= count * percent, "{excused} of {count}: {excuse}");
    }
}
