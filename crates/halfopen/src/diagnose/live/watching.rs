//! The sensor's thread.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use halfopen_capture::{Counts, Holdings, News, PathReport};
use halfopen_core::time::Duration;
use halfopen_live::exporter::Health;
use halfopen_live::metrics::Metrics;
use halfopen_live::sensor::Sensor;
use halfopen_live::sniffer::Statistics;

use super::failure::LiveFailure;
use crate::output;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Ends the sensor.
    pub(super) stop: AtomicBool,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Mutex<Metrics>,
    /// News that the printer had no room for.
    lost: AtomicU64,
}

impl Shared {
    pub(super) fn new(metrics: Mutex<Metrics>) -> Self {
        let health = Arc::new(Health::default());
        Self { stop: AtomicBool::new(false), health, metrics, lost: AtomicU64::new(0) }
    }
}

/// What was seen, when it is over.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) interface: String,
    pub(super) lasted: Duration,
    pub(super) paths: Vec<PathReport>,
    pub(super) counts: Counts,
    pub(super) holdings: Holdings,
    pub(super) kernel: Statistics,
    /// News that were not printed.
    pub(super) lost: u64,
}

/// Lets the sensor turn until it is to stop.
pub(super) fn watch(
    mut sensor: Sensor,
    interface: &str,
    shared: &Shared,
    printer: &SyncSender<News>,
) -> Result<Watched, LiveFailure> {
    let began = std::time::Instant::now();
    let mut drops = 0;
    let mut news = Vec::new();
    // How many packets there had been when the interface went down, if it did.
    let mut down = None;
    while !shared.stop.load(Ordering::Relaxed) {
        match sensor.turn(&mut news) {
            Ok(false) => {}
            Ok(true) => {
                tell(&mut news, &sensor, shared, printer);
                say_drops(&mut drops, sensor.statistics());
                down = down.filter(|&packets| packets == sensor.statistics().packets);
                if down.is_none() {
                    shared.health.turned();
                } else if !sensor.is_there() {
                    return Err(LiveFailure::Gone(interface.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NetworkDown => {
                shared.health.failed();
                down = Some(sensor.statistics().packets);
                let said = "is down; packets are read when it is up again";
                output::remark(&format!("{interface} {said}"));
            }
            Err(error) => {
                return Err(LiveFailure::Read { interface: interface.to_owned(), error });
            }
        }
    }
    let monitor = sensor.monitor();
    Ok(Watched {
        interface: interface.to_owned(),
        lasted: began.elapsed(),
        paths: monitor.paths(),
        counts: monitor.counts(),
        holdings: monitor.holdings(),
        kernel: sensor.statistics(),
        lost: shared.lost.load(Ordering::Relaxed),
    })
}

fn tell(news: &mut Vec<News>, sensor: &Sensor, shared: &Shared, printer: &SyncSender<News>) {
    let mut metrics = shared.metrics.lock().unwrap_or_else(PoisonError::into_inner);
    metrics.show(sensor.monitor(), sensor.statistics());
    for news in news.drain(..) {
        metrics.count(&news);
        if !matches!(news, News::Survived { .. }) && printer.try_send(news).is_err() {
            shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Says when the kernel begins to drop packets, and then when they have doubled.
fn say_drops(told: &mut u64, statistics: Statistics) {
    let Statistics { packets, drops, .. } = statistics;
    if drops > *told * 2 {
        output::remark(&format!(
            "the kernel has dropped {drops} of {packets} packets, for which there was no room: \
             what was in them is not judged; a larger --ring or a narrower --filter-port helps"
        ));
        *told = drops;
    }
}
