//! What two captures of one path show of the requests that got no response: on which side of which
//! capture each was lost.

use core::fmt::{self, Write as _};
use std::collections::BTreeMap;

use halfopen_capture::{Crossing, Fate};
use halfopen_core::cause::{Cause, Culprit, Mechanism};

use crate::judgement::{Path, Server};
use crate::suspect::Seen;

/// Requests that are shown with their frames at both points.
const SHOWN_MAX: usize = 2;

/// What became between two captures of the requests of a path that got no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    /// The captures, in the order of the command line; the one nearer to the client first.
    pub captures: [usize; 2],
    /// Requests that the first shows and of which nothing came to the second.
    pub never_came: u64,
    /// Requests that came to the second and were not answered there either.
    pub came: u64,
    /// Requests that were answered at the second, and whose answer did not come to the first.
    pub answer_lost: u64,
}

impl Between {
    fn new(captures: [usize; 2]) -> Self {
        Self { captures, never_came: 0, came: 0, answer_lost: 0 }
    }

    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::NeverCame => self.never_came += 1,
            Fate::Came => self.came += 1,
            Fate::AnswerLost => self.answer_lost += 1,
        }
    }

    /// Tells whether all of `lost` requests were lost between the two.
    fn lost_all(&self, lost: u64) -> bool {
        lost > 0 && self.never_came + self.answer_lost >= lost
    }
}

impl fmt::Display for Between {
    /// Says it in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { captures: [near, far], never_came, came, answer_lost } = self;
        let all = never_came + came + answer_lost;
        write!(f, "of {all} requests without a response at capture {near}, ")?;
        match (never_came, came, answer_lost) {
            (_, 0, 0) => write!(f, "none came to capture {far}"),
            (0, _, 0) => write!(f, "all came to capture {far}, and none was answered there"),
            (0, 0, _) => write!(f, "all were answered at capture {far}"),
            _ => write!(
                f,
                "{never_came} never came to capture {far}, {came} came and were not answered \
                 there, {answer_lost} were answered there"
            ),
        }
    }
}

impl Path {
    /// Returns the captures between which all requests without a response were lost.
    pub(crate) fn lost_between(&self) -> Option<&Between> {
        self.between.iter().find(|it| it.lost_all(self.failures + self.masked))
    }
}

/// Adds to paths what points tell of their requests.
pub(crate) fn tell(paths: &mut [Path], crossings: &[Crossing]) {
    for path in paths {
        let mut between: BTreeMap<[usize; 2], Between> = BTreeMap::new();
        let of_path = |it: &&Crossing| path.server == Server::Address(it.flow.responder);
        let mut shown = 0;
        for crossing in crossings.iter().filter(of_path) {
            let pair = crossing.captures;
            between.entry(pair).or_insert_with(|| Between::new(pair)).count(crossing.fate);
            if shown < SHOWN_MAX {
                shown += 1;
                let seen = crossing.evidence.iter().cloned().map(Seen::from);
                let shown = |seen: &Seen| path.evidence.iter().any(|it| it.place == seen.place);
                let seen: Vec<Seen> = seen.filter(|seen| !shown(seen)).collect();
                path.evidence.extend(seen);
            }
        }
        path.between = between.into_values().collect();
        path.notes.extend(path.between.iter().map(Between::to_string));
        settle(path);
    }
}

/// Says who did it where only a box can have.
fn settle(path: &mut Path) {
    let Some(lost) = path.lost_between() else { return };
    let [near, far] = lost.captures;
    let forgotten =
        matches!(path.cause, Cause::IdleExpiry | Cause::IdleExpiryInFlight | Cause::StateLoss);
    let silent = path.mechanism == Some(Mechanism::SilentDrop);
    let reset = path.mechanism == Some(Mechanism::ResetOnReuse);
    if forgotten && path.culprit == Culprit::Unknown && (silent || reset) {
        path.culprit = Culprit::Hop;
        let _ = write!(
            path.because,
            "; what was sent at capture {near} never came to capture {far}, so a box between did it"
        );
    }
}
