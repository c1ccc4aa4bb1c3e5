//! Requests as the far end's logs tell them: which came, when, and what was answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use halfopen_core::time::{Duration, Instant};
use halfopen_logs::record::{Balanced, Step, What};

use crate::log::Log;
use crate::suspect::{Place, Seen};

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) log: usize,
    pub(crate) line: u64,
    /// When its first byte came, as far as the log says.
    pub(crate) came: Instant,
    /// When it was answered, as far as the log says.
    pub(crate) answered: Option<Instant>,
    pub(crate) client: Option<SocketAddr>,
    pub(crate) request: Option<Box<str>>,
    pub(crate) status: Option<u16>,
    /// The target ended the connection instead of answering.
    pub(crate) target_closed: bool,
    /// How long the far end took for it.
    pub(crate) took: Option<Duration>,
    /// What the balancer calls its connection.
    pub(crate) connection: Option<Box<str>>,
}

/// All requests of the logs of one kind.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// In the order of their coming.
    pub(crate) list: Vec<Arrival>,
    /// The logs that tell them.
    pub(crate) logs: Vec<usize>,
}

impl Arrival {
    pub(crate) fn seen(&self, fact: String) -> Seen {
        let place = Place::Line { log: self.log, line: self.line };
        Seen { at: self.answered.unwrap_or(self.came), place, fact }
    }
}

impl Arrivals {
    pub(crate) fn balanced(logs: &[Log]) -> Self {
        Self::collect(logs, |what, at| match what {
            What::Balanced(balanced) => Some(of_balancer(balanced, at)),
            What::Client(_)
            | What::Server(_)
            | What::Accepted(_)
            | What::Snapshot(_)
            | What::Socket(_)
            | What::Traffic(_)
            | What::Blank(_)
            | What::Point(_) => None,
        })
    }

    pub(crate) fn served(logs: &[Log]) -> Self {
        Self::collect(logs, |what, at| {
            let What::Server(http) = what else { return None };
            let (request, took) = match &http.step {
                Step::Exchange { request, took, .. } => (request.clone(), *took),
                Step::Request { method, target } => {
                    (Some(format!("{method} {target}").into()), None)
                }
                Step::Opening
                | Step::Opened
                | Step::Leased { .. }
                | Step::Checked { .. }
                | Step::Response { .. }
                | Step::Kept(_)
                | Step::Released
                | Step::Closed
                | Step::Failed(_)
                | Step::Product(_) => return None,
            };
            Some(Arrival {
                log: 0,
                line: 0,
                came: at,
                answered: took.map(|took| at + took),
                client: http.ends.client,
                request,
                status: None,
                target_closed: false,
                took,
                connection: None,
            })
        })
    }

    /// Returns the requests of each connection that a balancer has named, in the order of their
    /// coming. A name that several clients bear is none.
    pub(crate) fn by_connection(&self) -> Vec<Vec<&Arrival>> {
        let mut by_name: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
        for arrival in &self.list {
            if let Some(name) = &arrival.connection {
                by_name.entry(name).or_default().push(arrival);
            }
        }
        let one = |all: &Vec<&Arrival>| all.iter().all(|it| it.client == all[0].client);
        by_name.into_values().filter(one).collect()
    }

    fn collect(logs: &[Log], read: impl Fn(&What, Instant) -> Option<Arrival>) -> Self {
        let mut arrivals = Self::default();
        for (index, log) in logs.iter().enumerate() {
            let before = arrivals.list.len();
            arrivals.list.extend(log.records.iter().filter_map(|record| {
                let arrival = read(&record.what, record.at)?;
                Some(Arrival { log: index, line: record.line, ..arrival })
            }));
            if arrivals.list.len() > before {
                arrivals.logs.push(index);
            }
        }
        arrivals.list.sort_by_key(|arrival| (arrival.came, arrival.log, arrival.line));
        arrivals
    }
}

fn of_balancer(balanced: &Balanced, at: Instant) -> Arrival {
    let processing =
        [balanced.request_processing, balanced.target_processing, balanced.response_processing];
    let took: Option<Duration> = processing.into_iter().flatten().reduce(|sum, part| sum + part);
    let came = balanced.created.unwrap_or(at);
    // A log whose times are all those of the beginning says when it ended by how long it took.
    let answered = balanced.status.map(|_| at.max(came + took.unwrap_or_default()));
    Arrival {
        log: 0,
        line: 0,
        came,
        answered,
        client: Some(balanced.client),
        request: Some(balanced.request.clone()),
        status: balanced.status,
        // AWS, "Troubleshoot your Application Load Balancers", HTTP 502: the target closed the
        // connection with a RST or a FIN while the load balancer had an outstanding request.
        target_closed: balanced.status == Some(502)
            && balanced.target_status.is_none()
            && balanced.target_processing.is_none(),
        took,
        connection: balanced.connection_trace.clone(),
    }
}
