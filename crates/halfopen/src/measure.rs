//! `halfopen measure`: how long the path to a server remembers an idle connection.

mod connector;
mod files;
mod packets;
mod progress;
mod target;

use core::future::Future;
use std::net::SocketAddr;
use std::time::SystemTime;

use halfopen_core::time::{Duration, Instant, brief};
use halfopen_measure::plan::Plan;
use halfopen_measure::prober;
use halfopen_measure::question::Question;
use halfopen_measure::question::http::Http;
use halfopen_measure::question::mysql::Mysql;
use halfopen_measure::question::plain::{Plain, Probing};
use halfopen_measure::question::postgres::Postgres;
use halfopen_measure::question::redis::Redis;
use halfopen_measure::settings::Settings;
use halfopen_pool::connect::Connect;
use halfopen_pool::name::PathName;

use crate::Outcome;
use crate::cli::measure::{Measure, Method};
use crate::diagnose::client;
use crate::failure::Failure;
use crate::output;
use crate::report::measured::{self, Inquiry, Measured};
use connector::Connection;
pub(crate) use connector::MeasureFailure;
use files::Files;
use packets::Watch;
use progress::Progress;
use target::Language;
pub(crate) use target::Target;

/// Of the descriptors that the process may have, so many are for other things than connections.
const OTHER_DESCRIPTORS: u32 = 16;

pub(crate) fn run(order: &Measure) -> Result<Outcome, Failure> {
    let client = order.client.as_deref().map(client::named).transpose()?;
    let mut files = Files::open(order)?;
    let (settings, scarce) = settings(order)?;
    let plan = match files.known() {
        Some(known) => Plan::resume(settings, known),
        None => Plan::new(settings),
    };
    let plan = plan.map_err(MeasureFailure::Settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(MeasureFailure::Runtime)?;
    let (connection, address) = runtime.block_on(connector::first(order))?;
    let began = now();
    let watch = Watch::begin(address, settings.seed);
    let mut inquiry = Inquiry {
        target: order.target.to_string(),
        address: address.to_string(),
        asked: asked(order),
        began,
        remarks: Vec::new(),
    };
    inquiry.remarks.extend(scarce);
    announce(order, &settings, &plan, address);
    let plan = runtime.block_on(measure(order, connection, plan));
    drop(runtime);
    let mut finding = plan.finding();
    let packets = watch.end(address, &mut finding);
    let mut path = PathName::to(&ledger_name(order));
    if let Some(source) = order.from {
        path = path.from(&source.to_string());
    }
    files.keep(&plan.known(), &finding, &path)?;
    let failure = connector::cannot_ask(&finding);
    let answer = Measured::new(inquiry, finding, packets, client.as_ref());
    files.page(|| measured::page(&answer))?;
    output::print(&if order.json {
        measured::json(&answer)
    } else {
        measured::text(&answer, output::width())
    })?;
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    Ok(if answer.is_clear() { Outcome::Clear } else { Outcome::Found })
}

/// Returns what is looked for and what it may cost, and what keeps it from being more, in a
/// sentence.
fn settings(order: &Measure) -> Result<(Settings, Option<String>), Failure> {
    let polite = if order.coarse { Settings::coarse(order.up_to) } else { Settings::default() };
    let wanted = Settings {
        up_to: order.up_to,
        precision: order.precision,
        connections_max: order.connections.unwrap_or(polite.connections_max),
        opens_per_second: order.rate.unwrap_or(polite.opens_per_second),
        ..polite
    };
    wanted.check().map_err(MeasureFailure::Settings)?;
    let room = room_for(wanted.connections_max);
    let settings = wanted.within(room);
    if settings.check().is_err() {
        return Err(MeasureFailure::Descriptors(room).into());
    }
    let scarce = (settings.connections_max < wanted.connections_max).then(|| {
        format!(
            "this process may open {room} sockets (RLIMIT_NOFILE), so there were no more \
             connections: `ulimit -n` sets it",
        )
    });
    Ok((settings, scarce))
}

#[cfg(target_os = "linux")]
fn room_for(connections: u32) -> u32 {
    let room = halfopen_live::descriptors::room_for(connections + OTHER_DESCRIPTORS);
    room.map_or(u32::MAX, |room| room.saturating_sub(OTHER_DESCRIPTORS))
}

#[cfg(not(target_os = "linux"))]
const fn room_for(_: u32) -> u32 {
    u32::MAX
}

/// Says what is going to happen to the server.
fn announce(order: &Measure, settings: &Settings, plan: &Plan, address: SocketAddr) {
    let minute = Duration::from_mins(1);
    let example = if order.up_to > minute {
        format!("a limit of a minute is known after {}, ", brief(plan.answer_by(minute)))
    } else {
        String::new()
    };
    output::remark(&format!(
        "asking {} at {address}: up to {} connections, at most {} opened in a second, each idle \
         until it is asked {}; {example}whether there is a limit up to {} is \
         known after {}. Ctrl-C ends it with what is known.",
        order.target,
        settings.connections_max,
        settings.opens_per_second,
        asked(order),
        brief(order.up_to),
        brief(plan.answer_by(order.up_to)),
    ));
}

/// Names what is asked.
fn asked(order: &Measure) -> String {
    match (order.target.language, order.method) {
        (Language::Http, Method::Head) => format!("HEAD {}", path(order)),
        (Language::Http, Method::Options) => format!("OPTIONS {}", path(order)),
        (Language::Redis, _) => "PING".to_owned(),
        (Language::Postgres, _) => "a Sync, after a login".to_owned(),
        (Language::Mysql, _) => "COM_PING, after a login".to_owned(),
        (Language::Tcp, _) => "by a TCP keepalive probe, which has no data".to_owned(),
    }
}

fn path(order: &Measure) -> &str {
    order.path.as_deref().unwrap_or(&order.target.path)
}

/// Carries the plan out, until it is done or somebody has had enough.
async fn measure(order: &Measure, connection: Connection, plan: Plan) -> Plan {
    let Target { language, login, .. } = &order.target;
    let authority = order.target.authority();
    match (language, order.method) {
        (Language::Http, Method::Head) => {
            ask(order, &connection, &Http::head(&authority, path(order)), plan).await
        }
        (Language::Http, Method::Options) => {
            ask(order, &connection, &Http::options(&authority, path(order)), plan).await
        }
        (Language::Redis, _) => ask(order, &connection, &Redis::new(login), plan).await,
        (Language::Postgres, _) => ask(order, &connection, &Postgres::new(login), plan).await,
        (Language::Mysql, _) => ask(order, &connection, &Mysql::new(login), plan).await,
        (Language::Tcp, _) => ask(order, &Probing(connection), &Plain, plan).await,
    }
}

async fn ask<C: Connect>(order: &Measure, by: &C, question: &dyn Question, plan: Plan) -> Plan {
    let progress = Progress::new();
    let show = |plan: &Plan, now: Instant| progress.show(&plan.progress(now));
    prober::run(by, &order.target.to, question, plan, show, stopped()).await
}

/// Waits for Ctrl-C or for being told to end.
fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let heard = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        let [Ok(mut one), Ok(mut other)] = heard else { return core::future::pending().await };
        tokio::select! {
            _ = one.recv() => {}
            _ = other.recv() => {}
        }
    }
}

/// Returns the name under which the pool knows the path: with its port.
fn ledger_name(order: &Measure) -> String {
    match order.target.language {
        Language::Http => order.target.to.to_string(),
        Language::Redis | Language::Postgres | Language::Mysql | Language::Tcp => {
            order.target.to_string()
        }
    }
}

/// Returns the time of day.
fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
