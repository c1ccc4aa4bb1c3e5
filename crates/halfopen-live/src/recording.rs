//! A capture of what passes an interface of a network of our own, with the kernel's time stamps.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use halfopen_core::tap::Resolution;
use halfopen_core::tap::pcapng::Writer;
use halfopen_core::time::{Duration, Instant};

use crate::filter::Filter;
use crate::namespace::Namespace;
use crate::sniffer::{self, Sniffer};

/// `LINKTYPE_RAW` of the registry of link types: what a TUN device hands over begins with IP.
const RAW: u16 = 101;
/// Whole packets, also those that the kernel cuts into segments only later.
const WHOLE: u32 = 1 << 18;
/// The length of the ring, in MiB.
const RING: u32 = 4;
/// How long it takes at most to notice that it is over.
const NAP: Duration = Duration::from_millis(50);

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The interface cannot be watched.
    #[error(transparent)]
    Sniffer(#[from] sniffer::Error),
    /// The network cannot be entered.
    #[error(transparent)]
    Namespace(#[from] crate::namespace::Error),
    /// What was seen could not be written.
    #[error("cannot write what was seen: {0}")]
    Write(#[from] io::Error),
}

/// A recording that goes on.
#[derive(Debug)]
pub struct Recording<W> {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<(W, u64)>>,
}

impl<W: Write + Send + 'static> Recording<W> {
    /// Begins to write what passes an interface into `out`, under the name of a place.
    pub fn start(
        namespace: &Namespace,
        interface: &str,
        place: &str,
        out: W,
    ) -> Result<Self, Error> {
        let filter = Filter { kept: WHOLE, ..Filter::default() };
        let sniffer = namespace.run(|| Sniffer::open(interface, &filter, RING))??;
        let mut writer = Writer::new(out)?;
        let interface = writer.interface(place, Resolution::Nanos, RAW)?;
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::Builder::new().name("recording".to_owned());
        let thread = thread.spawn(move || {
            let mut sniffer = sniffer;
            loop {
                // Asked first: what passed before the end is still to be written.
                let last = until.load(Ordering::Acquire);
                let seen = sniffer.next(NAP)?;
                let Some(block) = seen else {
                    if last {
                        break;
                    }
                    continue;
                };
                for frame in block.frames() {
                    let at = frame.at.saturating_since(Instant::EPOCH);
                    writer.write(interface, at, frame.bytes)?;
                }
            }
            let missed = sniffer.statistics()?.drops;
            let mut out = writer.into_inner();
            out.flush()?;
            Ok((out, missed))
        })?;
        Ok(Self { over, thread })
    }

    /// Ends the recording. Returns what was written to, and how many packets are not in it since
    /// they came faster than they could be written; or the first error met on the way.
    pub fn finish(self) -> Result<(W, u64), Error> {
        self.over.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(written) => Ok(written?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
