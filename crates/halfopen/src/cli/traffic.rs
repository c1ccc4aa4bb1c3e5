//! The options of `halfopen reproduce --traffic`.

use clap::Args;
use halfopen_core::time::Duration;
use halfopen_lab::traffic::Cap;

#[derive(Debug, Args)]
#[command(next_help_heading = "Traffic")]
pub(crate) struct Traffic {
    /// Count how many requests meet a forgotten flow if they arrive like this: a rate (`5/s`,
    /// `200/day`, `5/s,night=0.01/s@23-6`), a cron line (`cron:*/20 * * * * x10`), a file of times
    /// or an access log of AWS's application balancer (also in gzip; `-` is standard input).
    #[arg(long = "traffic", id = "traffic", value_name = "WHAT")]
    #[arg(conflicts_with_all = ["list", "captures"])]
    pub(crate) what: Option<String>,
    /// For how long requests arrive: as long as the file, else a week.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    #[arg(requires = "traffic")]
    pub(crate) length: Option<Duration>,
    /// Compare caps on the idle time of the pool's connections, as in `60s,300s,none`.
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = cap)]
    #[arg(requires = "traffic")]
    pub(crate) cap: Vec<Cap>,
    /// The most connections that the pool may have; requests beyond it wait for their turn.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(requires = "traffic")]
    pub(crate) max_connections: Option<u32>,
    /// How many runs, each with the next seed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    #[arg(requires = "traffic", default_value_t = 1)]
    pub(crate) runs: u32,
}

fn cap(text: &str) -> Result<Cap, String> {
    if text == "none" {
        return Ok(Cap::At(None));
    }
    match humantime::parse_duration(text) {
        Ok(cap) if cap.is_zero() => Err("a cap of no time keeps no connection".to_owned()),
        Ok(cap) => Ok(Cap::At(Some(cap))),
        Err(why) => Err(why.to_string()),
    }
}
