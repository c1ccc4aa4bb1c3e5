//! What the far end did.

use core::fmt::Write as _;
use std::net::SocketAddr;

use halfopen_core::scenario::{Answers, Scenario};
use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::{Act, Deed};

use super::{FAR_END, Line, span};
use crate::report::Seconds;

/// Requests that came on one connection, one after the other.
struct Service {
    at: Instant,
    until: Instant,
    peer: SocketAddr,
    accepted: bool,
    received: Option<(u32, u32)>,
    answered: Option<u32>,
}

/// Tells what the far end did.
pub(super) fn tell(scenario: &Scenario, deeds: &[Deed]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut services: Vec<Service> = Vec::new();
    for deed in deeds {
        match deed.act {
            Act::Accepted | Act::Received(_) | Act::Answered(_) => serve(&mut services, deed),
            Act::ClosedIdle | Act::ResetIdle | Act::Aborted | Act::Broken => {
                lines.push(Line {
                    at: deed.at,
                    place: FAR_END.to_owned(),
                    what: end(scenario, deed),
                });
            }
            // The client's own closing is told by its FIN.
            Act::ClosedToo => {}
        }
    }
    lines.extend(services.iter().map(Service::line));
    lines
}

/// Adds a deed to the latest service of its connection.
fn serve(services: &mut Vec<Service>, deed: &Deed) {
    let known = services.iter_mut().rev().find(|service| service.peer == deed.peer);
    let service = match known {
        Some(service) if deed.act != Act::Accepted => service,
        _ => {
            services.push(Service {
                at: deed.at,
                until: deed.at,
                peer: deed.peer,
                accepted: deed.act == Act::Accepted,
                received: None,
                answered: None,
            });
            services.last_mut().expect("one was just added")
        }
    };
    service.until = deed.at;
    match deed.act {
        Act::Received(number) => {
            service.received = Some((service.received.map_or(number, |(first, _)| first), number));
        }
        Act::Answered(number) => service.answered = Some(number),
        Act::Accepted
        | Act::ClosedIdle
        | Act::ResetIdle
        | Act::Aborted
        | Act::ClosedToo
        | Act::Broken => {}
    }
}

impl Service {
    fn line(&self) -> Line {
        let peer = self.peer;
        let mut what =
            if self.accepted { format!("accepts {peer}") } else { format!("hears {peer}") };
        if let Some((first, last)) = self.received {
            let requests = span("request", first, last);
            let answered = if self.answered == Some(last) { "answers" } else { "receives" };
            let _ = write!(what, "; {answered} {requests}");
        }
        if self.until.saturating_since(self.at) >= Duration::from_secs(1) {
            let until = Seconds(self.until.saturating_since(Instant::EPOCH));
            let _ = write!(what, ", the last at {until}");
        }
        Line { at: self.at, place: FAR_END.to_owned(), what }
    }
}

fn end(scenario: &Scenario, deed: &Deed) -> String {
    let peer = deed.peer;
    let idle = match &scenario.answers {
        Answers::FarEnd(far_end) => far_end.idle_timeout,
        Answers::Payment(payment) => payment.keep_alive,
    };
    let idle = idle.map_or(String::new(), |idle| format!(", idle for {}", Seconds(idle)));
    match deed.act {
        Act::ClosedIdle => format!("closes {peer}{idle}"),
        Act::ResetIdle => format!("resets {peer}{idle}"),
        Act::Aborted => format!("resets {peer} of its own accord"),
        Act::Broken | Act::Accepted | Act::Received(_) | Act::Answered(_) | Act::ClosedToo => {
            format!("finds {peer} broken")
        }
    }
}
