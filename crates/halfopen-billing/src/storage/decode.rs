//! Between rows and values, whichever database the rows are from.

use jiff::Timestamp;

use super::{Begun, Entry, Error, Standing, State};
use crate::calendar::{Period, Schedule};
use crate::money::{self, Money};
use crate::subscription::{Charge, Subscription, SubscriptionId};

/// A row of a result. Columns count from zero.
pub(super) trait Row {
    fn text(&self, column: usize) -> Result<String, Error>;
    fn number(&self, column: usize) -> Result<i64, Error>;
    fn optional_text(&self, column: usize) -> Result<Option<String>, Error>;
    fn optional_number(&self, column: usize) -> Result<Option<i64>, Error>;
}

/// Reads the columns `id, amount, currency, cadence, anchor, zone`.
pub(super) fn subscription(row: &dyn Row) -> Result<Subscription, Error> {
    let id = id(row, 0)?;
    let schedule = (row.number(4).and_then(timestamp)?, row.text(5)?, row.text(3)?);
    let bad = |reason: String| Error::Row { what: format!("subscription {id}"), reason };
    let cadence = schedule.2.parse().map_err(|error| bad(format!("{error}")))?;
    let schedule = Schedule::new(schedule.0, &schedule.1, cadence);
    let schedule = schedule.map_err(|error| bad(error.to_string()))?;
    Subscription::new(id.clone(), money(row, 1)?, schedule).map_err(|error| bad(error.to_string()))
}

/// Reads what [`FIND`](super::sql::FIND) found: the next charge, were it the first attempt.
pub(super) fn found(row: &dyn Row) -> Result<Charge, Error> {
    let Subscription { id, price, schedule } = subscription(row)?;
    let index = count(row, 6)?;
    let bad = |error: crate::calendar::Error| Error::Row {
        what: format!("subscription {id}"),
        reason: error.to_string(),
    };
    let period = schedule.period(index).map_err(bad)?;
    let next = schedule.period(index.saturating_add(1)).map_err(bad)?;
    Ok(Charge { subscription: id, period, amount: price, attempt: 1, next })
}

/// What was written down of a charge when it was first intended.
pub(super) struct Intended {
    name: String,
    due: Timestamp,
    amount: Money,
    attempt: u32,
}

/// Reads what [`INTEND`](super::sql::INTEND) returns.
pub(super) fn intended(row: &dyn Row) -> Result<Intended, Error> {
    Ok(Intended {
        name: row.text(0)?,
        amount: money(row, 1)?,
        due: row.number(3).and_then(timestamp)?,
        attempt: count(row, 4)?,
    })
}

impl Intended {
    /// Returns the charge that was found, as it was intended.
    pub(super) fn of(self, found: Charge) -> Charge {
        let Self { name, due, amount, attempt } = self;
        let period = Period { index: found.period.index, name, due };
        Charge { period, amount, attempt, ..found }
    }
}

/// Reads a row of [`LOCKED_BY`](super::sql::LOCKED_BY).
pub(super) fn busy(row: &dyn Row) -> Result<Begun, Error> {
    Ok(Begun::Busy { scheduler: row.text(0)?, until: row.number(1).and_then(timestamp)? })
}

/// Reads a row of [`SUBSCRIPTIONS`](super::sql::SUBSCRIPTIONS).
pub(super) fn standing(row: &dyn Row) -> Result<Standing, Error> {
    Ok(Standing {
        subscription: subscription(row)?,
        period: count(row, 6)?,
        wake: row.number(7).and_then(timestamp)?,
        attempts: count(row, 8)?,
    })
}

/// Reads a row of [`CHARGES`](super::sql::CHARGES).
pub(super) fn entry(row: &dyn Row) -> Result<Entry, Error> {
    let (state, settled) = (row.text(5)?, row.optional_number(8)?);
    let (payment, reason) = (row.optional_text(9)?, row.optional_text(10)?);
    let state = match (state.as_str(), settled, payment) {
        ("open", None, None) => State::Open { reason },
        ("paid", Some(at), Some(payment)) => State::Paid { payment, at: timestamp(at)? },
        ("refused", Some(at), None) => {
            State::Refused { reason: reason.unwrap_or_default(), at: timestamp(at)? }
        }
        _ => return Err(unreadable("a charge", format!("its state is {state}"))),
    };
    Ok(Entry {
        subscription: id(row, 0)?,
        period: count(row, 1)?,
        name: row.text(2)?,
        amount: money(row, 3)?,
        state,
        attempts: count(row, 6)?,
        intended: row.number(7).and_then(timestamp)?,
    })
}

/// Returns a moment as a number: microseconds since 1970.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn timestamp(micros: i64) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(micros).map_err(|error| unreadable("a moment", error))
}

fn id(row: &dyn Row, column: usize) -> Result<SubscriptionId, Error> {
    row.text(column)?.parse().map_err(|error| unreadable("a subscription", error))
}

pub(super) fn money(row: &dyn Row, column: usize) -> Result<Money, Error> {
    let currency = row.text(column + 1)?.parse();
    let currency = currency.map_err(|error: money::Error| unreadable("an amount", error))?;
    Ok(Money::new(row.number(column)?, currency))
}

fn count(row: &dyn Row, column: usize) -> Result<u32, Error> {
    u32::try_from(row.number(column)?).map_err(|error| unreadable("a count", error))
}

fn unreadable(what: &str, reason: impl core::fmt::Display) -> Error {
    Error::Row { what: what.to_owned(), reason: reason.to_string() }
}
