//! What captures show and what logs tell, of the same paths.
//!
//! Packets do not lie, and their verdict stands. Logs settle what it leaves open, and count where a
//! capture was made on the other side of whatever went wrong.

use core::fmt::Write as _;

use halfopen_core::cause::{Cause, Culprit};
use halfopen_core::time::Duration;

use crate::account::{Account, brief};
use crate::conclude;
use crate::judgement::{Path, Server};
use crate::suspect::{self, Case};
use crate::view::flows::Leg;
use crate::view::{NotEstablished, View};

/// Lines that are added to a capture's evidence.
const LINES_MAX: usize = 8;
/// A pause measured by packets and the same one told by a log differ by no more.
const SAME_PAUSE: Duration = Duration::from_secs(2);

/// Adds to the captures' paths what logs tell of them, and the paths that only logs tell of.
pub(crate) fn join(paths: &mut Vec<Path>, view: &View) {
    let mut accounts = Account::all(view);
    let only = accounts.len() == 1 && paths.len() == 1;
    for account in &mut accounts {
        let same = |path: &&mut Path| {
            path.server == account.server || only && !conclude::is_named(&account.server)
        };
        if let Some(path) = paths.iter_mut().find(same) {
            account.presence.compare(
                &account.exchanges,
                path.requests,
                path.failures + path.masked,
            );
            let told = conclude::conclude(account, view);
            merge(path, told, account);
            reject(path, view);
            path.suspects = suspect::judge(&Case { path, view, account: Some(account) });
        } else {
            let mut told = conclude::conclude(account, view);
            reject(&mut told, view);
            told.suspects = suspect::judge(&Case { path: &told, view, account: Some(account) });
            if is_worth_telling(&told, paths) {
                paths.push(told);
            }
        }
    }
    if accounts.is_empty() && paths.is_empty() {
        paths.extend(far_end(view));
    }
    for path in &mut *paths {
        refuse(path, view);
    }
    for path in paths.iter_mut().filter(|path| path.suspects.is_empty()) {
        reject(path, view);
        path.suspects = suspect::judge(&Case { path, view, account: None });
    }
}

/// Says of a path on which requests fail what the balancer says of connections to it that were not
/// established.
fn refuse(path: &mut Path, view: &View) {
    let port = match path.server {
        Server::Address(server) => Some(server.port()),
        Server::Name(_) | Server::Unknown => None,
    };
    let here = |it: &&NotEstablished| port.is_none_or(|port| port == it.listener_port);
    let all: Vec<&NotEstablished> = view.not_established.iter().filter(here).collect();
    let Some(first) = all.first().filter(|_| path.cause != Cause::None) else { return };
    let others = if all.iter().all(|it| it.why == first.why) { "" } else { ", and for others" };
    path.notes.push(format!(
        "the balancer did not establish {} connections: {}{others}, as its connection log says, \
         first in line {}",
        all.len(),
        first.why,
        first.line
    ));
}

/// Says of connections to which nothing answers that the network rejected them, if a flow log does.
fn reject(path: &mut Path, view: &View) {
    let Server::Address(server) = path.server else { return };
    let tried = |leg: &&Leg| path.evidence.iter().any(|seen| leg.covers(seen.at));
    let mut legs = view.legs.iter().filter(|leg| leg.rejected && leg.is_of(server));
    if path.cause == Cause::Unreachable
        && path.culprit == Culprit::Unknown
        && let Some(leg) = legs.find(tried)
    {
        path.culprit = Culprit::Hop;
        path.because.push_str(
            "; the flow log says that a security group or a network ACL rejected its packets",
        );
        path.evidence.push(leg.seen());
    }
}

/// Tells whether what logs say of a server that no capture knows is worth a path of its own: where
/// nobody names the server, only a failure is.
fn is_worth_telling(told: &Path, paths: &[Path]) -> bool {
    paths.is_empty() || conclude::is_named(&told.server) || told.cause != Cause::None
}

/// The far end's logs, if there is nothing else.
fn far_end(view: &View) -> Option<Path> {
    view.balanced.list.first().or(view.served.list.first())?;
    let named = view.balanced.list.iter().filter_map(|arrival| {
        let url = arrival.request.as_ref()?.split(' ').nth(1)?;
        url.contains("://").then(|| crate::view::exchanges::named(url))
    });
    let server = named.into_iter().next().unwrap_or(Server::Unknown);
    Some(conclude::conclude(&Account::of_far_end(server, view), view))
}

/// Joins what a capture shows of a path with what logs tell of it.
fn merge(path: &mut Path, told: Path, account: &Account<'_>) {
    let open = matches!(path.cause, Cause::None | Cause::Inconclusive);
    if open && told.failures > path.failures + path.masked {
        path.notes.push(format!(
            "the client tells of {} failures and the capture shows {}: it was made where they do \
             not show",
            told.failures,
            path.failures + path.masked
        ));
        adopt(path, told);
        return;
    }
    let conclusive = !matches!(told.cause, Cause::None | Cause::Inconclusive);
    if path.cause == Cause::Inconclusive && conclusive {
        adopt(path, told);
        return;
    }
    if conclusive && !open && told.cause != path.cause {
        path.notes.push(format!(
            "by the logs alone the cause would be {}: {}; the packets show otherwise",
            told.cause, told.because
        ));
        return;
    }
    settle(path, &told, account);
}

/// Takes over what logs tell, beside what the capture has counted.
fn adopt(path: &mut Path, told: Path) {
    let Path { server, connections, requests, evidence, notes, .. } = told;
    let (frames, before) = (core::mem::take(&mut path.evidence), core::mem::take(&mut path.notes));
    *path = Path {
        server: if conclude::is_named(&path.server) { path.server.clone() } else { server },
        connections: path.connections.max(connections),
        requests: path.requests.max(requests),
        evidence: frames.into_iter().chain(evidence).collect(),
        notes: before.into_iter().chain(notes).collect(),
        ..told
    };
}

/// Adds to a verdict of packets what the logs tell of the same failures.
fn settle(path: &mut Path, told: &Path, account: &Account<'_>) {
    if path.cause == Cause::None || account.exchanges.is_empty() {
        return;
    }
    let mut lines: Vec<_> = told.evidence.clone();
    lines.truncate(LINES_MAX);
    if lines.is_empty() {
        let failed = account.exchanges.iter().filter_map(|exchange| exchange.failure());
        lines.extend(failed.take(LINES_MAX));
    }
    let same = path
        .died
        .zip(account.deaths.first())
        .is_some_and(|(died, death)| death.pause.abs_diff(died) <= SAME_PAUSE);
    let never = account.presence.never_came() && told.failures == path.failures;
    if path.cause == Cause::IdleExpiry && path.culprit == Culprit::Unknown && never && same {
        path.culprit = Culprit::Hop;
        let _ = write!(
            path.because,
            "; the far end's log has the {} requests that were answered and none of those that \
             failed",
            account.exchanges.len() as u64 - told.failures
        );
    }
    path.evidence.extend(lines);
    if let Some(survival) = account.survivals.last().filter(|it| it.certain)
        && path.died.is_some_and(|died| survival.pause > died + SAME_PAUSE)
    {
        path.notes.push(format!("the logs tell of a pause of {} survived", brief(survival.pause)));
    }
}
