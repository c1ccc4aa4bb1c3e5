//! What else was written down on the way, as the files that one would be handed.

use core::fmt::{Display, Write as _};

use halfopen_billing::scheduler::Event;
use halfopen_billing::storage::Scope;
use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::{Counted, PaymentEntry, Reproduction};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Socket tables.
const SOCKETS: &str = "sockets.txt";

/// Returns the names and contents of the logs that there are.
pub(super) fn files(run: &Reproduction) -> Vec<(String, Vec<u8>)> {
    let date = |at| date(run.began_at, at);
    let sockets = run.sockets.iter().map(|table| dated(&date(table.at), table));
    let payments = run.payments.iter().map(|entry| payment(&date(entry.at), entry));
    let texts = [
        ("client-wire.log", run.wire_log.clone()),
        ("balancer-access.log", lines(&run.access_log)),
        ("balancer-connections.log", lines(&run.connection_log)),
        ("scheduler.log", run.runs.iter().map(scheduler).collect()),
        ("payment.log", payments.collect()),
        (SOCKETS, sockets.collect()),
        ("gateway-metrics.json", metrics(&run.counted)),
    ];
    let written = texts.into_iter().filter(|(_, text)| !text.is_empty());
    written.map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
}

/// Returns the name and content of the file of socket tables, as a kernel listed them.
#[cfg(target_os = "linux")]
pub(super) fn sockets(began_at: Duration, tables: &[(Instant, String)]) -> (String, Vec<u8>) {
    let tables = tables.iter().map(|(at, table)| dated(&date(began_at, *at), table));
    (SOCKETS.to_owned(), tables.collect::<String>().into_bytes())
}

/// Writes when a table of sockets was looked at, and the table.
fn dated(date: &str, table: impl Display) -> String {
    format!("{date}\n{table}\n")
}

fn lines<T: Display>(entries: &[T]) -> String {
    let mut text = String::new();
    for entry in entries {
        let _ = writeln!(text, "{entry}");
    }
    text
}

/// Returns a moment of the run as a date, to the microsecond.
fn date(began_at: Duration, at: Instant) -> String {
    let unix = began_at.saturating_add(at.saturating_since(Instant::EPOCH));
    let moment = Timestamp::UNIX_EPOCH.saturating_add(unix).unwrap_or(Timestamp::MAX);
    format!("{moment:.6}")
}

/// Tells of a run of the scheduler, and of each of its charges.
fn scheduler(event: &Event) -> String {
    let run = match event {
        Event::Ran(run) => run,
        Event::Skipped { at } => return format!("{at:.6} a run is still under way: skipped\n"),
    };
    let mut text = String::new();
    for charge in &run.charges {
        let (key, attempt) = (charge.charge.key(), charge.charge.attempt);
        let _ = writeln!(
            text,
            "{:.6} {key} attempt {attempt} took {:?}: {}",
            charge.asked, charge.took, charge.outcome
        );
    }
    let scope = match run.scope {
        Scope::Due => "what is due",
        Scope::New => "what is new",
        Scope::Open => "what was left open",
    };
    let _ = writeln!(
        text,
        "{:.6} run over {}: {} due; {} paid, {} refused, {} unknown; took {:?}; {}",
        run.began,
        scope,
        run.due,
        run.paid(),
        run.refused(),
        run.unknown(),
        run.took,
        run.ending
    );
    text
}

fn payment(date: &str, entry: &PaymentEntry) -> String {
    let PaymentEntry { host, event, .. } = entry;
    format!("{date} {host} {} connection {}: {}\n", event.peer, event.connection, event.kind)
}

/// Returns the gateways' counters under the names of AWS's metrics; empty without a gateway.
fn metrics(counted: &[Counted]) -> String {
    let gateway = |it: &Counted| -> Value {
        let counters = &it.counters;
        json!({
            "gateway": it.name,
            "ActiveConnectionCount": counters.active_connections,
            "ConnectionAttemptCount": counters.connection_attempts,
            "ConnectionEstablishedCount": counters.connections_established,
            "IdleTimeoutCount": counters.idle_timeouts,
            "ErrorPortAllocation": counters.port_allocation_errors,
            "PacketsDropCount": counters.packets_dropped,
            "PacketsInFromSource": counters.in_from_source.packets,
            "BytesInFromSource": counters.in_from_source.bytes,
            "PacketsOutToDestination": counters.out_to_destination.packets,
            "BytesOutToDestination": counters.out_to_destination.bytes,
            "PacketsInFromDestination": counters.in_from_destination.packets,
            "BytesInFromDestination": counters.in_from_destination.bytes,
            "PacketsOutToSource": counters.out_to_source.packets,
            "BytesOutToSource": counters.out_to_source.bytes,
        })
    };
    if counted.is_empty() {
        return String::new();
    }
    format!("{:#}\n", Value::Array(counted.iter().map(gateway).collect()))
}
