//! `halfopen prevent`: keeps idle connections of programs that cannot be changed from being
//! forgotten.

mod attach;
mod failure;
mod guards;
mod heal;
mod report;
mod rules;
mod run;
mod watch;

use crate::Outcome;
use crate::cli::prevent::{Prevent, Verb};
pub(crate) use failure::GuardFailure;

pub(crate) fn run(order: &Prevent) -> Result<Outcome, GuardFailure> {
    match &order.verb {
        Verb::Run(order) => run::run(order),
        Verb::Attach(order) => attach::run(order),
        Verb::Heal(order) => heal::run(order),
        Verb::Status(order) => guards::status(order),
        Verb::Detach(order) => guards::detach(order),
    }
}
