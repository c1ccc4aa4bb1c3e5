//! What was seen at each place of a run, in a sentence or two each.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use halfopen_core::cause::Cause;
use halfopen_core::scenario::{Answers, Asks, Scenario, Station};
use halfopen_core::time::Duration;
use halfopen_lab::hunt::{Burst, Farewell, Lost, Seen};

use crate::report::Seconds;

/// The most failures that are told one by one.
const TOLD_MAX: usize = 2;
/// The most runs that are told one by one.
const RUNS_MAX: usize = 12;

/// What was seen at a place.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) seen: String,
}

/// Tells what was seen, in the order of a packet's way.
pub(super) fn tell(scenario: &Scenario, seen: &Seen) -> Vec<Place> {
    let client = match scenario.client.asks {
        Asks::Scheduler(_) => "scheduler",
        Asks::Bursts(_) => "client",
    };
    let mut places = vec![
        place(client, requests(seen)),
        place("pool", pool(seen)),
        place("netstat", sockets(seen)),
        place("tcpdump", packets(seen)),
    ];
    for station in &scenario.path {
        match station {
            Station::Link(_) => {}
            Station::Gateway(gateway) => places.push(place(&gateway.name, forgetting(seen))),
            Station::Balancer(balancer) => {
                let logged = runs(seen, |burst| burst.logged);
                places.push(place(&balancer.name, format!("access log: {logged}")));
            }
        }
    }
    let received = runs(seen, |burst| burst.received);
    places.push(match scenario.answers {
        Answers::Payment(_) => {
            let twice = match seen.duplicates {
                0 => "none twice".to_owned(),
                twice => format!("{twice} more than once"),
            };
            place("payment", format!("received {received}; {} charges, {twice}", seen.charged))
        }
        Answers::FarEnd(_) => place("far-end", format!("received {received}")),
    });
    places.push(place("diagnosis", diagnosis(seen)));
    places
}

fn place(name: &str, seen: String) -> Place {
    Place { name: name.to_owned(), seen }
}

fn requests(seen: &Seen) -> String {
    let sent = runs(seen, |burst| burst.sent);
    if seen.lost.is_empty() {
        return format!("sent {sent}; none failed");
    }
    let one =
        |lost: &Lost| format!("{} of run {}: {}", position(seen, lost), lost.burst, lost.outcome);
    let told: Vec<String> = seen.lost.iter().take(TOLD_MAX).map(one).collect();
    let more = more(seen.lost.len());
    format!("sent {sent}; {} failed: {}{more}", seen.lost.len(), told.join("; "))
}

/// Returns which request of its run a lost one was.
fn position(seen: &Seen, lost: &Lost) -> String {
    let before: u64 = seen.bursts.iter().take(lost.burst as usize - 1).map(|it| it.sent).sum();
    format!("request {}", u64::from(lost.number).saturating_sub(before))
}

fn pool(seen: &Seen) -> String {
    let tally = &seen.pool;
    let mut text = format!(
        "opened {}, reused {} times",
        count(tally.opened, "connection"),
        tally.leased_reused
    );
    let idle = seen.lost.iter().filter_map(|lost| lost.idle);
    if let Some(idle) = common(idle) {
        let _ = write!(text, "; what failed was idle for {idle}");
    }
    let retried: u64 = tally.retried.values().sum();
    if retried > 0 {
        let _ = write!(text, "; {} went out again", count(retried, "request"));
    }
    if tally.cap_changes > 0 {
        let _ = write!(text, "; the ledger changed its cap {} times", tally.cap_changes);
    }
    text
}

fn sockets(seen: &Seen) -> String {
    let before: Vec<String> = (2..)
        .zip(seen.bursts.iter().skip(1).take(RUNS_MAX))
        .map(|(number, burst)| {
            let state = if burst.sockets.is_empty() { "no connection" } else { &burst.sockets };
            format!("run {number}: {state}")
        })
        .collect();
    let mut states: Vec<&str> = seen.bursts.iter().skip(1).map(|it| &*it.sockets).collect();
    states.dedup();
    match (states.as_slice(), before.len()) {
        (_, 0) => "there was one run only".to_owned(),
        ([""], _) => "no connection when a later run begins".to_owned(),
        ([state], _) => format!("{state} until the moment in which each later run begins"),
        _ => format!("just before {}", before.join(", before ")),
    }
}

fn packets(seen: &Seen) -> String {
    let fins = seen.client.farewells.iter().filter(|it| !it.reset);
    let idle = |it: &Farewell| it.idle;
    let mut told = Vec::new();
    let fin_count = fins.clone().count();
    if let Some(idle) = common(fins.map(idle)) {
        let came = if fin_count == 1 { "comes" } else { "come" };
        told.push(format!("{} {came} {idle} after the last data", count(fin_count as u64, "FIN")));
    }
    let resets: Vec<&Farewell> = seen.client.resets().collect();
    if let Some(first) = resets.first() {
        let kinds = count(resets.len() as u64, "reset");
        let comes = if resets.len() == 1 { "comes" } else { "come" };
        let mut reset = format!("{kinds} {comes} with a time to live of {}", first.ttl);
        if let Some(ttl) = seen.client.server_ttl {
            let _ = write!(reset, ", where answers have {ttl}");
        }
        told.push(reset);
    }
    if told.is_empty() { "no FIN and no reset comes".to_owned() } else { told.join("; ") }
}

fn forgetting(seen: &Seen) -> String {
    let mut text = match common(seen.forgotten.iter().copied()) {
        None => "forgot no open connection".to_owned(),
        Some(idle) => {
            let forgotten = count(seen.forgotten.len() as u64, "connection");
            format!("forgot {forgotten} after {idle} without a packet")
        }
    };
    let mut reactions: BTreeMap<&str, u64> = BTreeMap::new();
    for &reaction in &seen.reactions {
        *reactions.entry(reaction).or_default() += 1;
    }
    for (reaction, times) in reactions {
        let how = match reaction {
            "reset" => "answered with a reset",
            "drop" => "dropped",
            "adopt" => "passed on",
            _ => "answered by ICMP",
        };
        let _ = write!(text, "; {} of the client on them {how}", count(times, "packet"));
    }
    if seen.late > 0 {
        let _ = write!(text, "; {} from outside came too late", count(seen.late, "packet"));
    }
    let _ = write!(text, "; IdleTimeoutCount {}", seen.idle_timeouts);
    text
}

fn diagnosis(seen: &Seen) -> String {
    let Some(path) = &seen.diagnosis else { return "there is no connection to judge".to_owned() };
    let cause = if path.cause == Cause::None { "nothing is wrong" } else { path.cause.as_str() };
    let mut text = format!("from the client's capture alone: {cause}");
    if let Some(mechanism) = path.mechanism {
        let _ = write!(text, ", {mechanism}, culprit {}, harm {}", path.culprit, path.harm);
    }
    if let Some(died) = path.died {
        let _ = write!(text, "; died of a pause of {}", Seconds(died));
    }
    let survived = path.survived.filter(|survived| *survived >= Duration::from_secs(1));
    if let Some(survived) = survived {
        let _ = write!(text, "; survived a pause of {}", Seconds(survived));
    }
    text
}

/// Returns a number for each run, or the one that all have.
fn runs(seen: &Seen, of: fn(&Burst) -> u64) -> String {
    let counts: Vec<u64> = seen.bursts.iter().map(of).collect();
    match counts.as_slice() {
        [] => "no request".to_owned(),
        [one] => format!("{one} requests"),
        [first, rest @ ..] if rest.iter().all(|count| count == first) => {
            format!("{first} requests of each of {} runs", counts.len())
        }
        counts => {
            let told: Vec<String> = counts.iter().take(RUNS_MAX).map(u64::to_string).collect();
            let more = if counts.len() > RUNS_MAX { " …" } else { "" };
            format!("{}{more} requests of the runs", told.join(", "))
        }
    }
}

/// Returns the time that all have in common to a tenth of a second, or from which to which.
fn common(times: impl Iterator<Item = Duration>) -> Option<String> {
    let tenths = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let times: Vec<Duration> = times.collect();
    let (least, most) = (tenths(*times.iter().min()?), tenths(*times.iter().max()?));
    Some(if least == most { least } else { format!("{least} to {most}") })
}

fn more(all: usize) -> String {
    match all.saturating_sub(TOLD_MAX) {
        0 => String::new(),
        more => format!("; {more} more"),
    }
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
