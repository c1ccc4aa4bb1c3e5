//! From the frames of an interface to news, for as long as somebody wants them.

use std::io;
use std::time::SystemTime;

use halfopen_capture::frame::network_layer;
use halfopen_capture::{Limits, Monitor, News, Patience};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::View;

use crate::sniffer::{Frame, Sniffer, Statistics};

/// The monitor is asked for news this often.
const SETTLE: Duration = Duration::from_millis(250);

/// Watches an interface.
#[derive(Debug)]
pub struct Sensor {
    sniffer: Sniffer,
    monitor: Monitor,
    frames: u64,
    settled: Instant,
    statistics: Statistics,
}

impl Sensor {
    /// Returns a sensor that has seen nothing. For `seed` see [`halfopen_capture::Tracker::new`].
    #[must_use]
    pub fn new(sniffer: Sniffer, limits: Limits, patience: Patience, seed: u64) -> Self {
        let monitor = Monitor::new(limits, patience, seed);
        let statistics = Statistics::default();
        Self { sniffer, monitor, frames: 0, settled: Instant::EPOCH, statistics }
    }

    /// Takes what has passed, or waits for a quarter of a second for something to pass, and adds
    /// what has come to light. Tells whether it asked for news this time.
    ///
    /// An interface that goes down is an error once; the sensor can go on.
    pub fn turn(&mut self, news: &mut Vec<News>) -> io::Result<bool> {
        let Self { sniffer, monitor, frames, .. } = self;
        let taken = sniffer.next(SETTLE).map(|block| {
            if let Some(block) = block {
                let packets = block.frames().filter_map(|frame| {
                    *frames += 1;
                    Some((*frames, Some(frame.at), packet(&frame)?))
                });
                monitor.take_all(packets);
            }
        });
        if taken.is_err() {
            // Who compares with this later is to see what came after, not what came just before.
            self.statistics = self.sniffer.statistics()?;
        }
        let now = now();
        // A clock that was set back must not keep the news back.
        let due = now >= self.settled + SETTLE || now < self.settled;
        if due {
            self.settle(now, news)?;
        }
        taken.map(|()| due)
    }

    fn settle(&mut self, now: Instant, news: &mut Vec<News>) -> io::Result<()> {
        self.settled = now;
        self.monitor.settle(now, news);
        self.statistics = self.sniffer.statistics()?;
        Ok(())
    }

    /// Returns what is known of all that passed.
    #[must_use]
    pub const fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Returns what the kernel had counted when news were last asked for.
    #[must_use]
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Tells whether the interface is still there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.sniffer.is_there()
    }
}

/// Returns the IP packet in a frame.
pub(crate) fn packet<'a>(frame: &Frame<'a>) -> Option<View<'a>> {
    let ip = network_layer(frame.link, frame.bytes, frame.wire_len).ok()?;
    View::parse(ip.bytes, ip.wire_len).ok()
}

/// Returns the time on the clock that frames are stamped by.
fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
