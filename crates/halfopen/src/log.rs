//! What the programs tell on standard error while they run.

use std::io;

use tracing::level_filters::LevelFilter;

use crate::cli::Log;

/// Begins to write log lines. Whoever began before goes on.
pub(crate) fn begin(log: Log) {
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
