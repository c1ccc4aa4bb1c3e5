//! `halfopen reproduce --traffic`: how often requests meet a forgotten flow, if they arrive as the
//! user says.

mod finding;
mod text;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use halfopen_core::scenario::Scenario;
use halfopen_core::time::Duration;
use halfopen_lab::traffic::{self, Cap, Record, Study, Tally, Traffic};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::Outcome;
use crate::cli::Reproduce;
use crate::failure::Failure;
use crate::output;
use finding::{Finding, Row};

/// Counts `what` in place of the scenario's own requests.
pub(super) fn run(
    order: &Reproduce,
    mut scenario: Scenario,
    what: &str,
) -> Result<Outcome, Failure> {
    let options = &order.traffic;
    let pool = &mut scenario.client.pool;
    pool.max_connections = options.max_connections.or(pool.max_connections);
    let traffic = read(what)?;
    let length = options.length.unwrap_or_else(|| traffic.length());
    let seed = order.seed.unwrap_or(scenario.seed);
    let runs = options.runs;
    let study = Study { scenario: &scenario, traffic: &traffic, length, seed, runs };
    let outline = study.outline().map_err(|error| of_traffic(what, error))?;
    let mut rows = vec![Row { cap: Cap::Own, tally: tally(&study, Cap::Own)? }];
    let mut caps = options.cap.clone();
    if caps.is_empty() && rows[0].tally.met > 0 {
        caps.extend(below_the_limit(&scenario));
    }
    for cap in caps {
        rows.push(Row { cap, tally: tally(&study, cap)? });
    }
    let finding = Finding { what, study: &study, outline, rows };
    output::print(&if order.json { finding.json() } else { finding.text() })?;
    Ok(if finding.is_spared() { Outcome::Clear } else { Outcome::Found })
}

/// Returns a cap that leaves a tenth of the path's limit for what the client cannot see.
fn below_the_limit(scenario: &Scenario) -> Option<Cap> {
    let (_, limit) = traffic::limit(scenario)?;
    let whole_seconds = Duration::from_secs(limit.as_secs() * 9 / 10);
    Some(Cap::At(Some(whole_seconds).filter(|cap| !cap.is_zero())))
}

/// Returns the traffic that the user means.
fn read(what: &str) -> Result<Traffic, Failure> {
    if let Some(traffic) = Traffic::parse(what) {
        return traffic.map_err(|error| Failure::Traffic { input: None, error });
    }
    let input: Box<dyn Read> = if what == "-" {
        Box::new(io::stdin())
    } else {
        let path = Path::new(what);
        let file = File::open(path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return Failure::NoTraffic(what.to_owned());
            }
            Failure::open(path, error)
        })?;
        let metadata = file.metadata().map_err(|error| Failure::open(path, error))?;
        if metadata.is_dir() {
            return Err(Failure::Directory(path.to_owned()));
        }
        Box::new(file)
    };
    Record::read(input).map(Traffic::Record).map_err(|error| of_traffic(what, error))
}

fn of_traffic(what: &str, error: traffic::Error) -> Failure {
    Failure::Traffic { input: Some(what.to_owned()), error }
}

/// Runs the study with a cap, and shows how far it is.
fn tally(study: &Study<'_>, cap: Cap) -> Result<Tally, Failure> {
    let whole = study.length.saturating_mul(study.runs);
    let bar = progress(whole, cap);
    let tally = study.run(cap, |passed| bar.set_position(passed.as_secs()));
    tally.map_err(|error| Failure::Run { scenario: study.scenario.name.clone(), error })
}

/// Returns a bar on standard error; nobody sees it unless that is a terminal.
fn progress(whole: Duration, cap: Cap) -> ProgressBar {
    let style = ProgressStyle::with_template("cap {msg}: {percent} % {eta} left");
    let target = ProgressDrawTarget::stderr_with_hz(4);
    let bar = ProgressBar::with_draw_target(Some(whole.as_secs()), target);
    bar.with_style(style.expect("the template is well formed"))
        .with_message(text::cap(cap))
        .with_finish(ProgressFinish::AndClear)
}
