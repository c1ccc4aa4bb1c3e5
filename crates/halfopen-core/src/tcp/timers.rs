//! Everything that happens because nothing happened: retransmission, probes, keepalive, lingering.

use crate::tcp::acks::Owed;
use crate::tcp::connection::{Connection, Context, State};
use crate::tcp::event::Error;
use crate::tcp::send::Recovery;
use crate::time::{Duration, Instant};

/// `include/net/tcp.h`: `TCP_TIMEOUT_MIN_US`, two ticks of a 1000 Hz clock. No timer is shorter.
const SHORTEST: Duration = Duration::from_millis(2);

/// The deadlines of one connection, and what has passed without an answer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// What is on its way is repeated.
    pub(super) retransmission: Option<Instant>,
    /// The tail of what is on its way is repeated, before the timeout.
    pub(super) loss_probe: Option<Instant>,
    /// The peer is asked for a window.
    pub(super) window_probe: Option<Instant>,
    /// The peer is asked whether it is there, if it was silent.
    pub(super) keepalive: Option<Instant>,
    /// The connection ends: TIME-WAIT, or FIN-WAIT-2 without a program.
    pub(super) linger: Option<Instant>,
    /// How many retransmission timeouts there were since the peer last acknowledged something.
    pub(super) timeouts: u32,
    /// When the first retransmission since then was sent.
    pub(super) first_retransmission: Option<Instant>,
    /// How often the interval of window probes was doubled.
    pub(super) backoff: u32,
    /// How many probes of either kind are unanswered.
    pub(super) probes: u32,
    /// When the first of the unanswered window probes was sent.
    pub(super) probing_since: Option<Instant>,
    /// A loss probe is on its way.
    pub(super) loss_probed: bool,
}

/// Returns how long `retries` retransmissions would take that begin at `base` and double up to
/// `most`: Linux limits retransmission by this time, not by the number (`net/ipv4/tcp_timer.c`,
/// `tcp_model_timeout`).
pub(super) fn patience(retries: u32, base: Duration, most: Duration) -> Duration {
    let mut rto = base;
    let mut total = rto;
    for _ in 0..retries {
        rto = (rto * 2).min(most);
        total = total.saturating_add(rto);
    }
    total
}

impl Connection {
    /// Returns when the connection next has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let owed = match self.acks.owed() {
            Owed::By(at) if self.state.is_synchronized() => Some(at),
            Owed::By(_) | Owed::Nothing | Owed::AtOnce => None,
        };
        let Timers { retransmission, loss_probe, window_probe, keepalive, linger, .. } =
            &self.timers;
        [retransmission, loss_probe, window_probe, keepalive, linger, &owed]
            .into_iter()
            .filter_map(|at| *at)
            .min()
    }

    /// Does what is due by `cx.now`.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if due(&mut self.timers.loss_probe) {
            self.probe_for_loss(cx);
        }
        if due(&mut self.timers.retransmission) {
            self.time_out(cx);
        }
        if due(&mut self.timers.window_probe) {
            self.probe_window(cx);
        }
        if matches!(self.acks.owed(), Owed::By(at) if at <= now) {
            self.acks.missed();
            self.acknowledge_if_due(cx);
        }
        if due(&mut self.timers.keepalive) {
            self.keep_alive(cx);
        }
        if due(&mut self.timers.linger) {
            self.end();
        }
    }

    /// Starts the retransmission timer.
    pub(super) fn arm_retransmission(&mut self, now: Instant) {
        self.timers.retransmission = Some(now + self.rtt.rto().max(SHORTEST));
    }

    /// Sees to it that whatever waits for the peer is repeated or asked for.
    pub(super) fn arm_after_transmit(&mut self, cx: &mut Context<'_>, sent: bool) {
        if self.sender.in_flight() > 0 {
            self.timers.window_probe = None;
            if self.timers.retransmission.is_none() {
                self.arm_retransmission(cx.now);
            }
            if sent {
                self.arm_loss_probe(cx);
            }
        } else if self.sender.has_unsent() && self.timers.window_probe.is_none() {
            self.arm_window_probe(cx.now);
        }
    }

    /// Starts the timers anew after the peer acknowledged something.
    pub(super) fn rearm_after_progress(&mut self, cx: &mut Context<'_>) {
        self.timers.retransmission = None;
        self.timers.loss_probe = None;
        if self.sender.in_flight() > 0 {
            self.arm_retransmission(cx.now);
            self.arm_loss_probe(cx);
        }
    }

    /// Repeats the first segment that is not acknowledged.
    pub(super) fn resend_first(&mut self, cx: &mut Context<'_>) {
        if let Some(chunk) = self.sender.first_chunk() {
            self.note_retransmission(cx.now);
            self.emit_chunk(cx, chunk);
            self.sender.nxt = self.sender.nxt.latest(chunk.end());
        }
    }

    pub(super) fn note_retransmission(&mut self, now: Instant) {
        self.retransmissions += 1;
        self.timers.first_retransmission.get_or_insert(now);
        self.rtt.cancel();
    }

    /// RFC 8985 section 7.2 as `net/ipv4/tcp_output.c`, `tcp_schedule_loss_probe`: two round trips,
    /// and for a single segment the peer's delay of its acknowledgment too; never after the
    /// retransmission timeout.
    fn arm_loss_probe(&mut self, cx: &Context<'_>) {
        self.timers.loss_probe = None;
        let open = self.sender.recovery == Recovery::Open;
        let Some(timeout) = self
            .timers
            .retransmission
            .filter(|_| cx.config.loss_probe && self.sack && open && !self.timers.loss_probed)
        else {
            return;
        };
        let wait = match self.rtt.smoothed() {
            None => cx.config.rto_initial,
            Some(rtt) if self.sender.several_in_flight() => rtt * 2 + SHORTEST,
            Some(rtt) => rtt * 2 + cx.config.rto_min,
        };
        self.timers.loss_probe = Some((cx.now + wait).min(timeout));
    }

    fn probe_for_loss(&mut self, cx: &mut Context<'_>) {
        if let Some(chunk) = self.sender.next_chunk(true) {
            self.emit_chunk(cx, chunk);
            self.sender.sent(chunk);
        } else if let Some(chunk) = self.sender.last_chunk() {
            self.note_retransmission(cx.now);
            self.emit_chunk(cx, chunk);
        }
        self.timers.loss_probed = true;
        self.arm_retransmission(cx.now);
    }

    /// The retransmission timeout (`net/ipv4/tcp_timer.c`, `tcp_retransmit_timer`).
    fn time_out(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.time_out_opening(cx);
            return;
        }
        if self.sender.in_flight() == 0 {
            return;
        }
        self.timers.loss_probe = None;
        self.timers.loss_probed = false;
        // A peer that takes its window back answers, so it is probed for as long as it does.
        let closed = self.sender.window == 0 && !self.orphan;
        let expired =
            if closed { self.silent_for(cx.now) > cx.config.rto_max } else { self.expired(cx) };
        if expired {
            self.fail(cx, self.soft_error.unwrap_or(Error::TimedOut));
            return;
        }
        self.sender.go_back();
        self.timers.timeouts += u32::from(!closed);
        self.resend_first(cx);
        self.rtt.back_off();
        self.arm_clamped(cx.now);
    }

    /// Repeats a SYN or SYN-ACK. SYNs are repeated at an even pace before their timeout doubles
    /// (ip-sysctl: `tcp_syn_linear_timeouts`).
    fn time_out_opening(&mut self, cx: &mut Context<'_>) {
        let config = cx.config;
        let even = if self.state == State::SynSent { config.syn_linear_timeouts } else { 0 };
        let retries = if self.state == State::SynSent {
            config.syn_retries.saturating_add(even)
        } else {
            config.synack_retries
        };
        let impatient = self.user_timeout.is_some_and(|limit| self.retrying_for(cx.now) >= limit);
        if self.timers.timeouts >= retries || impatient && self.timers.timeouts > 0 {
            self.fail(cx, self.soft_error.unwrap_or(Error::TimedOut));
            return;
        }
        self.timers.timeouts += 1;
        self.note_retransmission(cx.now);
        self.emit_syn(cx);
        if self.timers.timeouts > even {
            self.rtt.back_off();
        }
        self.arm_clamped(cx.now);
    }

    /// Tells whether repeating has gone on for long enough (`net/ipv4/tcp_timer.c`,
    /// `retransmits_timed_out`): the time counts from the first retransmission.
    fn expired(&self, cx: &Context<'_>) -> bool {
        let config = cx.config;
        let retries = if !self.orphan {
            config.retries2
        } else if self.rtt.rto() < config.rto_max {
            config.orphan_retries
        } else {
            0
        };
        let limit =
            self.user_timeout.unwrap_or_else(|| patience(retries, config.rto_min, config.rto_max));
        self.timers.timeouts > 0 && self.retrying_for(cx.now) >= limit
    }

    fn retrying_for(&self, now: Instant) -> Duration {
        self.timers.first_retransmission.map_or(Duration::ZERO, |first| now.saturating_since(first))
    }

    fn silent_for(&self, now: Instant) -> Duration {
        self.last_ack_received.map_or(Duration::MAX, |last| now.saturating_since(last))
    }

    /// Starts the retransmission timer, not beyond the user timeout (`net/ipv4/tcp_timer.c`,
    /// `tcp_clamp_rto_to_user_timeout`).
    fn arm_clamped(&mut self, now: Instant) {
        self.arm_retransmission(now);
        if let (Some(limit), Some(first)) = (self.user_timeout, self.timers.first_retransmission) {
            let latest = (first + limit).max(now + SHORTEST);
            self.timers.retransmission = self.timers.retransmission.map(|at| at.min(latest));
        }
    }

    fn arm_window_probe(&mut self, now: Instant) {
        let base = self.rtt.rto().max(SHORTEST);
        let interval = base.saturating_mul(1 << self.timers.backoff.min(16)).min(self.rtt.most());
        let mut at = now + interval.max(SHORTEST);
        if let (Some(limit), Some(since)) = (self.user_timeout, self.timers.probing_since) {
            at = at.min((since + limit).max(now + SHORTEST));
        }
        self.timers.window_probe = Some(at);
    }

    /// Asks a peer without a window for one (`net/ipv4/tcp_timer.c`, `tcp_probe_timer`). It may
    /// take for ever, as long as the peer answers (RFC 9293 section 3.8.6.1).
    fn probe_window(&mut self, cx: &mut Context<'_>) {
        if self.sender.in_flight() > 0 || !self.sender.has_unsent() {
            return;
        }
        let since = *self.timers.probing_since.get_or_insert(cx.now);
        let probing = cx.now.saturating_since(since);
        let retries = if self.orphan { cx.config.orphan_retries } else { cx.config.retries2 };
        let impatient = self.user_timeout.is_some_and(|limit| probing >= limit);
        if impatient || self.timers.probes >= retries {
            self.fail(cx, self.soft_error.unwrap_or(Error::TimedOut));
            return;
        }
        if let Some(chunk) = self.sender.first_chunk() {
            self.emit_chunk(cx, chunk);
            self.sender.sent(chunk);
            self.arm_retransmission(cx.now);
            return;
        }
        self.emit_probe(cx);
        self.timers.probes += 1;
        self.timers.backoff += 1;
        self.arm_window_probe(cx.now);
    }

    /// Starts or stops keepalive as its setting says.
    pub(super) fn arm_keepalive(&mut self, now: Instant) {
        let open = self.state.is_synchronized() && self.state != State::TimeWait;
        self.timers.keepalive =
            self.keepalive.filter(|_| open).map(|keepalive| now + keepalive.idle);
    }

    /// Asks a silent peer whether it is there (`net/ipv4/tcp_timer.c`, `tcp_keepalive_timer`; RFC
    /// 9293 section 3.8.4). What comes in does not restart the timer: it looks when it runs.
    fn keep_alive(&mut self, cx: &mut Context<'_>) {
        let Some(keepalive) = self.keepalive.filter(|_| self.state != State::TimeWait) else {
            return;
        };
        if self.sender.in_flight() > 0 || self.sender.has_unsent() {
            // Retransmission finds out.
            self.timers.keepalive = Some(cx.now + keepalive.idle);
            return;
        }
        let silent = self.silent_for(cx.now).min(
            self.last_data_received.map_or(Duration::MAX, |last| cx.now.saturating_since(last)),
        );
        if silent < keepalive.idle {
            self.timers.keepalive = Some(cx.now + keepalive.idle.saturating_sub(silent));
            return;
        }
        // tcp(7): the user timeout overrides the number of probes
        let dead = match self.user_timeout {
            Some(limit) => silent >= limit && self.timers.probes > 0,
            None => self.timers.probes >= keepalive.count,
        };
        if dead {
            self.emit_reset(cx);
            self.fail(cx, self.soft_error.unwrap_or(Error::TimedOut));
            return;
        }
        self.emit_probe(cx);
        self.timers.probes += 1;
        self.timers.keepalive = Some(cx.now + keepalive.interval);
    }
}
