//! `halfopen billing`: the services of the outage on real sockets, with the system's clock.

mod database;
mod failure;
mod payment;
mod payments;
mod scheduler;
pub(crate) mod signal;
mod subscriptions;

use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::cli::billing::{Billing, Verb};
pub(crate) use failure::BillingFailure;

pub(crate) fn run(order: &Billing) -> Result<Outcome, BillingFailure> {
    let runtime = runtime()?;
    match &order.verb {
        Verb::Init(order) => runtime.block_on(database::create(&order.database)),
        Verb::Scheduler(order) => runtime.block_on(scheduler::run(order)),
        Verb::Payment(order) => runtime.block_on(payment::run(order)),
        Verb::Payments(order) => runtime.block_on(payments::run(order)),
        Verb::Subscriptions(order) => runtime.block_on(subscriptions::run(order)),
        Verb::Charges(order) => runtime.block_on(subscriptions::charges(order)),
    }
}

fn runtime() -> Result<Runtime, BillingFailure> {
    Builder::new_current_thread().enable_all().build().map_err(BillingFailure::Runtime)
}
