//! `halfopen diagnose --interface`: the connections of an interface, judged as they come.
//!
//! The sensor has a thread to itself, since packets do not wait; so has the printer, since whoever
//! reads may be slow. What they share with the rest is a channel, counters and a flag.

mod failure;
mod lines;
mod watching;
mod words;

use core::convert::Infallible;
use core::fmt::Write as _;
use core::hash::{BuildHasher as _, Hasher as _};
use core::sync::atomic::Ordering;
use std::hash::RandomState;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use halfopen_capture::{Limits, News, Patience};
use halfopen_core::cause::Cause;
use halfopen_core::time::Duration;
use halfopen_live::exporter;
use halfopen_live::filter::{Filter, PORTS_MAX};
use halfopen_live::metrics::{Metrics, Risk};
use halfopen_live::otlp::{Collector, Findings, Record, Waiting};
use halfopen_live::sensor::Sensor;
use halfopen_live::sniffer::Sniffer;
use halfopen_live::{privileges, sockets};
use prometheus_client::registry::Registry;
use tokio::sync::{oneshot, watch};

use crate::Outcome;
use crate::billing::signal::Ending;
use crate::cli::{self, Diagnose};
use crate::output;
pub(crate) use failure::LiveFailure;
use lines::Lines;
use watching::{Shared, Watched};

/// This host's sockets are looked through this often.
const SOCKETS_EVERY: Duration = Duration::from_secs(15);
/// News that wait for the printer; more are counted and lost.
const WAITING_MAX: usize = 10_000;
/// Servers are remembered for this many connections at least.
const CONNECTIONS_A_PATH: usize = 50;

/// How lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(crate) fn run(order: &Diagnose, interface: &str) -> Result<Outcome, LiveFailure> {
    let live = &order.live;
    let format = match order.format() {
        cli::Format::Text => Format::Text,
        cli::Format::Json => Format::Json,
        cli::Format::Markdown => return Err(LiveFailure::Markdown),
    };
    if live.filter_port.len() > PORTS_MAX {
        return Err(LiveFailure::TooManyPorts(live.filter_port.len()));
    }
    let listener = live.listen.map(listen).transpose()?;
    let at = |address: &String| Collector::at(address, interface).map_err(LiveFailure::from);
    let collector = live.otlp.as_ref().map(at).transpose()?;
    let filter = Filter { ports: live.filter_port.clone(), ..Filter::default() };
    let sniffer = Sniffer::open(interface, &filter, live.ring)?;
    privileges::give_up(&live.user)?;

    let connections = live.connections as usize;
    let paths = (connections / CONNECTIONS_A_PATH).max(16);
    let limits = Limits { flows: connections, paths };
    let patience = Patience { limit: live.limit, ..Patience::default() };
    let seed = RandomState::new().build_hasher().finish();
    let sensor = Sensor::new(sniffer, limits, patience, seed);
    say(interface, order, listener.as_ref());

    let mut registry = Registry::default();
    let metrics = Mutex::new(Metrics::register(&mut registry));
    let shared = Arc::new(Shared::new(metrics));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(LiveFailure::Runtime)?;
    // Whoever asks the program to end from here on is heard.
    let ending = runtime.block_on(async { Ending::listen() }).map_err(LiveFailure::Runtime)?;

    let (sender, receiver) = sync_channel(WAITING_MAX);
    let (over, is_over) = oneshot::channel::<Infallible>();
    let watching = thread::spawn({
        let (shared, interface) = (Arc::clone(&shared), interface.to_owned());
        move || {
            let watched = watching::watch(sensor, &interface, &shared, &sender);
            drop(over);
            watched
        }
    });
    let (findings, waiting) = live.otlp_findings.then(Findings::queue).unzip();
    let printing = thread::spawn({
        let shared = Arc::clone(&shared);
        let served = listener.is_some() || collector.is_some();
        move || print_all(&receiver, format, &shared, served, findings.as_ref())
    });
    let others = Others { listener, collector, waiting, registry: Arc::new(registry) };
    runtime.block_on(accompany(order, others, &shared, ending, is_over));
    shared.stop.store(true, Ordering::Relaxed);
    let watched = watching.join().map_err(|_| LiveFailure::Thread)?;
    printing.join().map_err(|_| LiveFailure::Thread)?;
    Ok(conclude(&watched?, format))
}

fn listen(address: std::net::SocketAddr) -> Result<TcpListener, LiveFailure> {
    let failed = |error| LiveFailure::Listen { address, error };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Says on standard error what is being watched.
fn say(interface: &str, order: &Diagnose, listener: Option<&TcpListener>) {
    let ports: Vec<String> = order.live.filter_port.iter().map(u16::to_string).collect();
    let of_ports =
        if ports.is_empty() { String::new() } else { format!(", port {}", ports.join(", ")) };
    let mut said = format!("watching {interface}{of_ports}");
    if let Some(address) = listener.and_then(|listener| listener.local_addr().ok()) {
        let _ = write!(said, "; http://{address}/metrics");
    }
    output::remark(&format!("{said}; Ctrl-C ends it with a report"));
}

/// Those who are told what the sensor knows.
struct Others {
    /// Where they ask.
    listener: Option<TcpListener>,
    /// Where it is pushed to, and what of it waits.
    collector: Option<Collector>,
    waiting: Option<Waiting>,
    registry: Arc<Registry>,
}

/// Tells others what the sensor knows, and looks at this host's sockets, until the end.
async fn accompany(
    order: &Diagnose,
    others: Others,
    shared: &Arc<Shared>,
    mut ending: Ending,
    is_over: oneshot::Receiver<Infallible>,
) {
    let Others { listener, collector, waiting, registry } = others;
    if listener.is_some() || collector.is_some() {
        tokio::spawn(look_at_sockets(order.live.filter_port.clone(), Arc::clone(shared)));
    }
    if let Some(listener) = listener.and_then(|one| tokio::net::TcpListener::from_std(one).ok()) {
        let (registry, health) = (Arc::clone(&registry), Arc::clone(&shared.health));
        tokio::spawn(exporter::serve(listener, registry, health));
    }
    let (over, is_told) = watch::channel(false);
    let pushing = async {
        let Some(collector) = collector else { return };
        if let Err(error) = collector.push(registry, waiting, is_told, output::remark).await {
            output::remark(&error.to_string());
        }
    };
    let lasting = order.live.lasting.unwrap_or(Duration::MAX);
    let ended = async {
        tokio::select! {
            biased;
            () = ending.asked() => {}
            _ = is_over => {}
            () = tokio::time::sleep(lasting) => {}
        }
        // Nobody pushes if nobody listens.
        over.send_replace(true);
    };
    tokio::join!(pushing, ended);
}

async fn look_at_sockets(ports: Vec<u16>, shared: Arc<Shared>) {
    loop {
        let ports = ports.clone();
        // The kernel writes the table while it is read, which takes a while if it is long.
        let found = tokio::task::spawn_blocking(move || sockets::without_keepalive(&ports)).await;
        if let Ok(Ok(servers)) = found {
            let mut metrics = shared.metrics.lock().unwrap_or_else(PoisonError::into_inner);
            metrics.show_at_risk(Risk::NoKeepalive, servers.into_iter());
        }
        tokio::time::sleep(SOCKETS_EVERY).await;
    }
}

/// Prints news until there are none to come, and has findings pushed. If nobody reads the lines and
/// nobody else is told, there is no use in going on.
fn print_all(
    news: &Receiver<News>,
    format: Format,
    shared: &Shared,
    served: bool,
    findings: Option<&Findings>,
) {
    let mut lines = Lines::new(format);
    for news in news {
        if let Some((findings, record)) = findings.zip(Record::of(&news)) {
            findings.send(record);
        }
        for line in lines.of(&news) {
            if output::print_line(&line).is_err() && !served {
                shared.stop.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
    if let Some(lost @ 1..) = findings.map(Findings::lost) {
        output::remark(&format!("{lost} findings were not pushed: the collector was too slow"));
    }
}

fn conclude(watched: &Watched, format: Format) -> Outcome {
    let report = match format {
        Format::Text => words::report(watched),
        Format::Json => lines::report(watched),
    };
    // Whoever read the lines may be gone; that is no failure.
    drop(output::print_line(&report));
    let found = watched.paths.iter().any(|path| path.cause != Cause::None);
    if found { Outcome::Found } else { Outcome::Clear }
}
