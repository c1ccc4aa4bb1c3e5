//! `halfopen billing subscriptions` and `charges`: what the scheduler's database holds.

use core::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::Path;

use halfopen_billing::calendar::{self, Schedule};
use halfopen_billing::money::{Currency, Money};
use halfopen_billing::storage::{Entry, Standing, State, Storage};
use halfopen_billing::subscription::Subscription;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Deserialize;
use serde_json::json;

use super::database::{self, Opened};
use super::failure::BillingFailure;
use crate::Outcome;
use crate::cli::billing::{Add, Charges, Database, Subscriptions, SubscriptionsVerb};
use crate::output;

/// How many rows are asked for at once.
const PAGE: u32 = 1000;
/// The longest list of subscriptions that is read, in bytes.
const IMPORT_MAX: u64 = 256 << 20;

pub(super) async fn run(order: &Subscriptions) -> Result<Outcome, BillingFailure> {
    let (SubscriptionsVerb::Add(Add { database, .. })
    | SubscriptionsVerb::Import { database, .. }
    | SubscriptionsVerb::List { database, .. }) = &order.verb;
    match database::open(database).await? {
        Opened::Sqlite(storage) => run_on(order, database, &storage).await,
        Opened::Postgres(storage) => run_on(order, database, &*storage).await,
    }
}

async fn run_on(
    order: &Subscriptions,
    database: &Database,
    storage: &impl Storage,
) -> Result<Outcome, BillingFailure> {
    match &order.verb {
        SubscriptionsVerb::Add(order) => add(database, storage, vec![subscription(order)?]).await,
        SubscriptionsVerb::Import { file, .. } => add(database, storage, import(file)?).await,
        SubscriptionsVerb::List { json, .. } => list(database, storage, *json).await,
    }
}

async fn add(
    database: &Database,
    storage: &impl Storage,
    new: Vec<Subscription>,
) -> Result<Outcome, BillingFailure> {
    let count = new.len();
    storage.add(new).await.map_err(|error| database::failed(database, error))?;
    tracing::info!(count, %database, "added");
    Ok(Outcome::Clear)
}

fn subscription(order: &Add) -> Result<Subscription, BillingFailure> {
    let anchor = match &order.from {
        Some(from) => moment(from, &order.zone)?,
        None => Timestamp::now(),
    };
    let schedule = Schedule::new(anchor, &order.zone, order.cadence)?;
    Ok(Subscription::new(order.id.clone(), order.price, schedule)?)
}

/// Reads a moment, or a time of day in a zone.
fn moment(text: &str, zone: &str) -> Result<Timestamp, BillingFailure> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let unreadable = |_| BillingFailure::Time(text.to_owned());
    let zoned = text.parse::<DateTime>().map_err(unreadable)?;
    let zoned = zoned.to_zoned(calendar::time_zone(zone)?).map_err(unreadable)?;
    Ok(zoned.timestamp())
}

/// A line of a list of subscriptions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    amount: i64,
    currency: Currency,
    cadence: String,
    from: String,
    zone: String,
}

/// Reads subscriptions, all or none.
fn import(file: &Path) -> Result<Vec<Subscription>, BillingFailure> {
    let name = file.display().to_string();
    let read = |error| BillingFailure::Read { file: name.clone(), error };
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().lock().take(IMPORT_MAX).read_to_string(&mut text).map_err(read)?;
    } else {
        let opened = std::fs::File::open(file).map_err(read)?;
        opened.take(IMPORT_MAX).read_to_string(&mut text).map_err(read)?;
    }
    let lines = text.lines().zip(1..).filter(|(text, _)| !text.trim().is_empty());
    lines
        .map(|(text, line)| {
            let bad = |reason: String| BillingFailure::Line { file: name.clone(), line, reason };
            let written =
                serde_json::from_str::<Line>(text).map_err(|error| bad(error.to_string()));
            written.and_then(|line| line.read().map_err(|error| bad(error.to_string())))
        })
        .collect()
}

impl Line {
    fn read(self) -> Result<Subscription, BillingFailure> {
        let anchor = moment(&self.from, &self.zone)?;
        let schedule = Schedule::new(anchor, &self.zone, self.cadence.parse()?)?;
        let price = Money::new(self.amount, self.currency);
        Ok(Subscription::new(self.id.parse()?, price, schedule)?)
    }
}

async fn list(
    database: &Database,
    storage: &impl Storage,
    json: bool,
) -> Result<Outcome, BillingFailure> {
    let mut after = None;
    loop {
        let page = storage.subscriptions(after, PAGE).await;
        let page = page.map_err(|error| database::failed(database, error))?;
        let Some(last) = page.last() else { return Ok(Outcome::Clear) };
        after = Some(last.subscription.id.clone());
        let text: String = page.iter().map(|standing| standing_line(standing, json)).collect();
        output::print(&text)?;
    }
}

fn standing_line(standing: &Standing, json: bool) -> String {
    let Standing { subscription, period, wake, attempts } = standing;
    let Subscription { id, price, schedule } = subscription;
    let (cadence, zone) = (schedule.cadence(), schedule.zone());
    if json {
        let line = json!({
            "id": id.as_str(), "amount": price.minor, "currency": price.currency,
            "cadence": cadence.to_string(), "from": schedule.anchor().to_string(), "zone": zone,
            "period": period, "due": wake.to_string(), "attempts": attempts,
        });
        return format!("{line}\n");
    }
    let open = if *attempts > 0 { format!("  asked {attempts} times") } else { String::new() };
    format!("{id:24}  {price:>14}  {cadence:10}  due {wake}{open}\n", price = price.to_string())
}

pub(super) async fn charges(order: &Charges) -> Result<Outcome, BillingFailure> {
    match database::open(&order.database).await? {
        Opened::Sqlite(storage) => list_charges(order, &storage).await,
        Opened::Postgres(storage) => list_charges(order, &*storage).await,
    }
}

async fn list_charges(order: &Charges, storage: &impl Storage) -> Result<Outcome, BillingFailure> {
    let mut after = None;
    loop {
        let page = storage.charges(after, PAGE).await;
        let page = page.map_err(|error| database::failed(&order.database, error))?;
        let Some(last) = page.last() else { return Ok(Outcome::Clear) };
        after = Some((last.subscription.clone(), last.period));
        let text: String = page.iter().map(|entry| charge_line(entry, order.json)).collect();
        output::print(&text)?;
    }
}

fn charge_line(entry: &Entry, json: bool) -> String {
    let Entry { subscription, name, amount, state, attempts, intended, .. } = entry;
    let (word, detail, at) = match state {
        State::Open { reason } => ("open", reason.as_deref(), None),
        State::Paid { payment, at } => ("paid", Some(payment.as_str()), Some(at)),
        State::Refused { reason, at } => ("refused", Some(reason.as_str()), Some(at)),
    };
    if json {
        let line = json!({
            "subscription": subscription.as_str(), "period": name, "amount": amount.minor,
            "currency": amount.currency, "state": word, "detail": detail, "attempts": attempts,
            "intended": intended.to_string(), "settled": at.map(Timestamp::to_string),
        });
        return format!("{line}\n");
    }
    let mut text = String::new();
    let amount = amount.to_string();
    let _ = write!(text, "{subscription:24}  {name:12}  {amount:>14}  {word:8}");
    let _ = writeln!(text, "  {attempts}  {}", detail.unwrap_or_default());
    text
}
