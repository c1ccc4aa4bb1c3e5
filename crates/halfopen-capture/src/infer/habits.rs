//! What a path does again and again, against which one flow's end is judged.

use halfopen_core::cause::{Cause, Finding};
use halfopen_core::time::Duration;
use halfopen_core::verdict::Verdict;

use super::exhaustion::{Exhaustion, is_turned_away};
use super::restart::Restart;
use crate::route::Route;
use crate::tracker::PAUSE_MIN;

/// A box that forgets by a timer forgets no flow whose pause is well below one that another
/// survived. Timers are coarse: a tenth and a second are left to them.
const TIMER_SLACK: f64 = 0.9;
/// Ends that come this close to the same pause come from one timer.
const TIMER_WIDTH: f64 = 0.01;

/// What a path does again and again.
pub(crate) struct Habits {
    longest_survived: Duration,
    /// The pauses after which a box ended flows by itself.
    expiries: Vec<Duration>,
    /// The shortest pause after which the server itself reset a connection.
    server_resets_after: Option<Duration>,
    pub(super) restart: Option<Restart>,
    pub(super) exhaustion: Option<Exhaustion>,
    /// Packets get lost; or one packet may have been, without a trace.
    may_lose: bool,
}

impl Habits {
    pub(crate) fn new(route: &Route, verdicts: &[(usize, Verdict)], loses: bool) -> Self {
        let of = |findings: &'static [Finding]| {
            let wanted = verdicts.iter().filter(|(_, verdict)| findings.contains(&verdict.finding));
            wanted.filter_map(|(_, verdict)| verdict.idle)
        };
        let met = |(_, verdict): &&(usize, Verdict)| verdict.finding == Finding::ResetOnReuse;
        let resets_met = verdicts.iter().filter(met).count();
        let expiries = of(&[Finding::ResetAtExpiry, Finding::FinAtExpiry]).collect();
        Self {
            longest_survived: route.longest_survived().map_or(Duration::ZERO, |it| it.idle),
            expiries,
            restart: Restart::of(route, verdicts),
            exhaustion: Exhaustion::of(route, verdicts),
            server_resets_after: of(&[Finding::PeerAbort]).min(),
            may_lose: loses || resets_met == 1,
        }
    }

    /// Returns what a verdict says about its path.
    pub(crate) fn cause_of(&self, verdict: &Verdict) -> Cause {
        match verdict.finding {
            _ if self.restart.is_some_and(|restart| restart.explains(verdict)) => {
                Cause::ServerRestart
            }
            _ if self.exhaustion.is_some() && is_turned_away(verdict) => Cause::PortExhaustion,
            Finding::Healthy | Finding::LeftHalfClosed => Cause::None,
            Finding::ResetOnReuse if self.reset_was_lost(verdict) => Cause::PeerAbort,
            Finding::ResetOnReuse
            | Finding::SilentDrop
            | Finding::ResetAtExpiry
            | Finding::FinAtExpiry
            | Finding::ForgottenInFlight
                if self.contradicts(verdict) =>
            {
                Cause::StateLoss
            }
            Finding::ForgottenInFlight => Cause::IdleExpiryInFlight,
            Finding::ResetOnReuse
            | Finding::SilentDrop
            | Finding::ResetAtExpiry
            | Finding::FinAtExpiry
            | Finding::LateClose => Cause::IdleExpiry,
            Finding::LostState => Cause::StateLoss,
            Finding::LargeLost => Cause::MtuBlackHole,
            Finding::CloseRace | Finding::UsedAfterClose => Cause::CloseRace,
            Finding::PeerAbort => Cause::PeerAbort,
            Finding::PeerClose => Cause::PeerClose,
            Finding::Refused => Cause::Refused,
            Finding::Unreachable => Cause::Unreachable,
            Finding::ClientGaveUp | Finding::Inconclusive => Cause::Inconclusive,
        }
    }

    /// Tells whether a flow was idle for too short a time to have expired: others survived longer
    /// pauses, and no other ended by itself after the same.
    fn contradicts(&self, verdict: &Verdict) -> bool {
        let Some(idle) = verdict.idle else { return false };
        let outlived = idle + PAUSE_MIN < self.longest_survived.mul_f64(TIMER_SLACK);
        outlived && !self.is_regular(verdict.finding, idle)
    }

    /// Tells whether the box ends flows by itself, always after this pause. It tells them when its
    /// timer runs out; one that loses its table has nobody left to tell. But one reset alone may
    /// answer a packet that the capture lacks.
    fn is_regular(&self, finding: Finding, idle: Duration) -> bool {
        let near = |other: &Duration| other.abs_diff(idle) <= idle.mul_f64(TIMER_WIDTH);
        let least = if finding == Finding::ResetAtExpiry { 2 } else { 1 };
        self.expiries.len() >= least && self.expiries.iter().all(near)
    }

    /// Tells whether the server may have reset the connection before, by a reset that got lost:
    /// that is what it does with connections idle for less than this one was.
    fn reset_was_lost(&self, verdict: &Verdict) -> bool {
        let after = self.server_resets_after.zip(verdict.idle);
        self.may_lose && after.is_some_and(|(server_resets, idle)| server_resets <= idle)
    }
}
