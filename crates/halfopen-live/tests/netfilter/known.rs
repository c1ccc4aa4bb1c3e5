//! Where the project's gateway and netfilter differ, and why. `docs/conformance.md` is this table
//! in prose.

use std::time::Duration;

use halfopen_core::hop::Side;
use halfopen_core::seq::Seq;
use halfopen_core::time::Instant;
use halfopen_core::wire::tcp::Flags;

use crate::fate::{Fate, Outcome};
use crate::list::{Flow, List, Said, Segment, Step, WINDOW};
use crate::setup::Setup;

/// A difference.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// Whether the two remember different things after it, so that there is no more to compare.
    pub(crate) lasts: bool,
    /// Tells whether a difference is this one.
    pub(crate) fits: fn(&Case<'_>) -> bool,
}

/// A packet of a list that met two fates.
pub(crate) struct Case<'a> {
    pub(crate) setup: Setup,
    pub(crate) list: &'a List,
    pub(crate) times: &'a [Instant],
    pub(crate) ours: &'a [Fate],
    pub(crate) theirs: &'a [Fate],
    /// Which packets are out of window to a gateway that minds.
    pub(crate) out_of_window: &'a [bool],
    /// Which packets made the project's gateway take a connection up.
    pub(crate) adopted: &'a [bool],
    /// The packet.
    pub(crate) at: usize,
}

/// How far a connection is, as its segments tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    None,
    Asked,
    Answered,
    Open,
    Closing,
}

/// All differences. The first that fits is the one.
pub(crate) const KNOWN: [Known; 14] = [
    passing("strangers-are-invalid", strangers_are_invalid),
    passing("liberal-is-not-blind", liberal_is_not_blind),
    lasting("udp-stream", udp_stream),
    lasting("liberal-counts", liberal_counts),
    lasting("taken-up", taken_up),
    lasting("reset-while-opening", reset_while_opening),
    lasting("reset-while-closing", reset_while_closing),
    lasting("simultaneous-open", simultaneous_open),
    lasting("syn-after-reset", syn_after_reset),
    lasting("inexact-reset", inexact_reset),
    lasting("repeated-handshake", repeated_handshake),
    lasting("lower-second-syn", lower_second_syn),
    lasting("second-fin", second_fin),
    lasting("syn-on-live", syn_on_live),
];

const fn passing(name: &'static str, fits: fn(&Case<'_>) -> bool) -> Known {
    Known { name, lasts: false, fits }
}

const fn lasting(name: &'static str, fits: fn(&Case<'_>) -> bool) -> Known {
    Known { name, lasts: true, fits }
}

/// `nf_conntrack_udp_timeout_stream` counts only for flows that are older than two seconds.
fn udp_stream(case: &Case<'_>) -> bool {
    let replied = |&index: &usize| case.list.0[index].side == Side::Outside;
    case.list.0[case.at].flow == Flow::Udp
        && case.outcomes() != (Outcome::Dropped, Outcome::Passed)
        && case.before().filter(|&index| case.list.0[index].flow == Flow::Udp).any(|i| replied(&i))
}

/// Without the local TCP's knowledge, only a bare ACK looks like the middle of a connection: all
/// else is INVALID before it reaches what would answer it.
fn strangers_are_invalid(case: &Case<'_>) -> bool {
    let flags = case.segment(case.at).map(|segment| segment.flags);
    case.setup == Setup::Adopting
        && case.list.0[case.at].side == Side::Outside
        && case.outcomes() == (Outcome::Answered, Outcome::Dropped)
        && flags.is_some_and(|flags| flags != Flags::ACK)
}

/// `nf_conntrack_tcp_be_liberal` lets pass what is out of window, but not what the state does not
/// allow.
fn liberal_is_not_blind(case: &Case<'_>) -> bool {
    let (ours, theirs) = case.outcomes();
    case.out_of_window[case.at] && ours == Outcome::Passed && theirs != Outcome::Passed
}

/// With `nf_conntrack_tcp_be_liberal`, what is out of window starts timers and moves states.
fn liberal_counts(case: &Case<'_>) -> bool {
    let is_out = |index: usize| case.out_of_window[index] || case.is_far(index);
    case.setup.is_liberal() && case.before().any(is_out)
}

/// A connection that was taken up in its middle has no window in netfilter, since its scale is not
/// known; and a reset that is its first answer makes netfilter forget it at once.
fn taken_up(case: &Case<'_>) -> bool {
    case.before().any(|index| case.adopted[index])
}

/// Netfilter believes any reset of a connection that opens, unless its number is too high; then it
/// drops it.
fn reset_while_opening(case: &Case<'_>) -> bool {
    case.resets().any(|index| matches!(case.phase(index), Phase::Asked | Phase::Answered))
}

/// Netfilter does not look at the number of a reset once a FIN was seen.
fn reset_while_closing(case: &Case<'_>) -> bool {
    case.outcomes() == (Outcome::Dropped, Outcome::Passed)
        && case.is(case.at, Flags::RST)
        && case.phase(case.at) == Phase::Closing
}

/// A reset in the window that is not exact leaves the state as it is, with the timer of a closed
/// connection until the next segment.
fn inexact_reset(case: &Case<'_>) -> bool {
    let timer = case.setup.config().idle.timers.tcp_reset.unwrap_or_default();
    case.is_forgotten_by_netfilter()
        && case.resets().any(|index| index < case.at && case.elapsed(index) >= timer)
}

/// In netfilter only the first SYN and the first SYN-ACK start the timer of the handshake.
fn repeated_handshake(case: &Case<'_>) -> bool {
    let timer = case.setup.config().idle.timers.tcp_opening.unwrap_or_default();
    case.is_forgotten_by_netfilter()
        && case.before().any(|index| {
            let repeats = match (case.list.0[index].side, case.phase(index)) {
                (Side::Inside, Phase::Asked | Phase::Answered)
                | (Side::Outside, Phase::Answered) => case.is(index, Flags::SYN),
                _ => false,
            };
            repeats && case.before().any(|first| first < index && case.elapsed(first) >= timer)
        })
}

/// To netfilter a second SYN is another one only if its number is higher.
fn lower_second_syn(case: &Case<'_>) -> bool {
    let syns = || case.before().filter(|&index| case.is_syn(index));
    case.is_forgotten_by_netfilter()
        && syns().any(|second| {
            matches!(case.phase(second), Phase::Asked | Phase::Answered)
                && syns().any(|first| {
                    first < second
                        && case.number(first).is_some_and(|number| {
                            case.number(second).is_some_and(|second| second.before(number))
                        })
                })
        })
}

/// Netfilter takes a connection that both ends open for open only when one sends a bare ACK.
fn simultaneous_open(case: &Case<'_>) -> bool {
    case.before().any(|index| {
        case.list.0[index].side == Side::Outside
            && case.is_syn(index)
            && matches!(case.phase(index), Phase::Asked | Phase::Answered)
    })
}

/// A SYN after a reset opens a connection anew only if the same end sent both.
fn syn_after_reset(case: &Case<'_>) -> bool {
    let mut resets = case.resets().filter(|&index| index < case.at);
    resets.any(|reset| (reset..case.at).any(|index| case.is_syn(index)))
}

/// To netfilter any FIN in the window is another one: one that is repeated, or that comes before
/// what was sent last, closes the other side.
fn second_fin(case: &Case<'_>) -> bool {
    let fins = || case.before().filter(|&index| case.is(index, Flags::FIN));
    let is_another = |first: usize, fin: usize| first < fin && case.is_same_end(first, fin);
    let is_old = |fin: usize| {
        let end = case.end(fin);
        (0..fin).any(|index| {
            let earlier = case.end(index).zip(end);
            case.is_same_end(index, fin) && earlier.is_some_and(|(one, fin)| one.after(fin))
        })
    };
    case.is_forgotten_by_netfilter()
        && fins().any(|fin| is_old(fin) || fins().any(|first| is_another(first, fin)))
}

/// What netfilter notes of a SYN on a live entry it forgets with the next segment.
fn syn_on_live(case: &Case<'_>) -> bool {
    case.before().any(|index| {
        case.list.0[index].side == Side::Inside
            && case.is_syn(index)
            && matches!(case.phase(index), Phase::Open | Phase::Closing)
    })
}

impl Case<'_> {
    /// Returns the first difference that fits.
    pub(crate) fn known(&self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| (known.fits)(self))
    }

    /// Returns what became of the packet in the project's gateway, and in netfilter.
    fn outcomes(&self) -> (Outcome, Outcome) {
        let side = self.list.0[self.at].side;
        (self.ours[self.at].outcome(side), self.theirs[self.at].outcome(side))
    }

    fn before(&self) -> impl Iterator<Item = usize> {
        0..self.at
    }

    fn resets(&self) -> impl Iterator<Item = usize> {
        (0..=self.at).filter(|&index| self.is(index, Flags::RST))
    }

    fn segment(&self, index: usize) -> Option<Segment> {
        match self.list.0[index].said {
            Said::Segment(segment) => Some(segment),
            Said::Datagram | Said::Echo | Said::Unreachable => None,
        }
    }

    fn is(&self, index: usize, flags: Flags) -> bool {
        self.segment(index).is_some_and(|segment| segment.flags.has(flags))
    }

    /// Tells whether a packet is a SYN and no SYN-ACK.
    fn is_syn(&self, index: usize) -> bool {
        self.segment(index).is_some_and(|segment| segment.flags == Flags::SYN)
    }

    fn number(&self, index: usize) -> Option<Seq> {
        self.segment(index).map(|segment| segment.seq)
    }

    /// Returns one past the last number of a segment, but for its flags.
    fn end(&self, index: usize) -> Option<Seq> {
        self.segment(index).map(|segment| segment.seq + u32::from(segment.len))
    }

    /// Tells whether a segment lies far from those before it, or acknowledges what does.
    fn is_far(&self, index: usize) -> bool {
        let Some(Segment { ack, .. }) = self.segment(index) else { return false };
        let flow = self.flow(index);
        let ends = (0..index).filter(|&one| self.flow(one) == flow);
        let (own, others): (Vec<_>, Vec<_>) = ends.partition(|&one| self.is_same_end(one, index));
        let farthest =
            |of: Vec<usize>| of.into_iter().filter_map(|one| self.end(one)).reduce(Seq::latest);
        let distance = |from: Option<Seq>, to: Option<Seq>| {
            from.zip(to).map_or(0, |(from, to)| to.since(from).unsigned_abs())
        };
        let window = u32::from(WINDOW);
        distance(farthest(own), self.end(index)) > window
            || distance(farthest(others), Some(ack)) > window
    }

    fn is_same_end(&self, one: usize, other: usize) -> bool {
        self.list.0[one].side == self.list.0[other].side
    }

    /// Tells whether the packet passes only in the project's gateway, or whether netfilter may have
    /// taken its connection up once more.
    fn is_forgotten_by_netfilter(&self) -> bool {
        let (ours, theirs) = self.outcomes();
        self.setup.adopts() || ours == Outcome::Passed && theirs != Outcome::Passed
    }

    fn elapsed(&self, since: usize) -> Duration {
        self.times[self.at].saturating_since(self.times[since])
    }

    /// Returns the flow that a packet belongs to: one from outside belongs to who has the port.
    fn flow(&self, index: usize) -> Flow {
        let Step { flow, side, .. } = self.list.0[index];
        let other = match flow {
            Flow::Tcp => Flow::Rival,
            Flow::Rival => Flow::Tcp,
            Flow::Udp | Flow::Icmp => return flow,
        };
        let mut before = self.list.0[..index].iter();
        let known = before.any(|step| {
            step.flow == flow && step.side == Side::Inside && matches!(step.said, Said::Segment(_))
        });
        if side == Side::Inside || known { flow } else { other }
    }

    /// Returns how far the connection was before a packet.
    fn phase(&self, index: usize) -> Phase {
        let established = self.setup.config().idle.timers.tcp_established.unwrap_or_default();
        let (mut phase, mut last) = (Phase::None, None);
        let flow = self.flow(index);
        for earlier in (0..index).filter(|&one| self.flow(one) == flow) {
            let Some(Segment { flags, .. }) = self.segment(earlier) else { continue };
            let now = self.times[earlier];
            if last.is_some_and(|last| now.saturating_since(last) >= established) {
                phase = Phase::None;
            }
            last = Some(now);
            let inside = self.list.0[earlier].side == Side::Inside;
            let opens = flags.has(Flags::SYN);
            let acknowledges = flags == Flags::ACK && inside;
            phase = match phase {
                Phase::None | Phase::Asked | Phase::Closing if inside && flags == Flags::SYN => {
                    Phase::Asked
                }
                Phase::Asked if !inside && opens => Phase::Answered,
                Phase::None | Phase::Answered if acknowledges => Phase::Open,
                Phase::Open if flags.has_any(Flags::FIN | Flags::RST) => Phase::Closing,
                Phase::None | Phase::Asked | Phase::Answered | Phase::Open | Phase::Closing => {
                    phase
                }
            };
        }
        let gap = last.is_some_and(|last| self.times[index].saturating_since(last) >= established);
        if gap { Phase::None } else { phase }
    }
}
