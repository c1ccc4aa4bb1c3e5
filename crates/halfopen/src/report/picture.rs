//! What pictures show that a report's words do not: single connections, packet by packet.

use std::collections::BTreeSet;

use halfopen_capture::scene::{Lane, Wanted};
use halfopen_capture::{Place, Points, Survival};
use halfopen_core::cause::{Cause, Finding};
use halfopen_core::time::Instant;

use super::{Flow, Path, Report};

/// Paths that are drawn, the worst first.
const PATHS_MAX: usize = 20;
/// Connections drawn of one path: those with a finding, and some that were well.
const TROUBLED_MAX: usize = 12;
const HEALTHY_MAX: usize = 6;

/// What is drawn of a report.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    /// In the order of the report's paths, of which the healthy ones have none.
    paths: Vec<Picture>,
    /// The connections that are drawn, in the order of their lanes.
    wanted: Vec<Wanted>,
    /// What the captures show of them; empty if they could not be read again.
    lanes: Vec<Lane>,
}

/// What is drawn of one path.
#[derive(Debug)]
pub(super) struct Picture {
    /// The path's place in the report.
    pub(super) path: usize,
    /// Connections by their places in the report, and their lanes.
    flows: Vec<(usize, usize)>,
    /// How many connections there are besides.
    pub(super) left_out: usize,
    pub(super) survivals: Vec<Survival>,
}

/// A connection with what is drawn of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn<'a> {
    pub(super) flow: &'a Flow,
    pub(super) lane: &'a Lane,
}

impl Drawn<'_> {
    /// Returns from when until when the pause lasted that the connection died of, by the frames
    /// that show it. Packets that nobody answered may lie within.
    pub(super) fn fatal_pause(&self) -> Option<(Instant, Instant)> {
        let idle = self.flow.idle_s?.0;
        let mut ends = self.flow.evidence.windows(2).map(|pair| (pair[0].at.0, pair[1].at.0));
        ends.find(|(from, to)| to.saturating_since(*from).abs_diff(idle) <= idle / 100)
    }
}

impl Pictures {
    /// Chooses what is to be drawn: of each of the worst paths the connections that say most.
    pub(crate) fn plan(report: &Report, points: &Points) -> Self {
        let mut pictures = Self::default();
        let troubled =
            report.paths.iter().enumerate().filter(|(_, path)| path.cause != Cause::None);
        for (index, path) in troubled.take(PATHS_MAX) {
            let picture = pictures.choose(index, path, report, points);
            pictures.paths.push(picture);
        }
        pictures
    }

    /// Returns the connections to look for in the captures.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        self.wanted.clone()
    }

    /// Takes what the captures show of the connections that were wanted.
    pub(crate) fn fill(&mut self, lanes: Vec<Lane>) {
        self.lanes = lanes;
    }

    pub(super) fn of(&self, path: usize) -> Option<&Picture> {
        self.paths.iter().find(|picture| picture.path == path)
    }

    /// Returns a path's connections in the order in which they were opened.
    pub(super) fn drawn<'a>(&'a self, picture: &Picture, report: &'a Report) -> Vec<Drawn<'a>> {
        let flows = picture.flows.iter();
        let drawn = flows.filter_map(|&(flow, lane)| {
            Some(Drawn { flow: &report.flows[flow], lane: self.lanes.get(lane)? })
        });
        let mut drawn: Vec<Drawn<'_>> = drawn.filter(|it| !it.lane.runs.is_empty()).collect();
        drawn.sort_by_key(|it| it.lane.runs.first().map(|run| run.from));
        drawn
    }

    fn choose(&mut self, index: usize, path: &Path, report: &Report, points: &Points) -> Picture {
        let shown: BTreeSet<(usize, u64)> = places(&path.evidence).collect();
        let of_path = report.flows.iter().enumerate();
        let mut all: Vec<(usize, &Flow)> =
            of_path.filter(|(_, flow)| Some(flow.key.responder) == path.address).collect();
        // What the path's evidence names comes first, then what did the most harm.
        all.sort_by_key(|(place, flow)| {
            let named = places(&flow.evidence).any(|place| shown.contains(&place));
            (!named, core::cmp::Reverse(flow.harm), flow.idle_s.map(|idle| idle.0), *place)
        });
        let count = all.len();
        let (well, ill): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, flow)| flow.finding == Finding::Healthy);
        let chosen = ill.into_iter().take(TROUBLED_MAX).chain(well.into_iter().take(HEALTHY_MAX));
        let mut flows = Vec::new();
        for (place, flow) in chosen {
            flows.push((place, self.wanted.len()));
            self.wanted.push(wanted(flow, points));
        }
        let survivals = path.address.map_or(Vec::new(), |server| points.survivals(server));
        let left_out = count - flows.len();
        Picture { path: index, flows, left_out, survivals }
    }
}

fn places(evidence: &[super::Evidence]) -> impl Iterator<Item = (usize, u64)> {
    evidence.iter().map(|seen| (seen.capture, seen.frame))
}

fn wanted(flow: &Flow, points: &Points) -> Wanted {
    let point = flow.evidence.first().and_then(|seen| points.point(seen.capture));
    let here = flow.evidence.iter().filter(|seen| points.point(seen.capture) == point);
    let evidence = here.map(|seen| Place { capture: seen.capture, frame: seen.frame });
    Wanted { flow: flow.key, point, evidence: evidence.collect() }
}
