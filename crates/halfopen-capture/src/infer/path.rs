//! The cause of one path.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use halfopen_core::cause::{Cause, Culprit, Finding, Harm};
use halfopen_core::verdict::{Evidence, Verdict};

use super::habits::Habits;
use super::leak;
use super::reason;
use super::{Closings, PathReport};
use crate::case::{brief, evidence_at};
use crate::route::{Route, Witness};
use crate::tracker::PAUSE_MIN;

/// A server that closes by a timer closes no connection this much earlier than it kept another.
const PATTERN_SLACK: f64 = 0.8;
/// Loss is a cause when it is more than an accident: so many segments, and so many in a hundred.
const LOST_MIN: u64 = 3;
const LOST_PERCENT_MIN: u64 = 1;
/// Frames named in a path's evidence.
const EVIDENCE_MAX: usize = 12;

/// A flow's verdict with the cause that it speaks for.
struct Judged<'a> {
    cause: Cause,
    verdict: &'a Verdict,
}

/// Infers the cause of a path from the verdicts of its flows. `in_vain` counts the segments that
/// were sent again on flows where nothing answers any more, which speaks of no loss.
pub(crate) fn infer(route: &Route, verdicts: &[(usize, Verdict)], in_vain: u64) -> PathReport {
    let habits = Habits::new(route, verdicts, route.retransmissions > in_vain);
    let flows: Vec<Judged<'_>> = verdicts
        .iter()
        .map(|(_, verdict)| Judged { cause: habits.cause_of(verdict), verdict })
        .collect();
    let count = |harm| flows.iter().filter(|flow| flow.verdict.harm == harm).count() as u64;
    let mut report = PathReport {
        server: route.server.address(),
        cause: Cause::None,
        mechanism: None,
        culprit: Culprit::Unknown,
        harm: Harm::None,
        survived: route.longest_survived().map(|witness| witness.idle),
        died: None,
        closings: closings(route),
        user_agents: route.agents.names().to_vec(),
        connections: route.connections,
        requests: route.requests,
        failures: count(Harm::Failed),
        masked: count(Harm::Masked),
        maybe_twice: 0,
        because: "nothing is wrong with this path in this capture".to_owned(),
        evidence: Vec::new(),
    };
    if let Some(cause) = main_cause(&flows) {
        blame(&mut report, cause, &flows, route, &habits);
    } else if let Some(left) = leak::leak(route, verdicts) {
        leak::blame_leak(&mut report, &left);
    } else if let Some(losses) = loss(route, in_vain) {
        blame_loss(&mut report, losses, route);
    } else if let Some((closing, kept)) = odd_closing(route) {
        blame_closing(&mut report, closing, kept);
    }
    report
}

/// Returns the cause that did the most harm; among equals, to the most flows.
fn main_cause(flows: &[Judged<'_>]) -> Option<Cause> {
    let mut weight = BTreeMap::new();
    for flow in flows.iter().filter(|flow| flow.cause != Cause::None) {
        let (harm, count) = weight.entry(flow.cause).or_insert((Harm::None, 0_usize));
        match flow.verdict.harm.cmp(harm) {
            core::cmp::Ordering::Greater => (*harm, *count) = (flow.verdict.harm, 1),
            core::cmp::Ordering::Equal => *count += 1,
            core::cmp::Ordering::Less => {}
        }
    }
    let inconclusive = |cause: &Cause| *cause == Cause::Inconclusive;
    weight
        .into_iter()
        .max_by_key(|&(cause, (harm, count))| (harm, !inconclusive(&cause), count, Reverse(cause)))
        .map(|(cause, _)| cause)
}

/// Fills the report in for a cause that flows' verdicts speak for.
fn blame(
    report: &mut PathReport,
    cause: Cause,
    flows: &[Judged<'_>],
    route: &Route,
    habits: &Habits,
) {
    let of_cause: Vec<&Verdict> =
        flows.iter().filter(|flow| flow.cause == cause).map(|flow| flow.verdict).collect();
    report.cause = cause;
    report.harm = of_cause.iter().map(|verdict| verdict.harm).max().unwrap_or(Harm::None);
    let worst: Vec<&Verdict> =
        of_cause.iter().copied().filter(|verdict| verdict.harm == report.harm).collect();
    report.mechanism = most(worst.iter().filter_map(|verdict| verdict.mechanism));
    report.culprit = culprit(cause, &worst);
    report.died = expiries(flows).filter_map(|verdict| verdict.idle).min();
    if let Some(died) = report.died {
        let below = route.survived.range(..died).next_back();
        report.survived = below.map(|(&idle, _)| idle);
    }
    // The flow that died of the shortest pause says the most about the limit.
    let mut telling = of_cause.clone();
    telling.sort_by_key(|verdict| (Reverse(verdict.harm), verdict.idle.is_none(), verdict.idle));
    let witness = report.survived.and_then(|idle| route.survived.get(&idle));
    report.evidence = evidence(&telling, witness.filter(|_| report.died.is_some()));
    report.because = match (cause, habits.restart, habits.exhaustion) {
        (Cause::ServerRestart, Some(restart), _) => reason::restart(&restart, of_cause.len()),
        (Cause::PortExhaustion, _, Some(exhaustion)) => {
            let known = exhaustion.culprit();
            report.culprit = if report.culprit == Culprit::Hop { Culprit::Hop } else { known };
            reason::exhaustion(exhaustion, report.culprit, of_cause.len())
        }
        _ => in_every_way(report, &telling),
    };
}

/// Says why connections failed, and how many of them showed it otherwise than most did.
fn in_every_way(report: &PathReport, telling: &[&Verdict]) -> String {
    if report.cause != Cause::IdleExpiry || report.mechanism.is_none() {
        return reason::because(report, telling[0], telling.len());
    }
    let (same, others): (Vec<&Verdict>, Vec<&Verdict>) =
        telling.iter().copied().partition(|verdict| verdict.mechanism == report.mechanism);
    // Those that did the most harm need not have been idle for the shortest time.
    let shortest = same.iter().min_by_key(|verdict| (verdict.idle.is_none(), verdict.idle));
    let because = reason::because(report, shortest.unwrap_or(&telling[0]), same.len());
    match most(others.iter().filter_map(|verdict| verdict.mechanism)) {
        Some(other) => {
            let count = others.iter().filter(|it| it.mechanism == Some(other)).count();
            format!("{because}; {count} more ended otherwise ({other}), as at another box")
        }
        None => because,
    }
}

/// Returns the verdicts whose pauses bound the limit from above.
fn expiries<'a>(flows: &'a [Judged<'a>]) -> impl Iterator<Item = &'a Verdict> {
    flows
        .iter()
        .filter(|flow| matches!(flow.cause, Cause::IdleExpiry | Cause::IdleExpiryInFlight))
        .map(|flow| flow.verdict)
        .filter(|verdict| verdict.finding != Finding::LateClose)
}

fn culprit(cause: Cause, verdicts: &[&Verdict]) -> Culprit {
    // A reset that the server may have sent before, and that got lost, is nobody's proof.
    let lost_before =
        |verdict: &&&Verdict| cause == Cause::PeerAbort && verdict.finding != Finding::PeerAbort;
    if verdicts.iter().any(|verdict| lost_before(&verdict)) {
        return Culprit::Unknown;
    }
    let known = verdicts.iter().map(|verdict| verdict.culprit);
    most(known.filter(|culprit| *culprit != Culprit::Unknown)).unwrap_or(Culprit::Unknown)
}

fn most<T: Ord + Copy>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    items.for_each(|item| *counts.entry(item).or_default() += 1);
    counts.into_iter().max_by_key(|&(item, count)| (count, Reverse(item))).map(|(item, _)| item)
}

/// Returns what shows the cause: of as many flows as there is room for, each whole, and of the
/// longest pause survived.
pub(super) fn evidence(telling: &[&Verdict], survived: Option<&Witness>) -> Vec<Evidence> {
    let room = EVIDENCE_MAX - if survived.is_some() { 2 } else { 0 };
    let mut evidence: Vec<Evidence> = Vec::new();
    for verdict in telling {
        if !evidence.is_empty() && evidence.len() + verdict.evidence.len() > room {
            break;
        }
        evidence.extend(verdict.evidence.iter().cloned());
    }
    if let Some(witness) = survived {
        let idle = brief(witness.idle);
        evidence.push(evidence_at(witness.before, format!("the last packet for {idle}")));
        evidence.push(evidence_at(witness.after, "after this pause a flow still works"));
    }
    evidence
}

/// Returns how many of how many segments were lost; `None` if there are too few to matter.
fn loss(route: &Route, in_vain: u64) -> Option<(u64, u64)> {
    let (lost, sent) = (route.retransmissions.saturating_sub(in_vain), route.segments);
    (lost >= LOST_MIN && lost * 100 >= sent * LOST_PERCENT_MIN).then_some((lost, sent))
}

fn blame_loss(report: &mut PathReport, (lost, sent): (u64, u64), route: &Route) {
    report.cause = Cause::PacketLoss;
    report.because =
        format!("{lost} of {sent} segments were sent again; every request was answered in the end");
    let again = |&mark| evidence_at(mark, "a segment is sent again");
    report.evidence = route.losses.iter().map(again).collect();
}

/// Returns the pauses after which the far end closed connections that were idle.
fn closings(route: &Route) -> Option<Closings> {
    let mut pauses = route.closings.iter().map(|it| it.idle).filter(|&idle| idle >= PAUSE_MIN);
    let first = pauses.next()?;
    let begin = Closings { count: 1, shortest: first, longest: first };
    Some(pauses.fold(begin, |closings, idle| Closings {
        count: closings.count + 1,
        shortest: closings.shortest.min(idle),
        longest: closings.longest.max(idle),
    }))
}

/// Returns a closing by the server that comes too early to be its timer, and what shows that.
fn odd_closing(route: &Route) -> Option<(Witness, Witness)> {
    let kept = route.kept_open?;
    let early = |closing: &&Witness| {
        closing.idle >= PAUSE_MIN && closing.idle < kept.idle.mul_f64(PATTERN_SLACK)
    };
    route.closings.iter().find(early).map(|&closing| (closing, kept))
}

fn blame_closing(report: &mut PathReport, closing: Witness, kept: Witness) {
    let (early, long) = (brief(closing.idle), brief(kept.idle));
    report.cause = Cause::PeerClose;
    report.culprit = Culprit::Peer;
    report.because = format!(
        "the server closed an idle connection after {early}, although it had kept one open for \
         {long}: not a timer, so a restart, a limit or a shutdown. No request was harmed"
    );
    report.evidence = vec![
        evidence_at(kept.before, format!("the last data for {long}")),
        evidence_at(kept.after, "after this pause the server still answers"),
        evidence_at(closing.before, format!("the last data for {early}")),
        evidence_at(closing.after, "the server closes"),
    ];
}
