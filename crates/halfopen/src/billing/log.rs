//! What the services tell on standard error.

use std::io;

use tracing::level_filters::LevelFilter;

use crate::cli::billing::Log;

/// Begins to write log lines. Whoever began before goes on.
pub(super) fn begin(log: Log) {
    let level = match log {
        Log::Off => LevelFilter::OFF,
        Log::Error => LevelFilter::ERROR,
        Log::Info => LevelFilter::INFO,
        Log::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false);
    drop(subscriber.try_init());
}
