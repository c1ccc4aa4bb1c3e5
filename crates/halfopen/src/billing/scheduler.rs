//! `halfopen billing scheduler`: charges what is due, through the pool.

use core::fmt::Write as _;
use std::fs::File;
use std::sync::Arc;

use halfopen_billing::calendar::CronLine;
use halfopen_billing::scheduler::{self, Answered, Config, Event, RunReport, Scheduler};
use halfopen_billing::storage::{Scope, Storage};
use halfopen_billing::subscription::Outcome as Answer;
use halfopen_core::client::Client as Description;
use halfopen_live::connect::Connector;
use halfopen_pool::client::Client;
use halfopen_pool::policy::Policy;
use halfopen_pool::wirelog::WireLog;
use http::Uri;
use jiff::Timestamp;

use super::database::{self, Opened};
use super::failure::BillingFailure;
use super::signal::Ending;
use crate::Outcome;
use crate::cli::billing::Scheduler as Order;
use crate::output;

pub(super) async fn run(order: &Order) -> Result<Outcome, BillingFailure> {
    let config = config(order)?;
    let client = client(order)?;
    let outcome = match database::open(&order.database).await? {
        Opened::Sqlite(storage) => work(order, config, client.clone(), storage).await,
        Opened::Postgres(storage) => work(order, config, client.clone(), *storage).await,
    };
    if order.ledger.is_some()
        && let Err(error) = client.save_ledger()
    {
        tracing::error!(%error, "the ledger is not saved");
    }
    outcome
}

fn config(order: &Order) -> Result<Config, BillingFailure> {
    let calendar = CronLine::parse(&order.cron, &order.zone)?;
    let mut config = Config::new(order.name.clone(), calendar, payments(&order.to));
    config.parallel = order.parallel;
    config.batch = order.batch;
    config.patience = order.patience;
    config.lease = order.lease;
    config.shared = order.shared;
    config.backoff = scheduler::Backoff { first: order.again, most: order.again_most };
    Ok(config)
}

/// Returns where payments are asked for at a module that is named without a path.
fn payments(to: &Uri) -> Uri {
    let mut parts = to.clone().into_parts();
    if matches!(to.path(), "" | "/") && parts.authority.is_some() {
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/payments"));
    }
    Uri::from_parts(parts).unwrap_or_else(|_| to.clone())
}

fn client(order: &Order) -> Result<Client, BillingFailure> {
    let policy = match &order.client {
        None => Policy::default(),
        Some(name) => {
            let described = Description::shipped(name);
            Policy::from(&described.ok_or_else(|| BillingFailure::Client(name.clone()))?)
        }
    };
    let mut builder = Client::builder().policy(policy).connector(Connector::new());
    if let Some(idle_max) = order.idle_max {
        builder = builder.idle_max(idle_max.0);
    }
    if let Some(path) = &order.wire_log {
        let save = |error| BillingFailure::WireLog { path: path.clone(), error };
        builder = builder.wire_log(WireLog::new(File::create(path).map_err(save)?));
    }
    if let Some(path) = &order.ledger {
        builder = builder.ledger_file(path);
    }
    let client = builder.build()?;
    for warning in client.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(client)
}

async fn work(
    order: &Order,
    config: Config,
    client: Client,
    storage: impl Storage,
) -> Result<Outcome, BillingFailure> {
    let scheduler = Scheduler::new(config, Arc::new(storage), client, Timestamp::now)?;
    let mut ending = Ending::listen().map_err(BillingFailure::Runtime)?;
    if order.once {
        let mut run = core::pin::pin!(scheduler.run_once(Scope::Due));
        let report = tokio::select! {
            biased;
            report = &mut run => report,
            () = ending.asked() => {
                tracing::info!("ending after the charges that are under way");
                scheduler.stop();
                run.await
            }
        };
        output::print(&lines(&report))?;
        return judge(order, &report);
    }
    tracing::info!(database = %order.database, to = %order.to, cron = order.cron, "waiting");
    let (mut clear, mut failure) = (true, None);
    let stop = async {
        ending.asked().await;
        tracing::info!("ending after the charges that are under way");
    };
    let observe = |event| {
        if let Event::Ran(report) = event {
            clear &= is_clear(&report);
            if let Err(error) = output::print(&lines(&report)) {
                failure.get_or_insert(error);
            }
        }
    };
    scheduler.run(stop, observe).await?;
    match failure {
        Some(failure) => Err(failure.into()),
        None if clear => Ok(Outcome::Clear),
        None => Ok(Outcome::Found),
    }
}

fn lines(report: &RunReport) -> String {
    report.charges.iter().fold(String::new(), |mut text, answered| {
        let Answered { charge, outcome, took, .. } = answered;
        let (word, detail) = match outcome {
            Answer::Paid { payment } => ("paid", payment),
            Answer::Refused { reason } => ("refused", reason),
            Answer::Unknown { reason } => ("unknown", reason),
        };
        let (subscription, period) = (&charge.subscription, &charge.period.name);
        let took = took.as_millis();
        let amount = charge.amount;
        let _ = writeln!(text, "{subscription}  {period}  {amount}  {word}  {took} ms  {detail}");
        text
    })
}

fn is_clear(report: &RunReport) -> bool {
    report.refused() == 0 && report.unknown() == 0
}

/// Says what one run came to.
fn judge(order: &Order, report: &RunReport) -> Result<Outcome, BillingFailure> {
    match &report.ending {
        scheduler::Ending::Failed(error) => Err(database::failed(&order.database, error.clone())),
        scheduler::Ending::Busy { scheduler, until } => {
            Err(BillingFailure::Busy { scheduler: scheduler.clone(), until: *until })
        }
        scheduler::Ending::Done | scheduler::Ending::Full | scheduler::Ending::Stopped => {
            Ok(if is_clear(report) { Outcome::Clear } else { Outcome::Found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_without_a_path_is_asked_at_its_route() {
        for (to, at) in [
            ("http://p:8080", "http://p:8080/payments"),
            ("http://p/", "http://p/payments"),
            ("http://p/v2/pay?x=1", "http://p/v2/pay?x=1"),
            ("p:8080", "p:8080"),
        ] {
            assert_eq!(payments(&to.parse().unwrap()).to_string().trim_end_matches('/'), at);
        }
    }
}
