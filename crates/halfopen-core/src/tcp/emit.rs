//! Segments as a connection sends them.

use crate::seq::Seq;
use crate::tcp::connection::{Connection, Context, State};
use crate::tcp::event::Output;
use crate::tcp::send::Chunk;
use crate::wire::tcp::{Flags, Options, Segment};

impl Connection {
    /// Sends a SYN, or a SYN-ACK if the peer's SYN came.
    pub(super) fn emit_syn(&mut self, cx: &mut Context<'_>) {
        let answers = self.state == State::SynReceived;
        let options = Options {
            mss: Some(cx.config.mss(self.local.is_ipv6())),
            window_scale: if answers { self.receiver.scale } else { cx.config.window_scale },
            sack_permitted: self.sack,
            timestamps: self.timestamp_option(cx),
            sack: None,
        };
        // net/ipv4/tcp_ipv4.c: a request has no socket yet, so its SYN-ACK has identification 0
        let ip_id = if answers { 0 } else { self.next_ip_id() };
        let flags = if answers { Flags::SYN | Flags::ACK } else { Flags::SYN };
        let window =
            if answers { self.receiver.offer_initial() } else { self.receiver.initial_window() };
        let segment = Segment {
            ttl: cx.config.ttl,
            ip_id,
            seq: self.sender.una,
            ack: if answers { self.receiver.nxt } else { Seq(0) },
            window,
            options,
            ..Segment::new(self.local, self.remote, flags)
        };
        cx.output.push_back(Output::Packet(segment.into_packet()));
        self.sender.sent_until(self.sender.una + 1);
    }

    /// Sends a segment of the stream.
    pub(super) fn emit_chunk(&mut self, cx: &mut Context<'_>, chunk: Chunk) {
        let mut flags = Flags::ACK;
        if chunk.last && chunk.len > 0 {
            flags = flags | Flags::PSH;
        }
        if chunk.fin {
            flags = flags | Flags::FIN;
        }
        let segment = self.prepared(cx, chunk.seq, flags);
        let payload = self.sender.bytes(chunk);
        let packet = Segment { payload: &payload, ..segment }.into_packet();
        cx.output.push_back(Output::Packet(packet));
    }

    /// Acknowledges what came.
    pub(super) fn emit_ack(&mut self, cx: &mut Context<'_>) {
        // TIME_WAIT has no socket any more, and the answer of none has identification 0
        let ip_id = (self.state == State::TimeWait).then_some(0);
        let mut segment = self.prepared(cx, self.sender.max, Flags::ACK);
        segment.ip_id = ip_id.unwrap_or(segment.ip_id);
        cx.output.push_back(Output::Packet(segment.into_packet()));
    }

    /// Sends an empty segment with an old number, which the peer must acknowledge: a keepalive or
    /// window probe (`net/ipv4/tcp_output.c`, `tcp_xmit_probe_skb`).
    pub(super) fn emit_probe(&mut self, cx: &mut Context<'_>) {
        let before = self.sender.una + u32::MAX;
        let segment = self.prepared(cx, before, Flags::ACK);
        cx.output.push_back(Output::Packet(segment.into_packet()));
    }

    /// Sends a reset that the program asked for (`net/ipv4/tcp_output.c`, `tcp_send_active_reset`).
    pub(super) fn emit_reset(&mut self, cx: &mut Context<'_>) {
        let segment = self.prepared(cx, self.sender.max, Flags::RST | Flags::ACK);
        cx.output.push_back(Output::Packet(segment.into_packet()));
    }

    /// Returns a segment with all but a payload. It acknowledges whatever is to be acknowledged.
    fn prepared(&mut self, cx: &Context<'_>, seq: Seq, flags: Flags) -> Segment<'static> {
        self.acks.sent();
        let gap = self.receiver.report.take().filter(|_| self.sack);
        Segment {
            ttl: cx.config.ttl,
            ip_id: self.next_ip_id(),
            seq,
            ack: self.receiver.nxt,
            window: self.receiver.offer(),
            options: Options {
                timestamps: self.timestamp_option(cx),
                sack: gap,
                ..Options::default()
            },
            ..Segment::new(self.local, self.remote, flags)
        }
    }

    fn timestamp_option(&self, cx: &Context<'_>) -> Option<(u32, u32)> {
        let timestamps = self.timestamps?;
        Some((timestamps.value(cx.now), timestamps.recent.map_or(0, |(value, _)| value)))
    }

    fn next_ip_id(&mut self) -> u16 {
        let id = self.ip_id;
        self.ip_id = id.wrapping_add(1);
        id
    }
}
