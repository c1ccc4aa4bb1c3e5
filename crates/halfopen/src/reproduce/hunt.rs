//! `halfopen reproduce --hunt`: makes a hunt's experiments, and holds its fixes side by side.

mod json;
mod places;
mod text;

use crate::Outcome;
use crate::cli::Reproduce;
use crate::failure::Failure;
use crate::output;

use super::script;

/// Makes the hunt of that name or in that file.
pub(super) fn run(order: &Reproduce, named: &str) -> Result<Outcome, Failure> {
    let hunt = script::load_hunt(named, order.scenario.as_deref())?;
    let seed = order.seed.unwrap_or(hunt.scenario.seed);
    let outcome = hunt.run(seed);
    let outcome = outcome.map_err(|error| Failure::Hunt { hunt: hunt.name.clone(), error })?;
    let report = if order.json {
        json::json(&hunt, &outcome, seed)
    } else {
        text::text(&hunt, &outcome, seed)
    };
    output::print(&report)?;
    Ok(if outcome.held() { Outcome::Clear } else { Outcome::Found })
}
