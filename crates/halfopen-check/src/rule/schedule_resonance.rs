//! Something is asked at fixed times, and they are a timer's.

use core::time::Duration;

use halfopen_core::fact::Term;
use halfopen_core::time::brief;

use super::{Rule, below};
use crate::finding::{Finding, Level};
use crate::path::{Leg, Part, Path, Stated};

pub(super) static RULE: Rule = Rule {
    id: "schedule-resonance",
    title: "a schedule's period is about a timer of its path",
    level: Level::Warning,
    why: "A request every so often finds each connection idle for just that long. If a timer ends \
          at about that time, each run is a race: what fails once in a million requests elsewhere \
          fails here several times a day, and always at the same second.",
    fix: "Let the client give up idle connections well before the period, so that each run opens \
          new ones; or move the period or the timer away from each other.",
    source: "https://github.com/affinidi/affinidi-tdk-rs/pull/654",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

/// Tells whether a period is so near a timer that jitter decides: from a tenth below to a quarter
/// above.
fn is_about(period: Duration, timer: Duration) -> bool {
    period >= timer * 9 / 10 && period <= timer * 5 / 4
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let period = leg.opener.1.period.as_ref()?;
    // A connection that is given up before the next run meets nobody's timer.
    if leg.is_kept_for(period.value) == Some(false) {
        return None;
    }
    let unprobed = leg.forgetting().filter(|(_, forgets)| !leg.is_probed(forgets));
    let boxes = unprobed.map(|(part, forgets)| (part, forgets.after.clone()));
    let acceptor = leg.acceptor.and_then(|(part, accepts)| {
        let idle = accepts.idle.clone()?;
        let Term::After(time) = idle.value else { return None };
        Some((part, Stated { value: time, place: idle.place, basis: idle.basis }))
    });
    let mut timers = boxes.chain(acceptor);
    let (part, timer) = timers.find(|(_, timer)| is_about(period.value, timer.value))?;
    Some(finding(leg, period, part, &timer))
}

fn finding(
    leg: &Leg<'_>,
    period: &Stated<Duration>,
    part: &Part,
    timer: &Stated<Duration>,
) -> Finding {
    let message = format!(
        "{} asks every {}, and {} ends idle connections after {}: each run is a race",
        leg.opener.0.called(),
        brief(period.value),
        part.called(),
        brief(timer.value)
    );
    let limit = period.value.min(timer.value);
    let fix = format!("keep idle connections for {} at most", brief(below(limit)));
    let finding = Finding::new(&RULE, period, message, fix);
    finding.with(timer, format!("{}: {}", part.called(), brief(timer.value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_where_jitter_decides() {
        let minute = Duration::from_mins(1);
        let near = |secs| is_about(Duration::from_secs(secs), minute);
        assert!(near(54) && near(60) && near(75));
        assert!(!near(53) && !near(76) && !near(1200));
    }
}
