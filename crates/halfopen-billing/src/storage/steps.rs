//! The transactions of [`Storage`](super::Storage), step by step, for any database.

use core::future::Future;

use super::decode::{self, Row, micros};
use super::{Begin, Begun, Claim, Entry, Error, Held, Scope, Settled, Standing, sql};
use crate::subscription::{Charge, Outcome, Subscription, SubscriptionId};

/// What goes into a statement.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Null,
}

impl<T: Into<i64>> From<T> for Value {
    fn from(number: T) -> Self {
        Self::Number(number.into())
    }
}

pub(super) fn text(text: impl ToString) -> Value {
    Value::Text(text.to_string())
}

fn optional(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.clone()))
}

/// A transaction that is under way.
pub(super) trait Statements {
    /// [`sql::FIND`], or what does the same where several transactions write at the same time.
    const FIND: &'static str;

    /// Runs a statement and returns how many rows it changed.
    fn change(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64, Error>> + Send;

    /// Runs a statement and reads the rows that it returns.
    fn rows<T: Send>(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&dyn Row) -> Result<T, Error>,
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send;
}

pub(super) async fn add(
    statements: &mut impl Statements,
    new: Vec<Subscription>,
) -> Result<(), Error> {
    for Subscription { id, price, schedule } in new {
        let values = vec![
            text(&id),
            price.minor.into(),
            text(price.currency),
            text(schedule.cadence()),
            micros(schedule.anchor()).into(),
            text(schedule.zone()),
        ];
        if statements.change(sql::ADD, values).await? == 0 {
            return Err(Error::Duplicate(id));
        }
    }
    Ok(())
}

pub(super) async fn begin(statements: &mut impl Statements, run: Begin) -> Result<Begun, Error> {
    let Begin { scheduler, now, until, scope, shared } = run;
    let now = micros(now);
    if !shared {
        let values = vec![text(&scheduler), micros(until).into(), now.into()];
        if statements.rows(sql::LOCK, values, |_| Ok(())).await?.is_empty() {
            let busy = statements.rows(sql::LOCKED_BY, vec![], decode::busy).await?.pop();
            return busy.ok_or_else(|| Error::Failed("nobody holds the run's lock".to_owned()));
        }
    }
    let resumed = statements.change(sql::RELEASE, vec![text(&scheduler)]).await?;
    let (least, most) = attempts(scope);
    let values = vec![now.into(), now.into(), least.into(), most.into()];
    let due = statements.rows(sql::COUNT_DUE, values, |row| row.number(0)).await?;
    let due = due.first().map_or(0, |due| due.unsigned_abs());
    Ok(Begun::Run { due, resumed })
}

pub(super) async fn claim<S: Statements>(
    statements: &mut S,
    claim: Claim,
) -> Result<Option<Charge>, Error> {
    let Claim { scheduler, due_by, now, until, scope } = claim;
    let (now, until) = (micros(now), micros(until));
    let (least, most) = attempts(scope);
    let values = vec![micros(due_by).into(), now.into(), least.into(), most.into()];
    let Some(found) = statements.rows(S::FIND, values, decode::found).await?.pop() else {
        return Ok(None);
    };
    let values = vec![text(&scheduler), until.into(), text(&found.subscription)];
    statements.change(sql::HOLD, values).await?;
    statements.change(sql::KEEP_LOCK, vec![until.into(), text(&scheduler)]).await?;
    let values = vec![
        text(&found.subscription),
        found.period.index.into(),
        text(&found.period.name),
        text(found.key()),
        found.amount.minor.into(),
        text(found.amount.currency),
        micros(found.period.due).into(),
        now.into(),
    ];
    let intended = statements.rows(sql::INTEND, values, decode::intended).await?.pop();
    let intended = intended.ok_or_else(|| Error::Failed("an intention got lost".to_owned()))?;
    Ok(Some(intended.of(found)))
}

pub(super) async fn hold(statements: &mut impl Statements, held: Held) -> Result<bool, Error> {
    let Held { scheduler, charge: Charge { subscription, period, attempt, .. }, until } = held;
    let until = Value::from(micros(until));
    let (id, holder) = (text(subscription), text(&scheduler));
    let values = vec![until.clone(), id, period.index.into(), holder.clone(), attempt.into()];
    if statements.change(sql::HOLD_LONGER, values).await? == 0 {
        return Ok(false);
    }
    statements.change(sql::KEEP_LOCK, vec![until, holder]).await?;
    Ok(true)
}

pub(super) async fn settle(
    statements: &mut impl Statements,
    settled: Settled,
) -> Result<bool, Error> {
    let (state, payment, reason) = match &settled.outcome {
        Outcome::Paid { payment } => ("paid", Some(payment), None),
        Outcome::Refused { reason } => ("refused", None, Some(reason)),
        Outcome::Unknown { reason } => return postpone(statements, &settled, reason).await,
    };
    let Charge { subscription, period, next, .. } = &settled.charge;
    let values = vec![
        text(state),
        micros(settled.now).into(),
        optional(payment),
        optional(reason),
        text(subscription),
        period.index.into(),
    ];
    if statements.change(sql::FINISH, values).await? == 0 {
        return Ok(false);
    }
    let due = micros(next.due).into();
    let values = vec![next.index.into(), due, text(subscription), period.index.into()];
    statements.change(sql::MOVE_ON, values).await?;
    Ok(true)
}

async fn postpone(
    statements: &mut impl Statements,
    settled: &Settled,
    reason: &str,
) -> Result<bool, Error> {
    let Charge { subscription, period, attempt, .. } = &settled.charge;
    let again = micros(settled.again).into();
    let (id, index) = (text(subscription), Value::from(period.index));
    let holder = text(&settled.scheduler);
    let values = vec![again, id.clone(), index.clone(), holder, (*attempt).into()];
    if statements.change(sql::POSTPONE, values).await? == 0 {
        return Ok(false);
    }
    statements.change(sql::NOTE, vec![text(reason), id, index]).await?;
    Ok(true)
}

pub(super) async fn end(statements: &mut impl Statements, scheduler: String) -> Result<(), Error> {
    statements.change(sql::UNLOCK, vec![Value::Text(scheduler)]).await.map(drop)
}

pub(super) async fn subscriptions(
    statements: &mut impl Statements,
    after: Option<SubscriptionId>,
    limit: u32,
) -> Result<Vec<Standing>, Error> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    statements.rows(sql::SUBSCRIPTIONS, vec![text(after), limit.into()], decode::standing).await
}

pub(super) async fn charges(
    statements: &mut impl Statements,
    after: Option<(SubscriptionId, u32)>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let (id, period) = after.map_or_else(Default::default, |(id, at)| (id.to_string(), at));
    let values = vec![text(id), period.into(), limit.into()];
    statements.rows(sql::CHARGES, values, decode::entry).await
}

/// How often a charge was asked for at least and at most, if a scope includes it.
const fn attempts(scope: Scope) -> (i64, i64) {
    match scope {
        Scope::Due => (0, i64::MAX),
        Scope::New => (0, 0),
        Scope::Open => (1, i64::MAX),
    }
}
