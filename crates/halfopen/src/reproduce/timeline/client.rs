//! What the client met.

use std::net::SocketAddr;

use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::{Attempt, Outcome, Request};

use super::{CLIENT, Line, span};
use crate::report::Seconds;

/// Requests that went well on one connection, one after the other.
struct Run {
    at: Instant,
    bursts: (u32, u32),
    numbers: (u32, u32),
    connection: SocketAddr,
    /// The longest pause before one of them; `None` if the connection was new.
    idle: Option<Duration>,
}

/// Tells what became of the requests.
pub(super) fn tell(requests: &[Request]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut runs: Vec<Run> = Vec::new();
    for request in requests {
        for (tries, attempt) in request.attempts.iter().enumerate() {
            match attempt.connection {
                Some(connection) if attempt.outcome == Outcome::Answered && tries == 0 => {
                    join(&mut runs, request, attempt, connection);
                }
                _ => lines.extend(tell_one(request, attempt, tries)),
            }
        }
    }
    lines.extend(runs.iter().map(Run::line));
    lines
}

/// Adds a request to the run that it continues, or begins one.
fn join(runs: &mut Vec<Run>, request: &Request, attempt: &Attempt, connection: SocketAddr) {
    // With several connections at a time, a run is continued past the others' of its burst.
    let open = runs.iter_mut().rev().take_while(|run| run.bursts.1 + 1 >= request.burst);
    let fits = |run: &&mut Run| {
        let within = run.bursts.1 == request.burst;
        let follows = run.idle.is_some() && attempt.idle.is_some();
        run.connection == connection && (within || follows)
    };
    if let Some(run) = { open }.find(fits) {
        run.numbers.1 = request.number;
        if run.bursts.1 != request.burst {
            run.bursts.1 = request.burst;
            run.idle = run.idle.max(attempt.idle);
        }
        return;
    }
    runs.push(Run {
        at: attempt.begun,
        bursts: (request.burst, request.burst),
        numbers: (request.number, request.number),
        connection,
        idle: attempt.idle,
    });
}

impl Run {
    fn line(&self) -> Line {
        let bursts = span("burst", self.bursts.0, self.bursts.1);
        let requests = span("request", self.numbers.0, self.numbers.1);
        let port = self.connection.port();
        let on = match self.idle {
            None => format!("on a new connection, port {port}"),
            Some(idle) if idle >= Duration::from_secs(1) => {
                let idle = Seconds(idle);
                let most = if self.bursts.0 == self.bursts.1 { "" } else { "at most " };
                format!("on port {port}, idle for {most}{idle}")
            }
            Some(_) => format!("on port {port}"),
        };
        let what = format!("{bursts}: {requests} {on}: answered");
        Line { at: self.at, place: CLIENT.to_owned(), what }
    }
}

/// Tells of an attempt that is worth a line of its own: when it began, and when it ended.
fn tell_one(request: &Request, attempt: &Attempt, tries: usize) -> Vec<Line> {
    let (number, outcome) = (request.number, attempt.outcome);
    let again = if tries > 0 { " once more" } else { "" };
    let line = |at, what| Line { at, place: CLIENT.to_owned(), what };
    let Some(connection) = attempt.connection else {
        let what = format!("burst {}: request {number}{again}: {outcome}", request.burst);
        return vec![line(attempt.begun, what)];
    };
    let idle = attempt.idle.map_or("new".to_owned(), |idle| format!("idle for {}", Seconds(idle)));
    let port = connection.port();
    let begun = format!("burst {}: request {number}{again} on port {port}, {idle}", request.burst);
    let took = attempt.ended.saturating_since(attempt.begun);
    let ended = match outcome {
        Outcome::Answered => format!("request {number} is answered"),
        Outcome::Unfinished => format!("request {number} waits for its response to the end"),
        Outcome::NoConnection(_) | Outcome::GaveUp | Outcome::Closed | Outcome::Broken(_) => {
            format!("request {number} fails after {}: {outcome}", Seconds(took))
        }
    };
    vec![line(attempt.begun, begun), line(attempt.ended, ended)]
}
