//! A path's cause in a stranger's words, and what to do next.

use halfopen_core::cause::{Cause, Culprit, Harm, Mechanism};

use halfopen_diagnosis::Server;

use super::Path;

/// Says in one sentence what is wrong.
pub(super) fn headline(path: &Path) -> String {
    let known = path.server != Server::Unknown.to_string();
    let sentence = wrong(path, if known { &path.server } else { "the server" });
    let mut letters = sentence.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn wrong(path: &Path, server: &str) -> String {
    match path.cause {
        Cause::None => format!("Nothing is wrong with {server}."),
        Cause::IdleExpiry if path.culprit != Culprit::Hop => {
            format!("Connections to {server} are dead after a pause.")
        }
        Cause::IdleExpiry => {
            let then = match path.mechanism {
                Some(Mechanism::SilentDrop) => "forgets idle connections and swallows what follows",
                Some(Mechanism::ResetAtExpiry) => "resets connections that are idle",
                Some(Mechanism::FinAtExpiry) => "closes connections that are idle",
                Some(Mechanism::ResetOnReuse) | None => {
                    "forgets idle connections and resets them when they are used again"
                }
            };
            format!("A box on the path to {server} {then}.")
        }
        Cause::IdleExpiryInFlight if path.culprit != Culprit::Hop => {
            format!("Connections to {server} die while a request waits for its response.")
        }
        Cause::IdleExpiryInFlight => format!(
            "A box on the path to {server} forgets connections while a request waits for its \
             response."
        ),
        Cause::CloseRace if path.culprit == Culprit::Client => {
            format!("The client sends requests on connections that {server} has closed.")
        }
        Cause::CloseRace => {
            format!("{server} closes idle connections just as the client uses them again.")
        }
        Cause::StateLoss => format!(
            "A box on the path to {server} lost its memory of connections, and not by a timer."
        ),
        Cause::MtuBlackHole => {
            format!("Large packets between the client and {server} vanish on the path.")
        }
        Cause::ServerRestart => format!("{server} went down and came up again."),
        Cause::PeerAbort => format!("{server} itself resets connections."),
        Cause::PeerClose => format!("{server} closes connections, and not by a timer."),
        Cause::HalfClosedLeak => {
            format!("The client does not close connections that {server} has closed.")
        }
        Cause::PacketLoss => format!("Packets between the client and {server} are lost."),
        Cause::PortExhaustion if path.culprit == Culprit::Hop => {
            format!("A box on the path to {server} has no room for more connections.")
        }
        Cause::PortExhaustion => {
            format!("No more connections to {server} can be opened while so many are open.")
        }
        Cause::Refused => format!("{server} refuses connections."),
        Cause::Unreachable => format!("Nothing answers at {server}."),
        Cause::Inconclusive if path.culprit == Culprit::Client => {
            format!("The client gave up before {server} answered.")
        }
        Cause::Inconclusive if path.harm == Harm::None => {
            format!(
                "Connections to {server} may have been forgotten; what was seen does not show it."
            )
        }
        Cause::Inconclusive => {
            format!("Requests to {server} were lost, and what was seen does not show why.")
        }
    }
}

/// Says what it did to requests.
pub(super) fn harm(path: &Path) -> String {
    let Path { failures, masked, requests, connections, .. } = path;
    let twice = match path.maybe_twice {
        0 => String::new(),
        count => format!(" ({count} may have been processed twice)"),
    };
    let repeated =
        || format!("{masked} of {requests} requests were lost and repeated by the client{twice}");
    match path.harm {
        Harm::Failed if path.requests == 0 || is_about_opening(path.cause) => {
            format!("{failures} of {connections} connections could not be opened")
        }
        Harm::Failed if path.masked > 0 => {
            format!("{failures} of {requests} requests failed; {}", repeated())
        }
        Harm::Failed => format!("{failures} of {requests} requests failed"),
        Harm::Masked => format!("{}; none failed", repeated()),
        Harm::Latent => format!("none of {requests} requests was hit, this time"),
        Harm::None if path.cause == Cause::Inconclusive => {
            format!("none of the {requests} requests that show here was hit")
        }
        Harm::None => format!("none of {requests} requests was hit"),
    }
}

/// Tells whether what failed is the opening of connections, not a request on one.
const fn is_about_opening(cause: Cause) -> bool {
    matches!(cause, Cause::Refused | Cause::Unreachable | Cause::PortExhaustion)
}

/// Says where the path's limit lies; `None` if no pause says anything about it.
pub(super) fn limit(path: &Path) -> Option<String> {
    match (path.idle_limit.survived_s, path.idle_limit.died_s) {
        (Some(survived), Some(died)) if survived.to_string() == died.to_string() => {
            let (survived, died) = (survived.exact(), died.exact());
            Some(format!("survived a pause of {survived}, died after one of {died}"))
        }
        (Some(survived), Some(died)) => {
            Some(format!("survived a pause of {survived}, died after one of {died}"))
        }
        (None, Some(died)) => {
            Some(format!("died after a pause of {died}; no shorter one was tried"))
        }
        (Some(survived), None) => Some(format!("survived pauses of up to {survived}")),
        (None, None) => None,
    }
}

/// Says what was seen of a path with which nothing is wrong.
pub(super) fn well(path: &Path) -> String {
    let pauses = limit(path).map_or(String::new(), |limit| format!("; it {limit}"));
    format!(
        "{}, {}{pauses}.",
        counted(path.connections, "connection"),
        counted(path.requests, "request")
    )
}

/// Says how many there are of something that takes an s.
pub(super) fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// Says what to do next; `None` if there is nothing to do.
pub(super) fn next(path: &Path) -> Option<String> {
    let below = match (path.idle_limit.survived_s, path.idle_limit.died_s) {
        (Some(survived), Some(_)) => format!("before {survived}"),
        (None, Some(died)) => format!("well before {died}"),
        (_, None) => "sooner".to_owned(),
    };
    let text = match path.cause {
        Cause::None => return None,
        Cause::IdleExpiry if path.idle_limit.died_s.is_none() => {
            "nothing was lost: the client had been told that the connection was closed, and closed \
             its own end too late. A client that closes at once sees no reset"
                .to_owned()
        }
        Cause::IdleExpiry => format!(
            "let the client give up idle connections {below}, or let TCP keepalive probe them \
             more often than that"
        ),
        Cause::IdleExpiryInFlight => format!(
            "let TCP keepalive probe the connection {below}, or let the server send something \
             before then"
        ),
        Cause::CloseRace if path.culprit == Culprit::Client => {
            "let the client see whether a connection is closed before it uses it again".to_owned()
        }
        Cause::CloseRace => "let the client give up idle connections a few seconds before the \
                             server does, and repeat requests that may be repeated"
            .to_owned(),
        Cause::StateLoss => "look for a restart, a failover or a full table of a box on the path \
                             at the times below"
            .to_owned(),
        Cause::MtuBlackHole => {
            "let ICMP \"fragmentation needed\" and \"packet too big\" through, or \
                                lower the MTU of the client's interface, or the MSS at the box \
                                between, or let the sender probe (Linux: net.ipv4.tcp_mtu_probing)"
                .to_owned()
        }
        Cause::ServerRestart => "let the server finish what it has before it stops, and let the \
                                 client open a connection again after a moment when none can be \
                                 opened"
            .to_owned(),
        Cause::PeerAbort | Cause::PeerClose => {
            "look into the server's log at the times below: a restart, a deployment, a limit"
                .to_owned()
        }
        Cause::HalfClosedLeak => {
            "look for the place in the client where a response or a connection \
                                  is not closed; nothing else ends CLOSE_WAIT"
                .to_owned()
        }
        Cause::PacketLoss => "look for a link that is full or faulty: capture at both ends, and \
                              see which packets arrive"
            .to_owned(),
        Cause::PortExhaustion => "use fewer connections and use them again, give the gateway more \
                                  addresses, or spread the requests over more of the server's \
                                  addresses"
            .to_owned(),
        Cause::Refused => "see whether the server listens on this port".to_owned(),
        Cause::Unreachable => {
            "see whether the server is up, and whether a firewall lets this port through".to_owned()
        }
        Cause::Inconclusive => inconclusive(path).to_owned(),
    };
    Some(text)
}

/// Says where else to look when nothing could be concluded.
const fn inconclusive(path: &Path) -> &'static str {
    match (path.culprit, path.harm) {
        (Culprit::Client, _) => {
            "look into the server's log for what it did meanwhile, or let the client wait longer"
        }
        (_, Harm::None) => {
            "capture at the client, or read its log: requests that never came show there alone"
        }
        _ => {
            "capture again from before the connection is opened until well after the failure, and \
             at the server at the same time"
        }
    }
}

/// Returns who did it, as the report names them; `None` if it cannot be told.
pub(super) const fn who(culprit: Culprit) -> Option<&'static str> {
    match culprit {
        Culprit::Hop => Some("a box on the path"),
        Culprit::Peer => Some("the server"),
        Culprit::Client => Some("the client"),
        Culprit::Unknown => None,
    }
}
