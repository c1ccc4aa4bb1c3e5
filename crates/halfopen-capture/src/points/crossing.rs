//! Requests without a response, followed from one point of the path to the next.

use std::collections::BTreeMap;

use halfopen_core::flow::FlowKey;
use halfopen_core::seq::Seq;
use halfopen_core::verdict::Evidence;

use super::alignment::{Ahead, Alignment};
use super::{COMPARED_MAX, Point, Points};
use crate::case::evidence_at;
use crate::timeline::{Awaiting, Request, Sender, Timeline};

/// So many requests are followed from one point to another.
const FOLLOWED_MAX: usize = 10_000;
/// The same connection has sent no more than this at one point and not at the other.
const UNSEEN_MAX: u32 = 1 << 20;

/// A request that got no response at the point nearer to the client, and what another point saw of
/// it.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// The connection, by its name at the point nearer to the client.
    pub flow: FlowKey,
    /// What became of the request.
    pub fate: Fate,
    /// The first capture of each point, the one nearer to the client first.
    pub captures: [usize; 2],
    /// The request where it was seen, and the last packet of the connection at the other point.
    pub evidence: [Evidence; 2],
}

/// Where a request or its response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing of it came to the other point.
    NeverCame,
    /// It came to the other point and was not answered there either.
    Came,
    /// It was answered at the other point, and no answer came back to the first.
    AnswerLost,
}

impl Points {
    /// Follows the requests without a response from each point to those further from the client.
    ///
    /// Nothing is said of a request of which one point alone can tell: the other does not know its
    /// connection, was no longer there, or had seen the far end close it.
    #[must_use]
    pub fn crossings(&self) -> Vec<Crossing> {
        let count = self.list.len().min(COMPARED_MAX);
        let pairs = (0..count).flat_map(|one| (0..count).map(move |other| (one, other)));
        let mut crossings = Vec::new();
        for (near, far) in pairs.filter(|(near, far)| near != far) {
            if let Some(Alignment { ahead, first_is_near: Some(true) }) = self.align(near, far)
                && let (Some(one), Some(other)) = (self.first_of(near), self.first_of(far))
            {
                let all = follow(&self.list[near], &self.list[far], &ahead);
                crossings.extend(all.into_iter().map(|(flow, fate, evidence)| Crossing {
                    flow,
                    fate,
                    captures: [one, other],
                    evidence,
                }));
            }
        }
        crossings
    }

    /// Returns the first capture of a point.
    fn first_of(&self, point: usize) -> Option<usize> {
        let of_point = self.starts.iter().filter(|(.., other)| *other == point);
        of_point.map(|&(_, capture, _)| capture).min()
    }
}

fn follow(near: &Point, far: &Point, ahead: &Ahead) -> Vec<(FlowKey, Fate, [Evidence; 2])> {
    let until = far.tracker.last_time().map(|last| ahead.put(last));
    let lost = near.tracker.timelines.iter().filter_map(|timeline| {
        let request = timeline.lost_request().filter(|_| timeline.established && !timeline.twin)?;
        (until >= Some(request.first.at())).then_some((timeline, request))
    });
    let lost: Vec<(&Timeline, Request)> = lost.take(FOLLOWED_MAX).collect();
    let same = find_same(&lost, &far.tracker.timelines);
    let told = lost.into_iter().zip(same).filter_map(|((timeline, request), same)| {
        let (fate, here) = fate(&request, same?, ahead)?;
        let server = near.tracker.routes[timeline.path as usize].server.address();
        let sent = evidence_at(request.first, "a request that gets no response");
        let there = evidence_at(same?.last, here);
        Some((FlowKey::tcp(timeline.client.address(), server), fate, [sent, there]))
    });
    told.collect()
}

/// Returns what became of a request by what the same connection shows at the point further away,
/// and that in words.
fn fate(request: &Request, far: &Timeline, ahead: &Ahead) -> Option<(Fate, &'static str)> {
    let next = far.half(Sender::Client).next()?;
    let start = Seq(request.end.0.wrapping_sub(request.content.len));
    // A capture that lacks what was acknowledged may lack the request as well.
    if far.half(Sender::Server).acked().is_some_and(|acked| acked.after(next)) {
        return None;
    }
    let ends = [far.reset().map(|it| it.mark), far.server_fin().map(|it| it.mark)];
    if ends.iter().flatten().any(|end| ahead.put(end.at()) <= request.first.at()) {
        return None;
    }
    if !next.after(start) {
        let fact = "the last packet of the same connection here: the request never comes";
        return Some((Fate::NeverCame, fact));
    }
    if next.before(request.end) {
        return None;
    }
    let answered = far.request.is_some_and(|it| it.state == Awaiting::Answered);
    Some(if answered {
        (Fate::AnswerLost, "the last packet of the same connection here: the request was answered")
    } else {
        (Fate::Came, "the last packet of the same connection here: the request came")
    })
}

/// Returns for each connection the one of `far` that is the same.
fn find_same<'a>(lost: &[(&Timeline, Request)], far: &'a [Timeline]) -> Vec<Option<&'a Timeline>> {
    let mut wanted: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
    for (place, (timeline, _)) in lost.iter().enumerate() {
        names(timeline).for_each(|name| wanted.entry(name).or_default().push(place));
    }
    let mut found: Vec<Vec<&Timeline>> = vec![Vec::new(); lost.len()];
    for timeline in far.iter().filter(|it| !it.twin) {
        let places: Vec<usize> =
            names(timeline).filter_map(|name| wanted.get(&name)).flatten().copied().collect();
        for place in places {
            let known = found[place].iter().any(|it| core::ptr::eq(*it, timeline));
            if !known && found[place].len() < 2 && is_same(lost[place].0, timeline) {
                found[place].push(timeline);
            }
        }
    }
    // Of two that fit, nobody knows which it is.
    found.into_iter().map(|all| if let [only] = all[..] { Some(only) } else { None }).collect()
}

/// What a connection is known by at every point, if that was seen: the number of its SYN, or up to
/// where the server has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Syn(u32),
    Sent(u32),
}

fn names(timeline: &Timeline) -> impl Iterator<Item = Name> {
    let syn = timeline.isn().map(|isn| Name::Syn(isn.0));
    let sent = timeline.half(Sender::Server).next().map(|next| Name::Sent(next.0));
    syn.into_iter().chain(sent)
}

fn is_same(near: &Timeline, far: &Timeline) -> bool {
    let isns = near.isn().zip(far.isn()).is_none_or(|(one, other)| one == other);
    let close = |sender| {
        let next = near.half(sender).next().zip(far.half(sender).next());
        next.is_some_and(|(one, other)| one.since(other).unsigned_abs() <= UNSEEN_MAX)
    };
    isns && close(Sender::Client) && close(Sender::Server)
}
