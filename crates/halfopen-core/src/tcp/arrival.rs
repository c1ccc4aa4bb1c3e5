//! What a connection makes of a segment: RFC 9293 section 3.10.7, with RFC 5961's caution.

use crate::seq::Seq;
use crate::tcp::config::TIMESTAMPS_LEN;
use crate::tcp::connection::{Connection, Context, State};
use crate::tcp::event::{Error, Event};
use crate::tcp::receive::Brought;
use crate::time::Duration;
use crate::wire::tcp::{Flags, Header, Options};

/// ip-sysctl: `tcp_invalid_ratelimit`. Two ends that find each other's segments unexpected would
/// otherwise answer each other for ever.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);
/// `include/net/tcp.h`: `TCP_PAWS_24DAYS`. After so long a timestamp says nothing (RFC 7323 5.5).
const TIMESTAMP_LIFETIME: Duration = Duration::from_hours(24 * 24);
/// RFC 6298 section 5.7, the timeout after a SYN was lost and no round-trip time is known.
const RTO_FALLBACK: Duration = Duration::from_secs(3);

/// A segment that came.
pub(super) struct Inbound<'a> {
    pub(super) header: Header,
    pub(super) options: Options,
    pub(super) payload: &'a [u8],
}

impl Inbound<'_> {
    fn end(&self) -> Seq {
        self.header.seq + self.header.seq_len(self.payload.len())
    }

    fn has(&self, flags: Flags) -> bool {
        self.header.flags.has(flags)
    }
}

/// What the host does about a segment on behalf of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing more.
    None,
    /// Sends its sender a reset.
    Reset,
    /// Forgets the connection and takes the segment as the SYN of a new one.
    Reopen,
}

impl Connection {
    /// Begins as the answer to a SYN.
    pub(super) fn answer(&mut self, cx: &mut Context<'_>, syn: &Inbound<'_>) {
        self.take_syn(cx, syn);
        self.emit_syn(cx);
        self.rtt.start(self.sender.max, cx.now);
        self.arm_retransmission(cx.now);
    }

    /// Takes a segment.
    pub(super) fn handle_segment(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) -> Answer {
        match self.state {
            State::SynSent => self.handle_while_opening(cx, segment),
            State::TimeWait => self.handle_in_time_wait(cx, segment),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.handle_when_open(cx, segment),
            State::Closed => Answer::Reset,
        }
    }

    fn handle_while_opening(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) -> Answer {
        let Header { ack, flags, .. } = segment.header;
        let acknowledges = flags.has(Flags::ACK);
        if acknowledges && ack != self.sender.max {
            return if flags.has(Flags::RST) { Answer::None } else { Answer::Reset };
        }
        if flags.has(Flags::RST) {
            if acknowledges {
                self.fail(cx, Error::Refused);
            }
            return Answer::None;
        }
        if !flags.has(Flags::SYN) {
            return Answer::None;
        }
        self.take_syn(cx, segment);
        if acknowledges {
            self.open(cx, segment);
            self.emit_ack(cx);
            self.tell(cx, Event::Connected(self.id));
        } else {
            self.state = State::SynReceived;
            self.emit_syn(cx);
            self.arm_retransmission(cx.now);
        }
        Answer::None
    }

    /// Learns from the peer's SYN what it can do.
    fn take_syn(&mut self, cx: &Context<'_>, syn: &Inbound<'_>) {
        let v6 = self.local.is_ipv6();
        // RFC 9293 section 3.7.1: without the option, 536 bytes, or 1220 over IPv6
        let peer = syn.options.mss.unwrap_or(if v6 { 1_220 } else { 536 }).max(48);
        let mut mss = u32::from(peer.min(cx.config.mss(v6)));
        self.sack &= syn.options.sack_permitted;
        self.timestamps = self.timestamps.zip(syn.options.timestamps).map(|(mut ours, theirs)| {
            ours.recent = Some((theirs.0, cx.now));
            mss -= TIMESTAMPS_LEN;
            ours
        });
        let scales = cx.config.window_scale.zip(syn.options.window_scale);
        self.peer_scale = scales.map_or(0, |(_, theirs)| theirs);
        let ours = scales.map(|(ours, _)| ours.min(14));
        let advertised = u32::from(cx.config.mss(v6))
            - if self.timestamps.is_some() { TIMESTAMPS_LEN } else { 0 };
        self.receiver.open(syn.header.seq, advertised, ours);
        self.sender.open(mss);
    }

    /// Opens: both SYNs are acknowledged.
    fn open(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) {
        let Header { seq, ack, window, flags, .. } = segment.header;
        self.sample_rtt(cx, segment);
        if !self.rtt.has_sample() {
            self.rtt.set_rto(RTO_FALLBACK.min(cx.config.rto_max));
        }
        self.sender.acknowledge_syn(ack);
        let scale = if flags.has(Flags::SYN) { 0 } else { self.peer_scale };
        self.sender.take_window(seq, ack, u32::from(window) << scale);
        self.state = State::Established;
        self.timers.retransmission = None;
        self.timers.timeouts = 0;
        self.timers.first_retransmission = None;
        self.last_ack_received = Some(cx.now);
        self.receiver.offer();
        self.arm_keepalive(cx.now);
        if core::mem::take(&mut self.sender.blocked) {
            self.tell(cx, Event::Writable(self.id));
        }
    }

    fn handle_when_open(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) -> Answer {
        let Header { seq, ack, flags, .. } = segment.header;
        let opening = self.state == State::SynReceived;
        let again = opening && flags.has(Flags::SYN) && seq + 1 == self.receiver.nxt;
        if again && flags.has(Flags::ACK) && ack == self.sender.max {
            // RFC 9293 section 3.5: both ends opened at the same time
            self.open(cx, segment);
            self.tell(cx, Event::Connected(self.id));
            return Answer::None;
        }
        if again {
            self.emit_syn(cx);
            return Answer::None;
        }
        if !self.acceptable(cx, segment) {
            return Answer::None;
        }
        if flags.has(Flags::RST) {
            self.handle_reset(cx, seq);
            return Answer::None;
        }
        if flags.has(Flags::SYN) {
            self.challenge(cx); // RFC 5961 section 4.2
            return Answer::None;
        }
        if !flags.has(Flags::ACK) {
            return Answer::None;
        }
        if opening {
            if ack != self.sender.max {
                return Answer::Reset;
            }
            self.open(cx, segment);
            if self.listener.is_none() {
                self.tell(cx, Event::Connected(self.id));
            }
        }
        if !self.handle_ack(cx, segment) || self.state == State::Closed {
            return Answer::None;
        }
        let data_end = seq + segment.header.seq_len(segment.payload.len());
        let news = !segment.payload.is_empty() && self.receiver.would_advance(data_end);
        if news && self.receiver.closed {
            // net/ipv4/tcp_input.c, tcp_rcv_state_process: data after close
            self.end();
            return Answer::Reset;
        }
        self.handle_data(cx, segment);
        self.transmit(cx);
        self.acknowledge_if_due(cx);
        Answer::None
    }

    /// Tells whether a segment's timestamp and numbers are expected, and answers it if not.
    fn acceptable(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) -> bool {
        let reset = segment.has(Flags::RST);
        let expected = self.receiver.expects(segment.header.seq, segment.end());
        if !reset && self.is_old(cx, segment) || !expected {
            if reset {
                return false;
            }
            if segment.payload.is_empty() {
                self.challenge(cx);
            } else {
                // RFC 2883: what came again is reported, so that the peer sees that it was heard
                self.receiver.report = Some((segment.header.seq, segment.end()));
                self.acks.hurry();
                self.acknowledge_if_due(cx);
            }
            return false;
        }
        self.note_timestamp(cx, segment);
        true
    }

    /// Tells whether a segment is older than one that came before it (RFC 7323 section 5, PAWS).
    fn is_old(&self, cx: &Context<'_>, segment: &Inbound<'_>) -> bool {
        let ours = self.timestamps.and_then(|timestamps| timestamps.recent);
        let Some(((recent, at), (value, _))) = ours.zip(segment.options.timestamps) else {
            return false;
        };
        Seq(value).before(Seq(recent)) && cx.now.saturating_since(at) < TIMESTAMP_LIFETIME
    }

    /// Keeps the timestamp to be echoed: that of the oldest segment not yet acknowledged (RFC 7323
    /// section 4.3).
    fn note_timestamp(&mut self, cx: &Context<'_>, segment: &Inbound<'_>) {
        let current = !segment.header.seq.after(self.receiver.acked);
        if let (Some(ours), Some((value, _)), true) =
            (&mut self.timestamps, segment.options.timestamps, current)
        {
            ours.recent = Some((value, cx.now));
        }
    }

    /// Takes a reset whose number lies in the window. Only the exact one is believed; any other
    /// may be a guess and is answered with a question (RFC 5961 section 3.2).
    fn handle_reset(&mut self, cx: &mut Context<'_>, seq: Seq) {
        if seq != self.receiver.nxt {
            self.challenge(cx);
            return;
        }
        // net/ipv4/tcp_input.c, tcp_reset
        let error = if self.state == State::CloseWait { Error::BrokenPipe } else { Error::Reset };
        self.fail(cx, error);
    }

    /// Answers a segment that is not expected with an acknowledgment of what is (RFC 5961 section
    /// 7), not too often.
    fn challenge(&mut self, cx: &mut Context<'_>) {
        let recent = self
            .last_challenge
            .is_some_and(|last| cx.now.saturating_since(last) < CHALLENGE_INTERVAL);
        if !recent {
            self.last_challenge = Some(cx.now);
            self.emit_ack(cx);
        }
    }

    /// Takes the acknowledgment and the window. False if the segment is to be ignored.
    fn handle_ack(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) -> bool {
        let Header { seq, ack, window, .. } = segment.header;
        if ack.after(self.sender.max) {
            return false;
        }
        let behind = self.sender.una.since(ack);
        if behind > 0 {
            let ancient = behind.cast_unsigned() > self.sender.window_max();
            if ancient {
                self.challenge(cx); // RFC 5961 section 5.2
            }
            return !ancient;
        }
        self.last_ack_received = Some(cx.now);
        self.timers.probes = 0;
        let before = self.sender.window;
        let window = u32::from(window) << self.peer_scale;
        self.sender.take_window(seq, ack, window);
        if window > 0 && before == 0 {
            self.timers.backoff = 0;
            self.timers.window_probe = None;
            self.timers.probing_since = None;
        }
        if ack.after(self.sender.una) {
            self.handle_progress(cx, segment);
        } else if segment.payload.is_empty()
            && !segment.has(Flags::FIN)
            && self.sender.in_flight() > 0
            && window == before
            && self.sender.duplicate()
        {
            self.timers.loss_probe = None;
            self.resend_first(cx);
        }
        true
    }

    /// Takes an acknowledgment of something new.
    fn handle_progress(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) {
        self.sample_rtt(cx, segment);
        self.timers.timeouts = 0;
        self.timers.first_retransmission = None;
        self.timers.loss_probed = false;
        let writable = self.sender.acknowledge(segment.header.ack);
        if self.sender.after_progress() {
            self.resend_first(cx);
        }
        self.rearm_after_progress(cx);
        if writable {
            self.tell(cx, Event::Writable(self.id));
        }
        if !self.sender.fin_acknowledged() {
            return;
        }
        match self.state {
            State::FinWait1 => {
                self.state = State::FinWait2;
                if self.orphan {
                    self.timers.linger = Some(cx.now + cx.config.fin_timeout);
                }
            }
            State::Closing => self.enter_time_wait(cx),
            State::LastAck => self.end(),
            State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait2
            | State::CloseWait
            | State::TimeWait
            | State::Closed => {}
        }
    }

    /// Takes the round-trip time: that of the segment being timed, or what the echo of our
    /// timestamp tells, which is in milliseconds.
    fn sample_rtt(&mut self, cx: &Context<'_>, segment: &Inbound<'_>) {
        let ack = segment.header.ack;
        let echoed = || {
            let (_, echo) = segment.options.timestamps.filter(|(_, echo)| *echo != 0)?;
            let passed = Seq(self.timestamps?.value(cx.now)).since(Seq(echo));
            let passed = u64::try_from(passed).ok()?;
            Some(Duration::from_millis(passed.max(1)))
        };
        let sample = self.rtt.stop(ack, cx.now).or_else(echoed);
        if let Some(sample) = sample {
            self.rtt.sample(sample, ack, self.sender.max);
        }
    }

    /// Takes payload and FIN.
    fn handle_data(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) {
        let Header { seq, flags, .. } = segment.header;
        let open = matches!(self.state, State::Established | State::FinWait1 | State::FinWait2);
        if !open {
            // The peer repeats its FIN because our acknowledgment was lost.
            if segment.end().after(seq) && seq.before(self.receiver.nxt) {
                self.acks.hurry();
            }
            return;
        }
        let before = self.receiver.nxt;
        let brought = self.receiver.take(seq, segment.payload, flags.has(Flags::FIN));
        let unacknowledged = self.receiver.nxt.since(self.receiver.acked).cast_unsigned();
        match brought {
            Brought::Nothing => return,
            Brought::News if segment.payload.is_empty() => {} // a FIN alone
            Brought::News => {
                let len = segment.payload.len();
                self.acks.received(cx.now, len, unacknowledged, self.rtt.rto());
            }
            Brought::OutOfOrder => self.acks.hurry(),
        }
        if self.receiver.has_gap() {
            self.acks.hurry();
        }
        if self.receiver.nxt != before {
            if !segment.payload.is_empty() {
                self.last_data_received = Some(cx.now);
            }
            self.tell(cx, Event::Readable(self.id));
        }
        if self.receiver.finished() {
            self.handle_fin(cx);
        }
    }

    fn handle_fin(&mut self, cx: &mut Context<'_>) {
        match self.state {
            State::Established => {
                self.state = State::CloseWait;
                self.acks.peer_finished(cx.now);
            }
            State::FinWait1 => {
                self.state = State::Closing;
                self.emit_ack(cx);
            }
            State::FinWait2 => {
                self.enter_time_wait(cx);
                self.emit_ack(cx);
            }
            State::SynSent
            | State::SynReceived
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Closed => {}
        }
    }

    fn enter_time_wait(&mut self, cx: &Context<'_>) {
        self.state = State::TimeWait;
        self.timers = super::timers::Timers::default();
        self.timers.linger = Some(cx.now + cx.config.time_wait);
    }

    /// Takes a segment for a connection that is over (`net/ipv4/tcp_minisocks.c`,
    /// `tcp_timewait_state_process`; RFC 6191).
    fn handle_in_time_wait(&mut self, cx: &mut Context<'_>, segment: &Inbound<'_>) -> Answer {
        let Header { seq, flags, .. } = segment.header;
        let old = self.is_old(cx, segment);
        let expected = !old && self.receiver.nxt == seq;
        if flags.has(Flags::RST) {
            if expected {
                self.end();
            }
            return Answer::None;
        }
        let newer = self
            .timestamps
            .and_then(|ours| ours.recent)
            .zip(segment.options.timestamps)
            .is_some_and(|((recent, _), (value, _))| Seq(value).after(Seq(recent)));
        let syn = flags.has(Flags::SYN) && !flags.has(Flags::ACK);
        if syn && !old && (seq.after(self.receiver.nxt) || newer) {
            return Answer::Reopen;
        }
        if expected && segment.end() == seq {
            self.timers.linger = Some(cx.now + cx.config.time_wait);
            return Answer::None;
        }
        if old || flags.has(Flags::ACK) {
            self.timers.linger = Some(cx.now + cx.config.time_wait);
        }
        self.challenge(cx);
        Answer::None
    }
}
