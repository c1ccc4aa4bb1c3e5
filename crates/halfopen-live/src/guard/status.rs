//! Which cgroups are guarded, by whomever.

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use super::cgroup::Cgroup;
use super::{COUNTERS, Counts, ESTABLISHED, Error, failed, pins, read_counts};
use crate::sys::bpf::{Map, Place, Program, attached};

/// A guard at a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where the cgroup is.
    pub cgroup: PathBuf,
    /// The number of the program that new connections meet, as `bpftool` has it.
    pub program: u32,
    /// The guard stays when the process that attached it ends.
    pub pinned: bool,
    /// What it has counted.
    pub counts: Counts,
}

/// Finds all guards. That takes root's rights, since programs and maps are looked up by number.
pub fn find() -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for cgroup in Cgroup::all()? {
        for program in of(&cgroup)? {
            let info = Program::info_by_id(program);
            // It may have gone by now.
            let Ok(info) = info.map_err(failed("look at programs of others")) else { continue };
            let maps = info.maps.iter().filter_map(|&map| Map::by_id(map).ok());
            let counters = maps.filter(|(_, name)| name.as_bytes() == COUNTERS.to_bytes());
            let counts = counters.map(|(map, _)| read_counts(&map)).next().transpose()?;
            found.push(Found {
                cgroup: cgroup.path().to_owned(),
                program,
                pinned: pins::is_pinned(&cgroup),
                counts: counts.unwrap_or_default(),
            });
        }
    }
    Ok(found)
}

/// Returns the numbers of the guards' programs that are attached to a cgroup.
pub fn of(cgroup: &Cgroup) -> Result<Vec<u32>, Error> {
    let programs = attached(cgroup.folder().as_fd(), Place::SocketOperations);
    let programs = programs.map_err(failed("ask what is attached to cgroups"))?;
    let is_ours = |&program: &u32| {
        let info = Program::info_by_id(program);
        info.is_ok_and(|info| info.name.as_bytes() == ESTABLISHED.to_bytes())
    };
    Ok(programs.into_iter().filter(is_ours).collect())
}
