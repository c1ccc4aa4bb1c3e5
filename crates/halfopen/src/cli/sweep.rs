//! The options of `halfopen reproduce --sweep`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Sweep")]
pub(crate) struct Sweep {
    /// Try which pause between two requests has which outcome, instead of running the scenario.
    #[arg(long = "sweep", id = "sweep")]
    #[arg(conflicts_with_all = ["list", "captures", "hunt", "traffic"])]
    pub(crate) wanted: bool,
    /// The longest pause.
    #[arg(long, value_name = "TIME", value_parser = pause, default_value = "2h")]
    #[arg(requires = "sweep")]
    pub(crate) up_to: Duration,
    /// Try a pause at every step, before those between are halved; else more of the short ones.
    #[arg(long, value_name = "TIME", value_parser = pause, requires = "sweep")]
    pub(crate) step: Option<Duration>,
    /// The method of the requests, instead of the scenario's own.
    #[arg(long, value_name = "METHOD", requires = "sweep")]
    #[arg(value_parser = ["GET", "POST", "PUT", "DELETE", "PATCH"])]
    pub(crate) method: Option<String>,
    /// Draw the outcomes into this file, which is not overwritten.
    #[arg(long, value_name = "FILE", requires = "sweep")]
    pub(crate) svg: Option<PathBuf>,
}

fn pause(text: &str) -> Result<Duration, String> {
    /// Longer than any timer that is documented.
    const LONGEST: Duration = Duration::from_hours(30 * 24);
    match humantime::parse_duration(text) {
        Ok(pause) if pause < Duration::from_millis(1) => Err("it is shorter than 1 ms".to_owned()),
        Ok(pause) if pause > LONGEST => Err("it is longer than 30 days".to_owned()),
        Ok(pause) => Ok(pause),
        Err(error) => Err(error.to_string()),
    }
}
