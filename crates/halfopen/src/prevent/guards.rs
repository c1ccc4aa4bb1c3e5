//! `halfopen prevent status` and `detach`: guards there are.

use core::fmt::Write as _;

use halfopen_live::guard::cgroup::Cgroup;
use halfopen_live::guard::status::{Found, find};
use halfopen_live::guard::{Error, pins};
use serde::Serialize;

use super::GuardFailure;
use super::report::{CountsJson, line};
use crate::Outcome;
use crate::cli::prevent::guard::{Detach, Status};
use crate::output;

#[derive(Debug, Serialize)]
struct GuardJson {
    cgroup: String,
    program: u32,
    pinned: bool,
    counts: CountsJson,
}

pub(super) fn status(order: &Status) -> Result<Outcome, GuardFailure> {
    let found = find()?;
    let text = if order.json {
        let json = |one: &Found| GuardJson {
            cgroup: one.cgroup.display().to_string(),
            program: one.program,
            pinned: one.pinned,
            counts: one.counts.into(),
        };
        line(&found.iter().map(json).collect::<Vec<_>>())
    } else {
        words(&found)
    };
    // Whoever read it may be gone; that is no failure.
    drop(output::print_line(text.trim_end()));
    Ok(Outcome::Clear)
}

fn words(found: &[Found]) -> String {
    let mut text = String::new();
    for Found { cgroup, program, pinned, counts } in found {
        let how = if *pinned { "stays" } else { "ends with its command" };
        let counts = CountsJson::from(*counts).words(false);
        let _ = writeln!(text, "{}: program {program}, {how}\n  {counts}", cgroup.display());
    }
    if found.is_empty() { "no cgroup is guarded\n".to_owned() } else { text }
}

pub(super) fn detach(order: &Detach) -> Result<Outcome, GuardFailure> {
    let cgroup = order.cgroup.as_deref().map(Cgroup::open).transpose().map_err(Error::from)?;
    let removed = pins::unpin(cgroup.as_ref())?;
    output::remark(&format!("{removed} guards removed"));
    Ok(Outcome::Clear)
}
