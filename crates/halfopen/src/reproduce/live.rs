//! A scenario on real packets.

use core::ops::ControlFlow;
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _};

use halfopen_core::scenario::{Gateway, Scenario};
use halfopen_core::speed::Speed;
use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::Sight;
use halfopen_lab::reproduce::live::{Gateways, Lab, Live, Recorded};
use halfopen_live::namespace::become_owner;
use halfopen_live::program::Signals;

use super::captures::Files;
use super::evidence;
use super::trial::{Punctuality, Trial};
use crate::Outcome;
use crate::cli::{Reproduce, Who};
use crate::diagnose::Interrupt;
use crate::failure::Failure;
use crate::output;
use crate::report::Seconds;
use status::{Beside, StatusLine};

mod command;
mod status;

/// About how long a run takes if nobody says how fast it is to be.
const LENGTH: Duration = Duration::from_secs(30);
/// Of a capture that is longer, only so much is diagnosed.
const CAPTURE_MAX: u64 = 256 << 20;

pub(super) fn run(order: &Reproduce, scenario: &Scenario) -> Result<Outcome, Failure> {
    become_owner().map_err(LabFailure::Refused)?;
    let gateways = match order.lab.gateway {
        Who::Own => Gateways::Own,
        Who::Kernel => Gateways::Kernel,
    };
    let fast = sped_up(scenario, order.lab.speed)?;
    let scenario = gateways.nearest(&fast).map_err(LabFailure::Unfit)?;
    remark_on_timers(&fast, &scenario);
    let seed = order.seed.unwrap_or(scenario.seed);
    let mut files = Files::new(order.captures.as_deref())?;
    let captures = [files.create("client")?, files.create("far-end")?].map(BufWriter::new);
    let failed = |error| LabFailure::Run { scenario: scenario.name.clone(), error };
    let start = || Lab::start(&scenario, seed, gateways, captures).map_err(failed);
    let (lab, code) = if let Some(program) = command::program(order, &scenario) {
        // Before there are threads.
        let signals = Signals::hold().map_err(LabFailure::Signals)?;
        let mut lab = start()?;
        let code = command::run(program, &mut lab, &signals, Beside::the_program(order))?;
        (lab, Some(code))
    } else {
        let interrupt = Interrupt::listen();
        let mut lab = start()?;
        lab.ask(&scenario).map_err(failed)?;
        play(&mut lab, &scenario, &interrupt);
        interrupt.reading_is_over();
        (lab, None)
    };
    let Live { mut run, recorded, delays, status, differing, sockets } =
        lab.finish().map_err(failed)?;
    for recorded in recorded {
        run.sights.push(sight(recorded).map_err(LabFailure::Read)?);
    }
    files.write(&evidence::files(&run))?;
    files.write(&[evidence::sockets(run.began_at, &sockets)])?;
    let punctuality = Punctuality {
        speed: scenario.speed.get(),
        packets: status.taken.inside + status.taken.outside,
        delay_median_s: Seconds(delays.quantile(0.5)),
        delay_max_s: Seconds(delays.quantile(1.0)),
        gateway: order.lab.gateway,
        differing,
    };
    let trial = Trial::new(&scenario, seed, &run, files.keep()?).on_real_packets(punctuality);
    let trial = if code.is_some() { trial.of_another_client() } else { trial };
    output::print(&if order.json { trial.json() } else { trial.text() })?;
    Ok(match code {
        Some(code) => Outcome::Program(code),
        None if trial.verdict_is_true() => Outcome::Clear,
        None => Outcome::Found,
    })
}

/// Lets the scenario's own client ask, and says what goes on.
fn play(lab: &mut Lab<BufWriter<File>>, scenario: &Scenario, interrupt: &Interrupt) {
    let line = StatusLine::new(Some(scenario.length));
    lab.run(Some(Instant::EPOCH + scenario.length), |now, status| {
        line.show(now, status);
        unless(interrupt.asked())
    });
}

/// Goes on unless it is over.
const fn unless(over: bool) -> ControlFlow<()> {
    if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Speeds a scenario up, so far that it takes about half a minute unless somebody says how far.
fn sped_up(scenario: &Scenario, speed: Option<Speed>) -> Result<Scenario, LabFailure> {
    if let Some(speed) = speed {
        return scenario.sped_up(speed).map_err(LabFailure::TooFast);
    }
    let times = scenario.length.as_secs().div_ceil(LENGTH.as_secs());
    let speed = u32::try_from(times).ok().and_then(Speed::new).unwrap_or(Speed::REAL);
    let fast = scenario.sped_up(speed);
    fast.or_else(|slower| scenario.sped_up(slower.largest)).map_err(LabFailure::TooFast)
}

/// Says which gateways forget idle connections at another time than they were to.
fn remark_on_timers(wanted: &Scenario, had: &Scenario) {
    for (wanted, had) in wanted.gateways().zip(had.gateways()) {
        let limit = |it: &Gateway| it.config(Vec::new()).idle.timers.tcp_established;
        let (Some(wanted), Some(limit)) = (limit(wanted), limit(had)) else { continue };
        if wanted != limit {
            output::remark(&format!(
                "the kernel counts whole seconds: `{}` forgets after {} instead of {}",
                had.name,
                Seconds(limit),
                Seconds(wanted)
            ));
        }
    }
}

/// Reads what was written at a place.
fn sight(recorded: Recorded<BufWriter<File>>) -> std::io::Result<Sight> {
    let Recorded { place, out, missed } = recorded;
    if missed > 0 {
        output::remark(&format!("the capture at {place} lacks {missed} packets: too many at once"));
    }
    let mut file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.rewind()?;
    let mut capture = Vec::new();
    let read = file.take(CAPTURE_MAX).read_to_end(&mut capture)?;
    if read as u64 == CAPTURE_MAX {
        output::remark(&format!("the capture at {place} is long: its first 256 MiB are diagnosed"));
    }
    Ok(Sight { place, capture })
}

/// Why a scenario could not be run on real packets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabFailure {
    #[error("{0}")]
    Refused(halfopen_live::namespace::Refusal),
    #[error("{0}")]
    TooFast(halfopen_core::scenario::TooFast),
    #[error("{0}")]
    Unfit(halfopen_lab::reproduce::live::Unfit),
    #[error("the scenario `{scenario}` cannot be run on real packets: {error}")]
    Run { scenario: String, error: halfopen_lab::reproduce::live::Error },
    #[error("the client cannot be tried: {0}")]
    EveryWay(halfopen_live::every_way::Error),
    #[error("cannot read a capture that was just written: {0}")]
    Read(std::io::Error),
    #[error("cannot hear of signals: {0}")]
    Signals(std::io::Error),
    #[error("the program cannot be run: {0}")]
    Program(halfopen_live::program::Error),
    #[error("the program was lost: {0}")]
    Waiting(String),
}
