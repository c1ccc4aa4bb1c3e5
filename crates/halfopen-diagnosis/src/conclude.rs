//! The cause of a path, as far as logs alone show it.
//!
//! Each conclusion excludes the other stories that would leave the same lines, or is not drawn: a
//! reset after a pause may be a box's, a server's timer, or a restart, and only what was seen
//! besides tells them apart.

mod impatient;
mod in_flight;
mod refusals;
mod target;

use core::fmt::Write as _;

use halfopen_core::cause::{Cause, Culprit, Harm, Mechanism};
use halfopen_core::time::Duration;
use halfopen_logs::record::How;

use crate::account::presence::Said;
use crate::account::{Account, Death, brief};
use crate::judgement::{Path, Server};
use crate::suspect::Seen;
use crate::view::sockets::Story;
use crate::view::{PAUSE_MIN, View};

/// Connections that die of one timer, one after the other, are no accident of one moment.
const DEATHS_MIN: usize = 2;
/// So many show by themselves where the limit lies, if as many survived shorter pauses.
const DEATHS_TELLING: usize = 3;
/// A request crosses a FIN only if it is sent within a round trip of it, so all such pauses are the
/// same within this.
const RACE_MAX: Duration = Duration::from_secs(1);
/// The far end was reached if a new connection worked this soon after an old one was dead.
const REACHED_WITHIN: Duration = Duration::from_mins(1);
/// So many lines are shown.
const EVIDENCE_MAX: usize = 12;

/// What is concluded of a path.
#[derive(Debug)]
pub(crate) struct Conclusion {
    pub(crate) cause: Cause,
    pub(crate) mechanism: Option<Mechanism>,
    pub(crate) culprit: Culprit,
    pub(crate) survived: Option<Duration>,
    pub(crate) died: Option<Duration>,
    pub(crate) because: String,
    pub(crate) evidence: Vec<Seen>,
}

impl Conclusion {
    /// Returns that nothing can be concluded.
    fn open(because: String, evidence: Vec<Seen>) -> Self {
        Self {
            cause: Cause::Inconclusive,
            mechanism: None,
            culprit: Culprit::Unknown,
            survived: None,
            died: None,
            because,
            evidence,
        }
    }
}

/// Judges a path by what logs alone tell of it.
pub(crate) fn conclude(account: &Account<'_>, view: &View) -> Path {
    let conclusion = in_flight::judge(account)
        .or_else(|| impatient::judge(account))
        .or_else(|| expiry(account))
        .or_else(|| refusals::judge(account));
    let closed = if conclusion.is_none() { target::judge(view) } else { None };
    let (targets, closed) = closed.map_or((None, 0), |(told, count)| (Some(told), count));
    let conclusion = conclusion
        .or(targets)
        .or_else(|| unexplained(account))
        .or_else(|| given_up(account))
        .or_else(|| replaced(account))
        .or_else(|| unseen(account, view));
    let told = account.exchanges.len();
    let failed = account.exchanges.iter().filter(|it| it.how().is_some()).count();
    let swallowed = if told == 0 { account.deaths.len() } else { 0 };
    let failures = (failed + swallowed) as u64 + closed;
    let healthy = || Conclusion {
        cause: Cause::None,
        because: "nothing is wrong with this path in these logs".to_owned(),
        survived: account.survivals.iter().rfind(|it| it.certain).map(|it| it.pause),
        ..Conclusion::open(String::new(), Vec::new())
    };
    let conclusion = conclusion.unwrap_or_else(healthy);
    let mut evidence = conclusion.evidence;
    evidence.truncate(EVIDENCE_MAX);
    Path {
        cause: conclusion.cause,
        mechanism: conclusion.mechanism,
        culprit: conclusion.culprit,
        harm: if failures > 0 { Harm::Failed } else { Harm::None },
        survived: conclusion.survived,
        died: conclusion.died,
        connections: account.sockets.len() as u64,
        requests: (told + swallowed).max(view.balanced.list.len() * usize::from(told == 0)) as u64,
        failures,
        because: conclusion.because,
        evidence,
        ..Path::healthy(account.server.clone())
    }
}

/// A box forgot connections that were idle: several died of pauses, none survived as long a one,
/// and no other story fits.
fn expiry(account: &Account<'_>) -> Option<Conclusion> {
    let silent = account.deaths.iter().all(|death| death.how == How::TimedOut);
    let ended = account.deaths.iter().all(|death| death.how != How::TimedOut);
    let died = shortest(account, silent)?;
    let proven = if silent { is_silence(account) } else { ended && is_reset(account, died) };
    if !proven {
        return None;
    }
    let mechanism = if silent { Mechanism::SilentDrop } else { Mechanism::ResetOnReuse };
    let reached = silent && account.deaths.iter().all(|it| it.swallowed);
    let culprit = if reached || account.presence.never_came() && stayed_open(account, died) {
        Culprit::Hop
    } else {
        Culprit::Unknown
    };
    let survived = account.survivals.last().map(|it| it.pause);
    let mut because = format!(
        "{} connections used again after {} or more {}",
        account.deaths.len(),
        brief(died),
        if silent { "got no answer" } else { "were reset or closed" },
    );
    if let Some(survived) = survived {
        let _ = write!(because, ", and none died of a pause of up to {}", brief(survived));
    }
    because.push_str(match culprit {
        Culprit::Hop if silent => {
            "; what was sent was never acknowledged, and new connections work"
        }
        Culprit::Hop => "; they were open until then, and what was sent never came to the far end",
        Culprit::Peer | Culprit::Client | Culprit::Unknown => {
            "; the logs do not show whether a box or the far end had dropped them"
        }
    });
    let evidence = evidence(account);
    let (cause, died) = (Cause::IdleExpiry, Some(died));
    Some(Conclusion {
        cause,
        mechanism: Some(mechanism),
        culprit,
        survived,
        died,
        because,
        evidence,
    })
}

/// Returns the shortest fatal pause, if several connections died of pauses, none survived as long
/// a one, and no request failed otherwise. Silence is fatal only where the far end was reached
/// otherwise.
fn shortest(account: &Account<'_>, silent: bool) -> Option<Duration> {
    let fatal = account.deaths.iter().find(|death| !silent || is_reached(account, death))?;
    let died = fatal.pause;
    if account.deaths.first().is_some_and(|first| first.pause < died) {
        return None;
    }
    let outlived = account.survivals.iter().any(|survival| survival.pause >= died);
    (account.deaths.len() >= DEATHS_MIN && !outlived && account.others.is_empty()).then_some(died)
}

/// Tells whether resets are those of a box, or of an end, that had forgotten the connections: they
/// had been open until the request, and no FIN of the far end was on its way.
fn is_reset(account: &Account<'_>, died: Duration) -> bool {
    if account.presence.came() {
        return false;
    }
    let crossed = |death: &Death| match death.how {
        // A FIN that had come, or comes, before the reset ends the read without one.
        How::Reset => false,
        How::ResetOrClosed | How::BrokenPipe => !is_wide(account),
        How::Closed
        | How::TimedOut
        | How::ConnectTimedOut
        | How::Refused
        | How::Unreachable
        | How::NoPort
        | How::LeaseTimedOut
        | How::Cancelled
        | How::Other => true,
    };
    let closed = account.deaths.iter().any(|death| death.how != How::Reset);
    stayed_open(account, died)
        && !account.deaths.iter().any(crossed)
        && (!closed || account.presence.never_came() || is_threshold(account))
}

/// Tells whether so many pauses lie on either side of a limit that no chance puts them there. A far
/// end that closes as a request comes closes some, and not those after the longest pauses.
fn is_threshold(account: &Account<'_>) -> bool {
    account.deaths.len() >= DEATHS_TELLING && account.survivals.len() >= DEATHS_TELLING
}

/// Tells whether connections were open until the requests that found them dead: the client looked
/// and saw nothing, or a table of sockets shows one established after a longer pause than another
/// died of.
fn stayed_open(account: &Account<'_>, died: Duration) -> bool {
    let outlasted = account.deaths.iter().any(|it| it.established.is_some_and(|time| time > died));
    outlasted || account.deaths.iter().all(|death| death.checked || death.notices)
}

/// Tells whether fatal pauses differ by more than requests that cross a FIN do.
fn is_wide(account: &Account<'_>) -> bool {
    let pauses = account.deaths.first().zip(account.deaths.last());
    pauses.is_some_and(|(first, last)| last.pause.saturating_sub(first.pause) > RACE_MAX)
}

/// Tells whether requests that got no answer vanished on their way: they were not acknowledged, or
/// the far end never had them.
fn is_silence(account: &Account<'_>) -> bool {
    account.deaths.iter().all(|death| death.swallowed) || account.presence.never_came()
}

/// Tells whether the far end was reached on another connection soon after one was dead.
fn is_reached(account: &Account<'_>, death: &Death) -> bool {
    let soon = |at| at >= death.at && at <= death.at + REACHED_WITHIN;
    let answered = account.exchanges.iter().filter(|it| it.is_answered());
    let heard = |story: &&Story| story.looks.iter().any(|look| look.received > Some(0));
    let opened = account.sockets.iter().copied().filter(heard).filter_map(|s| s.looks.first());
    answered.map(|it| it.began).chain(opened.map(|look| look.at)).any(soon)
}

/// Requests failed, and the logs do not show why.
fn unexplained(account: &Account<'_>) -> Option<Conclusion> {
    let failed = account.exchanges.iter().find(|exchange| exchange.how().is_some());
    if failed.is_none() && account.deaths.is_empty() {
        return None;
    }
    let because = format!("requests failed{}; {}", pauses(account), missing(account));
    let mut evidence = evidence(account);
    if evidence.is_empty() {
        let failed = account.exchanges.iter().filter_map(|exchange| exchange.failure());
        evidence.extend(failed.take(EVIDENCE_MAX));
    }
    Some(Conclusion::open(because, evidence))
}

/// Says after which pauses requests failed, and which connections survived.
fn pauses(account: &Account<'_>) -> String {
    let Some(first) = account.deaths.first() else { return String::new() };
    let longer = account.survivals.iter().rfind(|it| it.pause >= first.pause);
    let count = account.deaths.len();
    match longer {
        Some(it) => format!(
            ", {count} of them after a pause, the shortest {}; but a request after {} was answered",
            brief(first.pause),
            brief(it.pause)
        ),
        None => format!(", {count} of them after a pause, the shortest {}", brief(first.pause)),
    }
}

/// Says what would show why requests failed.
fn missing(account: &Account<'_>) -> String {
    let mut missing = vec!["a capture at the client"];
    if matches!(account.presence.balancer, Said::Nothing)
        && matches!(account.presence.server, Said::Nothing)
    {
        missing.push("the far end's access log of the same time");
    }
    if account.sockets.is_empty() {
        missing.push("its table of sockets every few seconds (`ss -tnoi`)");
    }
    format!("what is missing to see why: {}", missing.join(", "))
}

/// A connection vanished from the client's table with a request on it.
fn given_up(account: &Account<'_>) -> Option<Conclusion> {
    if !account.exchanges.is_empty() {
        return None;
    }
    let mut waiting = account.sockets.iter().filter_map(|story| {
        let (look, waited) = story.unanswered()?;
        (waited >= PAUSE_MIN).then(|| {
            let fact = format!("{} has sent data {} ago or more", story.local, brief(waited));
            story.seen(look, format!("{fact}, got no answer, and is gone afterwards"))
        })
    });
    let first = waiting.next()?;
    let because = "connections ended while data that they had sent waited for an answer; a table \
                   of sockets does not show why: a capture would"
        .to_owned();
    Some(Conclusion::open(because, [first].into_iter().chain(waiting).collect()))
}

/// A connection that had been idle vanished from the client's table as another took its place, and
/// no log tells what became of the request.
fn replaced(account: &Account<'_>) -> Option<Conclusion> {
    if !account.exchanges.is_empty() {
        return None;
    }
    let vanished = |story: &&&Story| {
        let last = story.looks.last()?;
        let idle = last.at.saturating_since(last.active?);
        let gone = story.gone.filter(|_| !story.is_seen_closing())?;
        let next = account.sockets.iter().find(|other| {
            let first = other.looks.first().map(|look| look.at);
            let since = other.absent_before.is_some_and(|absent| absent >= last.at);
            other.remote == story.remote && since && first.is_some_and(|first| first <= gone)
        });
        (idle >= PAUSE_MIN).then_some((idle, next?))
    };
    let (story, (idle, next)) =
        account.sockets.iter().find_map(|story| Some((story, vanished(&story)?)))?;
    let mut evidence = Vec::new();
    if let Some(look) = story.looks.last() {
        let fact = format!("{} is established and was idle for {}", story.local, brief(idle));
        evidence.push(story.seen(look, fact));
    }
    if let Some(look) = next.looks.first() {
        evidence.push(next.seen(look, format!("it is gone, and {} is in its place", next.local)));
    }
    let because = "idle connections were replaced as they were to be used again; a table of \
                   sockets does not show whether a request failed: the client's log or a capture \
                   would"
        .to_owned();
    Some(Conclusion::open(because, evidence))
}

/// The far end's logs alone do not show what never came to it.
fn unseen(account: &Account<'_>, view: &View) -> Option<Conclusion> {
    if !account.exchanges.is_empty() || !account.sockets.is_empty() {
        return None;
    }
    let first = view.balanced.list.first().or(view.served.list.first())?;
    let because =
        "the far end's log shows no failure, and requests that never came are not in it: \
                   the client's log or a capture would show them"
            .to_owned();
    let longest = account.survivals.last();
    let mut seen = vec![first.seen("a request that came".to_owned())];
    seen.extend(longest.into_iter().flat_map(|it| it.seen.iter().cloned()));
    let survived = longest.map(|it| it.pause);
    Some(Conclusion { survived, ..Conclusion::open(because, seen) })
}

/// Returns what shows deaths, and the longest pause survived; whole stories, as many as there is
/// room for.
fn evidence(account: &Account<'_>) -> Vec<Seen> {
    let mut evidence: Vec<Seen> = Vec::new();
    let survived = account.survivals.last().map(|it| it.seen.clone()).unwrap_or_default();
    let absent = match &account.presence.balancer {
        Said::NeverCame { before } => {
            let fact = "the last request in the balancer's log before the one that is not in it";
            Some(before.seen(fact.to_owned()))
        }
        Said::Came(_) | Said::Nothing => None,
    };
    let room = EVIDENCE_MAX - survived.len() - usize::from(absent.is_some());
    for death in &account.deaths {
        if !evidence.is_empty() && evidence.len() + death.seen.len() > room {
            break;
        }
        evidence.extend(death.seen.iter().cloned());
    }
    evidence.extend(absent);
    if !account.deaths.is_empty() {
        evidence.extend(survived);
    }
    evidence
}

/// Returns the server that a path without one of its own is for.
pub(crate) const fn is_named(server: &Server) -> bool {
    matches!(server, Server::Address(_) | Server::Name(_))
}
