//! Forgetting connections and paths while others go on.

use super::{Tracker, VACANT};
use crate::route::Route;
use crate::timeline::End;

/// Pauses survived of one path that wait to be asked for.
const FRESH_MAX: usize = 16_384;

/// Places that are free again.
#[derive(Debug, Default)]
pub(crate) struct Vacancies {
    pub(super) timelines: Vec<u32>,
    routes: Vec<u32>,
    fresh_max: usize,
}

impl Tracker {
    /// From now on, paths keep what they survive until it is asked for.
    pub(crate) fn report_survivals(&mut self) {
        self.vacancies.fresh_max = FRESH_MAX;
    }

    /// Forgets a connection; its place is free.
    pub(crate) fn forget(&mut self, index: u32) {
        self.unlink(index);
        let timeline = &mut self.timelines[index as usize];
        let route = &mut self.routes[timeline.path as usize];
        route.forget_flow(index);
        if timeline.is_open() && !timeline.twin {
            route.leave(timeline.worked);
        }
        (timeline.path, timeline.twin) = (VACANT, true);
        (timeline.pause, timeline.ending) = (None, None);
        self.vacancies.timelines.push(index);
    }

    /// Forgets a path that no connection is on; tells whether it was known.
    pub(crate) fn forget_route(&mut self, path: usize) -> bool {
        let server = self.routes[path].server;
        let (known, index) = (self.route_of.get(&server).copied(), u32::try_from(path).ok());
        if known.is_none() || known != index {
            return false;
        }
        self.route_of.remove(&server);
        self.routes[path] = Route::new(server);
        self.vacancies.routes.extend(index);
        true
    }

    /// Returns the place of a new path, if there is room.
    pub(super) fn place_route(&mut self, server: End) -> Option<u32> {
        let mut route = Route::new(server);
        route.fresh_max = self.vacancies.fresh_max;
        if let Some(index) = self.vacancies.routes.pop() {
            self.routes[index as usize] = route;
            return Some(index);
        }
        if self.routes.len() >= self.limits.paths {
            return None;
        }
        let index = u32::try_from(self.routes.len()).ok()?;
        self.routes.push(route);
        Some(index)
    }

    /// Returns how many connections are remembered.
    pub(crate) fn occupied(&self) -> usize {
        self.timelines.len() - self.vacancies.timelines.len()
    }

    /// Returns how many paths are remembered.
    pub(crate) fn known_routes(&self) -> usize {
        self.routes.len() - self.vacancies.routes.len()
    }

    pub(crate) fn knows_route(&self, server: End) -> bool {
        self.route_of.contains_key(&server)
    }
}
