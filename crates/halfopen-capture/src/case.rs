//! One flow before the rules: its timeline, and what its path says about it.

use core::fmt::Write as _;

use halfopen_core::cause::{Culprit, Finding, Harm};
use halfopen_core::flow::FlowKey;
pub(crate) use halfopen_core::time::brief;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::verdict::{Evidence, Verdict};
use halfopen_core::wire::tcp::Flags;

use crate::route::{DETOUR_MAX, Route};
use crate::timeline::{
    Carries, Ending, Fin, Mark, Pause, Request, Reset, Sender, Series, Timeline,
};
use crate::tracker::PAUSE_MIN;

/// So many sendings without any answer are no accident: at 5 % loss one flow in eight thousand.
pub(crate) const SENDS_MIN: u16 = 3;
/// And they must have had this long to be answered.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// The server was reachable if it accepted another connection this soon after a flow's last try.
const REACHED_WITHIN: Duration = Duration::from_mins(1);
/// Below this round trip a shorter delay says nothing about who answered.
const ROUND_TRIP_MIN: Duration = Duration::from_millis(2);

/// One flow before the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) timeline: &'a Timeline,
    /// Its index in the tracker.
    pub(crate) index: u32,
    pub(crate) route: &'a Route,
    /// The time of the capture's last packet.
    pub(crate) until: Instant,
}

/// Who sent a packet that bears an end's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A box between, and what shows it.
    Hop(String),
    /// The end itself, as far as can be told, and what speaks for it.
    End(String),
    /// There is nothing to compare it with.
    Unknown,
}

/// How a flow ended for the one who used it.
#[derive(Clone, Debug)]
pub(crate) enum Death {
    /// A reset came that the client did not send, or that a box sent in its name.
    Reset(Reset, Origin),
    /// Nothing came any more, although the far end could be reached, as the mark shows.
    Silence(Series, Mark),
    /// Nothing came any more, and nothing shows whether the far end could be reached.
    UnprovenSilence(Series),
}

impl Case<'_> {
    /// Returns how the flow died, if it ever lived and did.
    pub(crate) fn death(&self) -> Option<Death> {
        if !self.timeline.established || self.blocked().is_some() {
            return None;
        }
        if let Some(reset) = self.timeline.reset().filter(|_| !self.is_one_sided()) {
            let origin = self.origin_of_reset(&reset);
            let own_act = reset.from == Sender::Client && !matches!(origin, Origin::Hop(_));
            if !own_act {
                return Some(Death::Reset(reset, origin));
            }
        }
        let series = self.timeline.series?;
        let lasted = series.last.at().saturating_since(series.first.at());
        if series.sends < SENDS_MIN || lasted < PATIENCE {
            return None;
        }
        Some(match self.reached_since(&series) {
            Some(mark) => Death::Silence(series, mark),
            None => Death::UnprovenSilence(series),
        })
    }

    /// Tells whether the capture shows one direction only, and so not what a packet answers.
    fn is_one_sided(&self) -> bool {
        let seen = |end| self.timeline.half(end).next().is_some();
        self.timeline.reset().is_some_and(|reset| !seen(reset.from.opposite()))
    }

    /// Tells whether an end has acknowledged more than the capture shows of the other.
    pub(crate) fn lacks_packets_of(&self, sender: Sender) -> bool {
        let next = self.timeline.half(sender).next();
        let acked = self.timeline.half(sender.opposite()).acked();
        acked.zip(next).is_some_and(|(acked, next)| acked.after(next))
    }

    /// Tells whether the flow may have paused when the capture's clock stepped.
    pub(crate) fn is_untimed(&self) -> bool {
        self.ending().stepped && self.fatal_pause().is_none()
    }

    /// Tells whether a reset refuses a connection of which the capture may lack how the server
    /// ended it: it shows neither the opening nor a response, or lacks something that the server
    /// sent.
    pub(crate) fn is_refused_untold(&self, reset: &Reset) -> bool {
        let known = self.timeline.opening_seen || self.has_worked();
        reset.refuses && (!known || self.lacks_packets_of(Sender::Server))
    }

    /// Returns when the far end was reached on another connection while this one got no answer.
    ///
    /// What the server sends on other connections says nothing about a client that is gone.
    fn reached_since(&self, series: &Series) -> Option<Mark> {
        if series.from == Sender::Server {
            return None;
        }
        let from = series.first.at();
        let near = |mark: &Mark| {
            mark.at() >= from && mark.at().saturating_since(series.last.at()) <= REACHED_WITHIN
        };
        let heard = self.route.heard_besides(self.index).filter(near);
        heard.or_else(|| self.route.opening_since(from).filter(near))
    }

    /// Tells who sent a reset, from its time to live and its delay against the same end's other
    /// packets.
    pub(crate) fn origin_of_reset(&self, reset: &Reset) -> Origin {
        if self.ending().reset_text.as_deref().is_some_and(is_of_a_box) {
            return Origin::Hop("its sender names itself".to_owned());
        }
        let origin = self.origin(reset.from, reset.ttl);
        let Origin::End(mut reason) = origin else { return origin };
        let half = self.timeline.half(reset.from);
        let follows = |id: u16| id != 0 && (1..=64).contains(&id.wrapping_sub(half.ip_id));
        if half.ip_id != 0 && reset.ip_id.is_some_and(follows) {
            reason.push_str(", and its IP identification follows theirs");
        }
        if half.window != 0 && reset.window == half.window {
            reason.push_str(", and it offers their window");
        }
        let own = half.answer_us.filter(|_| self.timeline.opening_seen);
        let others = self.route.answer_us.filter(|_| reset.from == Sender::Server);
        let usual = own.into_iter().chain(others).min();
        let usual = usual.map(|us| Duration::from_micros(us.get().into()));
        let delay =
            reset.provoked_by.map(|(asked, _)| reset.mark.at().saturating_since(asked.at()));
        if let (Some(usual), Some(delay)) = (usual, delay) {
            if usual >= ROUND_TRIP_MIN && delay < usual / 2 {
                return Origin::Hop(format!(
                    "it came {} after the packet, and the {} never answers in less than {}",
                    brief(delay),
                    name(reset.from),
                    brief(usual)
                ));
            }
            let _ = write!(reason, ", and it took {}", brief(delay));
        }
        Origin::End(reason)
    }

    /// Tells whether a time to live is one that the end's own packets arrive with.
    pub(crate) fn origin(&self, from: Sender, ttl: u8) -> Origin {
        let own = self.timeline.half(from).ttls;
        let known: Vec<u8> = if own != [0; 2] {
            own.into_iter().filter(|&ttl| ttl != 0).collect()
        } else if from == Sender::Server {
            self.route.ttls.into_iter().filter(|&ttl| ttl != 0).collect()
        } else {
            Vec::new()
        };
        let Some(&usual) = known.last() else { return Origin::Unknown };
        if known.contains(&ttl) || from == Sender::Server && self.route.arrives_with(ttl) {
            Origin::End(format!(
                "its time to live is {ttl}, as in the {}'s other packets",
                name(from)
            ))
        } else if known.iter().any(|usual| (1..=DETOUR_MAX).contains(&usual.saturating_sub(ttl))) {
            // A box between is nearer, so its packets arrive with more left of the same start.
            Origin::End(format!(
                "its time to live is {ttl}, a little less than the {usual} of the {}'s other \
                 packets, as after a change of route",
                name(from)
            ))
        } else {
            Origin::Hop(format!(
                "its time to live is {ttl} where the {}'s packets have {usual}",
                name(from)
            ))
        }
    }

    /// Returns the FIN of the server, if the server itself sent it.
    pub(crate) fn own_server_fin(&self) -> Option<Fin> {
        self.server_fin().filter(|_| self.forged_fin().is_none())
    }

    /// Returns the FIN that a box sent in the server's name, and what shows that.
    ///
    /// A FIN is the normal way to end, so its time to live must be one that no packet of the
    /// server had on any connection.
    pub(crate) fn forged_fin(&self) -> Option<(Fin, String)> {
        let fin = self.server_fin()?;
        let idle = fin.mark.at().saturating_since(fin.before.at());
        let seen_elsewhere = self.route.ttls.contains(&fin.ttl);
        if idle < PAUSE_MIN || seen_elsewhere {
            return None;
        }
        match self.origin(Sender::Server, fin.ttl) {
            Origin::Hop(reason) => Some((fin, reason)),
            Origin::End(_) | Origin::Unknown => None,
        }
    }

    fn server_fin(&self) -> Option<Fin> {
        let fin = self.timeline.server_fin().filter(|_| self.timeline.established)?;
        self.blocked().is_none().then_some(fin)
    }

    /// Returns the request that got no response, given that the flow lived and is dead.
    pub(crate) fn lost_request(&self) -> Option<Request> {
        self.timeline.lost_request().filter(|_| self.timeline.established)
    }

    /// Returns what the end of the flow did to requests; `provoked` if a packet ran into it.
    pub(crate) fn harm(&self, provoked: bool) -> Harm {
        match self.lost_request() {
            Some(_) if self.timeline.repeated => Harm::Masked,
            Some(_) => Harm::Failed,
            None if provoked => Harm::Latent,
            None => Harm::None,
        }
    }

    /// Returns the pause that the flow did not survive, and its length.
    pub(crate) fn fatal_pause(&self) -> Option<(Pause, Duration)> {
        self.timeline.fatal_pause()
    }

    /// Tells whether the server has ever answered a request on this flow.
    pub(crate) fn has_worked(&self) -> bool {
        self.timeline.worked
    }

    /// Tells whether the server may have processed a request that the client sent again: it has
    /// acknowledged all of it.
    pub(crate) fn maybe_twice(&self) -> bool {
        let request = self.lost_request().filter(|_| self.timeline.repeated);
        let acked = self.timeline.half(Sender::Server).acked();
        request.zip(acked).is_some_and(|(request, acked)| !acked.before(request.end))
    }

    pub(crate) fn ending(&self) -> &Ending {
        self.timeline.ending.as_deref().unwrap_or(&Ending::NONE)
    }

    /// Puts a verdict together.
    pub(crate) fn verdict(
        &self,
        finding: Finding,
        culprit: Culprit,
        harm: Harm,
        idle: Option<Duration>,
        mut evidence: Vec<Evidence>,
    ) -> Verdict {
        let mechanism = finding.mechanism();
        if let Some(request) = self.lost_request().filter(|_| self.timeline.repeated) {
            let fact = "this request goes out again on another connection within a second";
            evidence.push(evidence_at(request.first, fact));
            if self.maybe_twice() {
                let fact = "the server had acknowledged all of this request, so it may have been \
                            processed twice";
                evidence.push(evidence_at(request.first, fact));
            }
        }
        if let (Some(text), Some(reset)) = (&self.ending().reset_text, self.timeline.reset())
            && finding != Finding::Healthy
        {
            evidence.push(evidence_at(reset.mark, format!("the reset says \"{text}\"")));
        }
        let flow = FlowKey::tcp(self.timeline.client.address(), self.route.server.address());
        Verdict { flow, finding, mechanism, idle, harm, culprit, evidence }
    }
}

/// Tells whether a reset says that a box sent it of its own accord.
///
/// F5 BIG-IP writes the reason into its resets if `tm.rstcause.pkt` is set, and also says when it
/// only passes on what the far end sent (F5 K13223).
fn is_of_a_box(text: &str) -> bool {
    text.starts_with("BIG-IP: ") && !text.contains("RST from remote system")
}

/// Returns evidence.
pub(crate) fn evidence_at(mark: Mark, fact: impl Into<String>) -> Evidence {
    Evidence { at: mark.at(), frame: mark.frame(), fact: fact.into() }
}

/// Returns the evidence of a pause: the packet before it and the one that ended it.
pub(crate) fn evidence_of_pause(pause: &Pause, idle: Duration, carries: Carries) -> Vec<Evidence> {
    let before = if pause.in_flight {
        format!("the last packet for {}; a request waits for its response", brief(idle))
    } else {
        format!("the last packet for {}", brief(idle))
    };
    let after = format!("after the pause the {} sends {}", name(pause.from), what(carries));
    vec![evidence_at(pause.before, before), evidence_at(pause.after, after)]
}

/// Returns a reset in words.
pub(crate) fn describe_reset(reset: &Reset, origin: &Origin) -> String {
    let ack = if reset.flags.has(Flags::ACK) { " with ACK" } else { "" };
    match origin {
        Origin::Hop(reason) => {
            format!("a reset{ack} that the {} did not send: {reason}", name(reset.from))
        }
        Origin::End(reason) => format!("a reset{ack}: {reason}"),
        Origin::Unknown => format!("a reset{ack}; there is no packet to compare it with"),
    }
}

pub(crate) const fn name(sender: Sender) -> &'static str {
    match sender {
        Sender::Client => "client",
        Sender::Server => "server",
    }
}

pub(crate) const fn what(carries: Carries) -> &'static str {
    match carries {
        Carries::Syn => "a SYN",
        Carries::Data => "data",
        Carries::Fin => "a FIN",
        Carries::Probe => "a keepalive probe",
        Carries::Nothing => "a bare acknowledgment",
    }
}

/// Returns the time between two moments, in words.
pub(crate) fn between(earlier: Instant, later: Instant) -> String {
    brief(later.saturating_since(earlier))
}
