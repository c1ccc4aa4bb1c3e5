//! `halfopen prevent`: finds timers that will cost requests before they do, and keeps idle
//! connections of programs that cannot be changed from being forgotten.

#[cfg(target_os = "linux")]
mod attach;
mod check;
#[cfg(target_os = "linux")]
mod failure;
#[cfg(target_os = "linux")]
mod guards;
#[cfg(target_os = "linux")]
mod heal;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod rules;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod watch;

use crate::Outcome;
use crate::cli::prevent::{Prevent, Verb};
use crate::failure::Failure;
#[cfg(target_os = "linux")]
pub(crate) use failure::GuardFailure;

pub(crate) fn run(order: &Prevent) -> Result<Outcome, Failure> {
    match &order.verb {
        Verb::Check(order) => check::run(order),
        #[cfg(target_os = "linux")]
        Verb::Run(order) => Ok(run::run(order)?),
        #[cfg(target_os = "linux")]
        Verb::Attach(order) => Ok(attach::run(order)?),
        #[cfg(target_os = "linux")]
        Verb::Heal(order) => Ok(heal::run(order)?),
        #[cfg(target_os = "linux")]
        Verb::Status(order) => Ok(guards::status(order)?),
        #[cfg(target_os = "linux")]
        Verb::Detach(order) => Ok(guards::detach(order)?),
        #[cfg(not(target_os = "linux"))]
        Verb::Run(_) | Verb::Attach(_) | Verb::Heal(_) | Verb::Status(_) | Verb::Detach(_) => {
            Err(Failure::NoGuard)
        }
    }
}
