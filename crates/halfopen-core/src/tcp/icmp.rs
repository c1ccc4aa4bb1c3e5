//! What routers report about a connection.

use crate::tcp::config::{TIMESTAMPS_LEN, mss_of};
use crate::tcp::connection::{Connection, Context, State};
use crate::tcp::event::Error;
use crate::wire::{icmp, tcp};

/// `include/net/ip.h`: `IPV4_MIN_MTU` is 68, but `net/ipv4/route.c` goes no lower than `min_pmtu`.
const MTU_MIN_V4: u32 = 552;
/// RFC 8200 section 5.
const MTU_MIN_V6: u32 = 1_280;

/// Returns what an ICMP error means to a program (`net/ipv4/icmp.c`, `icmp_err_convert`;
/// `net/ipv6/icmp.c`, `tab_unreach`). `None` if it means nothing.
pub(super) fn error_of(header: icmp::Header, v6: bool) -> Option<Error> {
    let time_exceeded = header.kind == if v6 { 3 } else { 11 };
    if time_exceeded {
        return Some(Error::HostUnreachable);
    }
    if !header.is_unreachable() {
        return None;
    }
    Some(match (v6, header.code) {
        (false, 2 | 3) | (true, 4) => Error::Refused,
        (false, 0 | 6 | 9 | 11) | (true, 0) => Error::NetworkUnreachable,
        (true, 1 | 5 | 6) => Error::Prohibited,
        (false | true, _) => Error::HostUnreachable,
    })
}

impl Connection {
    /// Takes an ICMP error that quotes a segment of ours. While opening it is final; later it is
    /// only kept, for it may be passing or forged (RFC 5927; `net/ipv4/tcp_ipv4.c`, `tcp_v4_err`).
    pub(super) fn handle_icmp(
        &mut self,
        cx: &mut Context<'_>,
        header: icmp::Header,
        quoted: tcp::Header,
    ) {
        let offset = quoted.seq.since(self.sender.una);
        if offset < 0 || quoted.seq.after(self.sender.max) {
            return;
        }
        if let Some(mtu) = header.next_mtu() {
            self.lower_mtu(cx, mtu);
            return;
        }
        let Some(error) = error_of(header, self.local.is_ipv6()) else { return };
        match self.state {
            State::SynSent | State::SynReceived => self.fail(cx, error),
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.soft_error = Some(error),
            State::TimeWait | State::Closed => {}
        }
    }

    /// Takes a smaller MTU of the path (RFC 1191, RFC 8201) and sends again what was too big.
    fn lower_mtu(&mut self, cx: &mut Context<'_>, mtu: u32) {
        let v6 = self.local.is_ipv6();
        let mtu = mtu.max(if v6 { MTU_MIN_V6 } else { MTU_MIN_V4 });
        let mss = u32::from(mss_of(u16::try_from(mtu).unwrap_or(u16::MAX), v6));
        let options = if self.timestamps.is_some() { TIMESTAMPS_LEN } else { 0 };
        if self.state.is_synchronized() && self.sender.lower_mss(mss - options) {
            self.sender.nxt = self.sender.una;
            self.transmit(cx);
        }
    }
}
