//! Both ends, or an end and a box, let a connection go at the same moment.

use core::time::Duration;

use halfopen_core::fact::Term;
use halfopen_core::time::brief;

use super::{Rule, below};
use crate::finding::{Finding, Level};
use crate::path::{Leg, Part, Path, Stated};

pub(super) static RULE: Rule = Rule {
    id: "timeout-equal",
    title: "two timers of one connection are the same",
    level: Level::Warning,
    why: "Two timers that are the same do not end at the same moment: each counts from what it \
          saw last. So either end can be first, and a request that is sent in that moment meets a \
          connection that the other has closed or forgotten. It looks well set, and fails now and \
          then.",
    fix: "Give the end nearer the client the shorter time: four fifths of the other.",
    source: "https://github.com/dotnet/runtime/issues/52267",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let idle = leg.opener.1.idle.as_ref()?;
    let Term::After(time) = idle.value else { return None };
    if let Some((gate, forgets)) = leg.first_to_forget()
        && forgets.after.value <= time
    {
        let equal = forgets.after.value == time;
        return equal.then(|| finding(leg, idle, time, gate, &forgets.after));
    }
    let (acceptor, accepts) = leg.acceptor?;
    let limit = accepts.idle.as_ref()?;
    (limit.value == idle.value && !leg.agrees()).then(|| finding(leg, idle, time, acceptor, limit))
}

fn finding<T>(
    leg: &Leg<'_>,
    idle: &Stated<Term>,
    time: Duration,
    other: &Part,
    stated: &Stated<T>,
) -> Finding {
    let message = format!(
        "{} and {} both let idle connections go after {}: either can be first",
        leg.opener.0.called(),
        other.called(),
        brief(time)
    );
    let fix = format!("let {} go first, after {}", leg.opener.0.called(), brief(below(time)));
    let finding = Finding::new(&RULE, idle, message, fix);
    finding.with(stated, format!("{}: {}", other.called(), brief(time)))
}
