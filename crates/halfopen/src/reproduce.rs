//! `halfopen reproduce`: runs a scenario, tells what happened at each place, and holds a blind
//! diagnosis of the client's capture against the truth.

mod captures;
#[cfg(target_os = "linux")]
mod every_way;
mod evidence;
mod hunt;
#[cfg(target_os = "linux")]
mod live;
mod packets;
mod script;
mod sweep;
mod timeline;
mod traffic;
mod trial;

use core::fmt::Write as _;

use halfopen_core::scenario::Scenario;
use halfopen_lab::reproduce::{reproduce, watched};

use crate::Outcome;
use crate::cli::Reproduce;
use crate::failure::Failure;
use crate::output::{self, BOLD};
#[cfg(target_os = "linux")]
pub(crate) use live::LabFailure;
use trial::Trial;

/// The scenario that runs when none is named.
const DEFAULT: &str = "incident";

pub(crate) fn run(order: &Reproduce) -> Result<Outcome, Failure> {
    if order.list {
        output::print(&list())?;
        return Ok(Outcome::Clear);
    }
    if let Some(named) = &order.hunt {
        return hunt::run(order, named);
    }
    if order.lab.every_way {
        #[cfg(target_os = "linux")]
        return every_way::run(order);
        #[cfg(not(target_os = "linux"))]
        return Err(Failure::NoLab);
    }
    let scenario = script::load(order.scenario.as_deref().unwrap_or(DEFAULT))?;
    if let Some(what) = &order.traffic.what {
        return traffic::run(order, scenario, what);
    }
    if order.sweep.wanted {
        return sweep::run(order, &scenario);
    }
    if order.lab.live {
        #[cfg(target_os = "linux")]
        return live::run(order, &scenario);
        #[cfg(not(target_os = "linux"))]
        return Err(Failure::NoLab);
    }
    let seed = order.seed.unwrap_or(scenario.seed);
    let run = if order.captures.is_some() { watched } else { reproduce };
    let run = run(&scenario, seed)
        .map_err(|error| Failure::Run { scenario: scenario.name.clone(), error })?;
    let files = match &order.captures {
        Some(folder) => captures::write(folder, &run.sights, &evidence::files(&run))?,
        None => Vec::new(),
    };
    let trial = Trial::new(&scenario, seed, &run, files);
    output::print(&if order.json { trial.json() } else { trial.text() })?;
    Ok(if trial.verdict_is_true() { Outcome::Clear } else { Outcome::Found })
}

/// Names the scenarios that ship.
fn list() -> String {
    let width = Scenario::names().map(str::len).max().unwrap_or(0);
    let mut text = String::new();
    for name in Scenario::names() {
        let title = Scenario::shipped(name).map_or(String::new(), |scenario| scenario.title);
        let _ = writeln!(text, "{BOLD}{name:width$}{BOLD:#}  {title}");
    }
    text
}
