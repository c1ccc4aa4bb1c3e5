//! When received data is acknowledged: at once, or a little later with something else.

use crate::time::{Duration, Instant};

/// `include/net/tcp.h`: `TCP_DELACK_MIN` and `TCP_ATO_MIN`, HZ/25.
const DELAY: Duration = Duration::from_millis(40);
/// `net/ipv4/tcp_input.c`: `TCP_MAX_QUICKACKS`.
const QUICK_MAX: u8 = 16;
/// `net/ipv4/tcp_input.c`, `tcp_measure_rcv_mss`: `TCP_MIN_MSS`-sized writers do not count as full.
const FULL_MIN: u32 = 536;

/// What is owed to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// Nothing.
    Nothing,
    /// An acknowledgment, by then at the latest.
    By(Instant),
    /// An acknowledgment, at once.
    AtOnce,
}

/// Linux's policy of acknowledging (`net/ipv4/tcp_input.c`, `tcp_event_data_recv` and
/// `__tcp_ack_snd_check`): at once while a conversation begins, after a pause and for every second
/// full segment; delayed while our own data answers the peer's and can carry the acknowledgment.
#[derive(Clone, Debug)]
pub(super) struct Acks {
    owed: Owed,
    /// How many more are sent at once.
    quick: u8,
    /// Our data answers the peer's ("ping-pong").
    interactive: bool,
    last_data: Option<Instant>,
    /// The largest payload seen.
    full: u32,
}

impl Acks {
    pub(super) fn new() -> Self {
        Self { owed: Owed::Nothing, quick: 0, interactive: false, last_data: None, full: FULL_MIN }
    }

    /// Notes data in order. `unacknowledged` counts all that is not yet acknowledged, this segment
    /// included; `rto` is the pause after which the conversation begins anew.
    pub(super) fn received(
        &mut self,
        now: Instant,
        len: usize,
        unacknowledged: u32,
        rto: Duration,
    ) {
        self.full = self.full.max(u32::try_from(len).unwrap_or(u32::MAX));
        let pause = self.last_data.map(|last| now.saturating_since(last));
        if pause.is_none_or(|pause| pause > rto) {
            self.quick = QUICK_MAX;
        }
        self.last_data = Some(now);
        if unacknowledged > self.full || self.quick > 0 && !self.interactive {
            self.owed = Owed::AtOnce;
        } else if self.owed == Owed::Nothing {
            self.owed = Owed::By(now + DELAY);
        }
    }

    /// Notes the peer's FIN, which our own may soon answer (`net/ipv4/tcp_input.c`, `tcp_fin`).
    pub(super) fn peer_finished(&mut self, now: Instant) {
        self.interactive = true;
        if self.owed == Owed::Nothing {
            self.owed = Owed::By(now + DELAY);
        }
    }

    /// Notes that the peer must be told at once.
    pub(super) fn hurry(&mut self) {
        self.owed = Owed::AtOnce;
    }

    /// Notes that the program has read everything: nothing is gained by waiting unless it is about
    /// to answer (`net/ipv4/tcp.c`, `__tcp_cleanup_rbuf`).
    pub(super) fn read_out(&mut self) {
        if self.owed != Owed::Nothing && !self.interactive {
            self.owed = Owed::AtOnce;
        }
    }

    /// Notes that our own data leaves: if it answers data that just came, more will.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.last_data.is_some_and(|last| now.saturating_since(last) < DELAY) {
            self.interactive = true;
        }
    }

    /// Notes that an acknowledgment leaves, alone or with data.
    pub(super) fn sent(&mut self) {
        self.quick = self.quick.saturating_sub(1);
        self.owed = Owed::Nothing;
    }

    /// Notes that the delay passed and no data came to carry the acknowledgment.
    pub(super) fn missed(&mut self) {
        self.interactive = false;
        self.owed = Owed::AtOnce;
    }

    pub(super) fn owed(&self) -> Owed {
        self.owed
    }
}
