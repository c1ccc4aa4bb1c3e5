//! `halfopen diagnose`: writing what was learned, and judging what many hosts have learned.

use std::path::PathBuf;

use clap::Args;

/// What of a diagnosis is kept for a fleet, and how a fleet is judged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fleets (docs/fleet.md)")]
pub(crate) struct Learning {
    /// Write what was learned to FILE, a Parquet table. Given such tables, `diagnose` judges them
    /// together.
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Option<PathBuf>,
    /// Whose evidence it is; the client's address if the sources show one.
    #[arg(long, value_name = "NAME", requires = "evidence")]
    pub(crate) host: Option<String>,
    /// What else to say of the host, such as `zone=a`.
    #[arg(long = "label", value_name = "NAME=VALUE", requires = "evidence", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// Take hosts whose labels of this name are the same for hosts of one path; given several
    /// times, all must be. Without it each host is judged by itself.
    #[arg(long = "same-path", value_name = "LABEL", conflicts_with = "evidence")]
    pub(crate) sharing: Vec<String>,
}

/// Reads `NAME=VALUE`.
fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is like `zone=a`")?;
    if name.is_empty() || text.contains(',') {
        return Err("a label has a name, and no comma".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}
