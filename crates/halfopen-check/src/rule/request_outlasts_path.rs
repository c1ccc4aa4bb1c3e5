//! A request may take longer than the path remembers it, or than somebody on it waits.

use core::time::Duration;

use halfopen_core::time::brief;

use super::Rule;
use crate::finding::{Finding, Level};
use crate::path::{Leg, Path, Stated};

pub(super) static RULE: Rule = Rule {
    id: "request-outlasts-path",
    title: "a request may be under way for longer than the path remembers or waits",
    level: Level::Warning,
    why: "While a server works on a request, the connection is as idle as between two. A box \
          forgets it in the middle, and the response is lost; a proxy answers with 504 in the \
          server's place. Limits of a pool do not help, since the connection is in use.",
    fix: "Let TCP probe connections before half of the box's time, raise the proxy's timeout \
          above the longest request, or make the request shorter: accept the work, and ask for \
          its result later.",
    source: "https://github.com/boto/boto3/issues/2510",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let wait = leg.opener.1.wait.as_ref().filter(|wait| wait.is_written())?;
    let forgets = leg.first_to_forget().map(|(part, forgets)| (part, &forgets.after));
    let waits = leg.acceptor.and_then(|(part, accepts)| Some((part, accepts.wait.as_ref()?)));
    let (part, limit) = forgets.into_iter().chain(waits).min_by_key(|(_, limit)| limit.value)?;
    if wait.value <= limit.value {
        return None;
    }
    let is_box = part.forgets.is_some();
    let message = format!(
        "{} waits {} for a response, and {} {} after {}",
        leg.opener.0.called(),
        brief(wait.value),
        part.called(),
        if is_box { "has forgotten the connection" } else { "gives up" },
        brief(limit.value)
    );
    let fix = if is_box {
        format!("let TCP probe after {} or earlier", brief(limit.value / 2))
    } else {
        let longer = format!("raise it above {}", brief(wait.value));
        limit.setting().map_or(longer.clone(), |setting| format!("{longer} ({setting})"))
    };
    Some(finding(wait, message, fix, limit, &part.called()))
}

fn finding(
    wait: &Stated<Duration>,
    message: String,
    fix: String,
    limit: &Stated<Duration>,
    called: &str,
) -> Finding {
    let related = format!("{called}: {}", brief(limit.value));
    Finding::new(&RULE, wait, message, fix).with(limit, related)
}
