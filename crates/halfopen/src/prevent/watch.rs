//! What goes on while a guard is attached: what it counts, for whoever looks.

use core::fmt::Write as _;
use core::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use halfopen_live::exporter::{self, Health};
use halfopen_live::guard::metrics::Metrics;
use halfopen_live::guard::{Counts, Guard, Tallied};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use prometheus_client::registry::Registry;

use super::GuardFailure;

/// The counters are read this often.
const READ_EVERY: Duration = Duration::from_secs(1);
/// The table has so many destinations.
const ROWS_MAX: usize = 10;

/// Begins to listen for those who ask for metrics.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener, GuardFailure> {
    let failed = |error| GuardFailure::Listen { address, error };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Shows what a guard counts until `end`: to those who ask at the listener, and as a table on the
/// terminal if there is to be one.
pub(super) async fn watch(
    guard: &Guard,
    listener: Option<TcpListener>,
    table: bool,
    end: impl Future<Output = ()>,
) {
    let mut registry = Registry::default();
    let metrics = Mutex::new(Metrics::register(&mut registry));
    let health = Arc::new(Health::default());
    if let Some(listener) = listener.and_then(|one| tokio::net::TcpListener::from_std(one).ok()) {
        tokio::spawn(exporter::serve(listener, Arc::new(registry), Arc::clone(&health)));
    }
    let table = table.then(Table::new);
    let looking = async {
        loop {
            match (guard.counts(), guard.destinations()) {
                (Ok(counts), Ok(destinations)) => {
                    let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
                    metrics.show(&counts, &destinations);
                    if let Some(table) = &table {
                        table.show(&counts, &destinations);
                    }
                    health.turned();
                }
                (Err(_), _) | (_, Err(_)) => health.failed(),
            }
            tokio::time::sleep(READ_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        () = end => {}
        () = looking => {}
    }
}

/// A table on standard error, if that is a terminal, that is gone when it is dropped.
struct Table(ProgressBar);

impl Table {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
        Self(bar.with_style(style).with_finish(ProgressFinish::AndClear))
    }

    fn show(&self, counts: &Counts, destinations: &[Tallied]) {
        self.0.set_message(words(counts, destinations));
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Says what was counted, in lines.
fn words(counts: &Counts, destinations: &[Tallied]) -> String {
    let Counts { changed, kept, held, .. } = counts;
    let mut text = format!("{changed} connections changed, {kept} kept as they were, ");
    let _ = write!(text, "{held} calls held");
    if !destinations.is_empty() {
        let _ = write!(text, "\n{:<46} {:>11} {:>8}", "destination", "connections", "changed");
    }
    for Tallied { destination, connections, changed } in destinations.iter().take(ROWS_MAX) {
        let destination = destination.to_string();
        let _ = write!(text, "\n{destination:<46} {connections:>11} {changed:>8}");
    }
    if let Some(more @ 1..) = destinations.len().checked_sub(ROWS_MAX) {
        let _ = write!(text, "\nand {more} others");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_the_destinations_that_matter_and_counts_the_others() {
        let destination: SocketAddr = "198.51.100.10:443".parse().unwrap();
        let one = Tallied { destination, connections: 12, changed: 3 };
        let text = words(&Counts { changed: 3, ..Counts::default() }, &[one; 12]);
        assert!(text.starts_with("3 connections changed, 0 kept"), "{text}");
        assert_eq!(text.lines().count(), 2 + ROWS_MAX + 1, "{text}");
        assert!(text.ends_with("and 2 others"), "{text}");
    }
}
