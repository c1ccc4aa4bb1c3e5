//! What became of connections to one server, as far as logs tell: which pauses they survived and
//! which they died of, and how.

pub(crate) mod presence;

use std::collections::BTreeMap;

pub(crate) use halfopen_core::time::brief;
use halfopen_core::time::{Duration, Instant};
use halfopen_logs::record::How;

use crate::judgement::Server;
use crate::suspect::Seen;
use crate::view::exchanges::Exchange;
use crate::view::flows::Leg;
use crate::view::sockets::{Look, Story};
use crate::view::{PAUSE_MIN, View};
use presence::Presence;

/// What became of connections to one server.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) server: Server,
    pub(crate) exchanges: Vec<&'a Exchange>,
    pub(crate) sockets: Vec<&'a Story>,
    /// By the length of the pause.
    pub(crate) deaths: Vec<Death>,
    /// Likewise.
    pub(crate) survivals: Vec<Survival>,
    /// Requests that failed otherwise than after a pause.
    pub(crate) others: Vec<&'a Exchange>,
    /// What the far end's logs say of the requests that failed.
    pub(crate) presence: Presence<'a>,
}

/// A connection that was used after a pause and was dead.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    /// It was no longer than this.
    pub(crate) pause: Duration,
    pub(crate) at: Instant,
    pub(crate) how: How,
    /// Nothing had come on it when the client took it, as the client itself saw.
    pub(crate) checked: bool,
    /// The client's program looks at a connection before it uses it.
    pub(crate) notices: bool,
    /// For how long into the pause a table of sockets shows it established.
    pub(crate) established: Option<Duration>,
    /// What was sent was never acknowledged, as a table of sockets shows.
    pub(crate) swallowed: bool,
    pub(crate) seen: Vec<Seen>,
}

/// A connection that was used after a pause and worked.
#[derive(Clone, Debug)]
pub(crate) struct Survival {
    /// It was no shorter than this.
    pub(crate) pause: Duration,
    /// The log, or a table of sockets, shows that it was one and the same connection.
    pub(crate) certain: bool,
    pub(crate) seen: Vec<Seen>,
}

/// What the socket of an exchange did in the pause before, as tables show.
enum Socket<'a> {
    /// It was open and quiet, as this look shows.
    Open(&'a Story, &'a Look),
    /// No table was taken in the pause, or several sockets fit.
    Unseen,
    /// No socket was open: the connection had ended before.
    Ended,
}

impl<'a> Account<'a> {
    /// Returns the accounts of all servers that logs speak of.
    pub(crate) fn all(view: &'a View) -> Vec<Self> {
        let mut by_server: BTreeMap<Server, (Vec<&Exchange>, Vec<&Story>)> = BTreeMap::new();
        for exchange in &view.exchanges {
            by_server.entry(exchange.server.clone()).or_default().0.push(exchange);
        }
        for story in &view.sockets {
            by_server.entry(Server::Address(story.remote)).or_default().1.push(story);
        }
        // What names no server goes to the only one that is known.
        let known = by_server.keys().filter(|server| **server != Server::Unknown).count();
        if known == 1
            && let Some((exchanges, _)) = by_server.remove(&Server::Unknown)
            && let Some((known, _)) = by_server.values_mut().next()
        {
            known.extend(exchanges);
            known.sort_by_key(|exchange| exchange.began);
        }
        let only = by_server.len() == 1;
        by_server
            .into_iter()
            .map(|(server, (exchanges, sockets))| Self::new(server, exchanges, sockets, view, only))
            .collect()
    }

    /// Returns the account of a server of which the far end alone tells.
    pub(crate) fn of_far_end(server: Server, view: &View) -> Self {
        let mut account = Self::empty(server);
        account.take_balanced(view);
        account.survivals.sort_by_key(|survival| survival.pause);
        account
    }

    fn empty(server: Server) -> Self {
        Self {
            server,
            exchanges: Vec::new(),
            sockets: Vec::new(),
            deaths: Vec::new(),
            survivals: Vec::new(),
            others: Vec::new(),
            presence: Presence::default(),
        }
    }

    fn new(
        server: Server,
        exchanges: Vec<&'a Exchange>,
        sockets: Vec<&'a Story>,
        view: &'a View,
        only: bool,
    ) -> Self {
        let presence = Presence::new(&exchanges, view, only);
        let mut account =
            Self { exchanges: exchanges.clone(), sockets, presence, ..Self::empty(server) };
        for exchange in exchanges {
            account.take(exchange, view);
        }
        if account.exchanges.is_empty() {
            account.take_sockets();
        }
        if only {
            account.take_balanced(view);
        }
        account.deaths.sort_by_key(|death| death.pause);
        account.survivals.sort_by_key(|survival| survival.pause);
        account
    }

    fn take(&mut self, exchange: &'a Exchange, view: &View) {
        let paused = exchange.pause.zip(exchange.before).filter(|(pause, _)| *pause >= PAUSE_MIN);
        let socket = match paused {
            Some((_, (_, quiet))) => self.socket(exchange, quiet, &view.tables),
            None => Socket::Unseen,
        };
        match (exchange.how(), paused) {
            (Some(how), Some((pause, before))) if ends_connection(how) => {
                let mut death = Death::new(exchange, how, pause, before, &socket);
                if let Some(leg) = self.reset_of(exchange, how, view) {
                    death.how = How::Reset;
                    death.seen.push(leg.seen());
                }
                self.deaths.push(death);
            }
            (Some(_), _) => self.others.push(exchange),
            (None, Some((pause, (line, quiet)))) if exchange.is_answered() => {
                let certain = match socket {
                    Socket::Open(story, look) => {
                        let later = story.looks.iter().find(|later| later.at > exchange.began);
                        later.is_some_and(|later| later.received > look.received)
                    }
                    Socket::Unseen => false,
                    Socket::Ended => return,
                };
                let log = exchange.log;
                let quiet = line_seen(log, line, quiet, "the last response before a pause");
                let fact = format!("answered after a pause of {}", brief(pause));
                let seen = vec![quiet, exchange.end(fact)];
                let certain = certain || exchange.named;
                self.survivals.push(Survival { pause, certain, seen });
            }
            (None, _) => {}
        }
    }

    /// Returns what a flow log says of a reset, if the client does not say whether a reset or a
    /// close ended its request.
    fn reset_of<'b>(&self, exchange: &Exchange, how: How, view: &'b View) -> Option<&'b Leg> {
        let Server::Address(server) = self.server else { return None };
        if !matches!(how, How::Closed | How::ResetOrClosed) {
            return None;
        }
        let mut resets = view.legs.iter().filter(|leg| leg.is_reset_by(server));
        resets.find(|leg| leg.is_with(exchange.client) && leg.covers(exchange.ended))
    }

    /// Returns what the socket of an exchange did since `quiet`.
    fn socket(&self, exchange: &Exchange, quiet: Instant, tables: &[Instant]) -> Socket<'a> {
        let after = tables.partition_point(|table| *table < exchange.began);
        let Some(&table) = after.checked_sub(1).and_then(|index| tables.get(index)) else {
            return Socket::Unseen;
        };
        if table <= quiet {
            return Socket::Unseen;
        }
        let fits = |story: &&&Story| exchange.client.is_none_or(|client| client == story.local);
        let shown = self.sockets.iter().filter(fits);
        let mut open = shown.filter_map(|story| {
            let look = story.open_and_quiet(quiet, exchange.began)?;
            (look.at >= table).then_some((*story, look))
        });
        match (open.next(), open.next()) {
            (Some((story, look)), None) => Socket::Open(story, look),
            (Some(_), Some(_)) => Socket::Unseen,
            (None, _) => Socket::Ended,
        }
    }

    /// Takes the pauses between requests that a balancer has on one connection: it survived them.
    fn take_balanced(&mut self, view: &View) {
        for connection in view.balanced.by_connection() {
            for pair in connection.windows(2) {
                let (before, after) = (pair[0], pair[1]);
                let Some(quiet) = before.answered else { continue };
                let pause = after.came.saturating_since(quiet);
                if pause >= PAUSE_MIN {
                    let fact = "the balancer answers, for the last time before a pause";
                    let then =
                        format!("the same connection brings a request after {}", brief(pause));
                    let seen = vec![before.seen(fact.to_owned()), after.seen(then)];
                    self.survivals.push(Survival { pause, certain: true, seen });
                }
            }
        }
    }

    /// Takes what tables of sockets show by themselves.
    fn take_sockets(&mut self) {
        for story in self.sockets.clone() {
            for pause in story.survived().into_iter().filter(|it| it.least >= PAUSE_MIN) {
                let fact = format!("{} is quiet for {}", story.local, brief(pause.least));
                let seen = vec![
                    story.seen(&pause.before, fact),
                    story.seen(&pause.after, "and receives data again".to_owned()),
                ];
                let survival = Survival { pause: pause.least, certain: true, seen };
                self.survivals.push(survival);
            }
            let Some(pause) = story.swallowed().filter(|pause| pause.least >= PAUSE_MIN) else {
                continue;
            };
            let fact =
                format!("{} is established and quiet for {}", story.local, brief(pause.least));
            let then = "what it sent waits for an acknowledgment that never comes".to_owned();
            self.deaths.push(Death {
                pause: pause.most,
                at: pause.after.at,
                how: How::TimedOut,
                checked: false,
                notices: false,
                established: Some(pause.least),
                swallowed: true,
                seen: vec![story.seen(&pause.before, fact), story.seen(&pause.after, then)],
            });
        }
    }
}

impl Death {
    fn new(
        exchange: &Exchange,
        how: How,
        pause: Duration,
        (line, quiet): (u64, Instant),
        socket: &Socket<'_>,
    ) -> Self {
        let log = exchange.log;
        let fact = format!("the last response for {}", brief(pause));
        let mut seen = vec![line_seen(log, line, quiet, &fact)];
        let (mut established, mut swallowed) = (None, false);
        if let Socket::Open(story, look) = socket {
            let lasted = look.at.saturating_since(quiet);
            established = Some(lasted);
            let fact = format!("{} is established, {} into the pause", story.local, brief(lasted));
            seen.push(story.seen(look, fact));
            let waits = story.swallowed().filter(|it| it.after.at >= exchange.began);
            if let Some(waits) = waits {
                swallowed = true;
                let fact = "what it sent waits for an acknowledgment that never comes";
                seen.push(story.seen(&waits.after, fact.to_owned()));
            }
        }
        if let Some(checked) = exchange.checked {
            let fact = "the client looks at the connection, and nothing has come";
            seen.push(line_seen(log, checked, exchange.began, fact));
        }
        seen.extend(exchange.failure());
        let text = match &exchange.outcome {
            crate::view::exchanges::Outcome::Failed(failure) => &*failure.text,
            crate::view::exchanges::Outcome::Answered | crate::view::exchanges::Outcome::Open => "",
        };
        Self {
            pause,
            at: exchange.began,
            how,
            checked: exchange.checked.is_some(),
            notices: NOTICING.iter().any(|words| text.contains(words)),
            established,
            swallowed,
            seen,
        }
    }
}

/// What programs say that see by themselves when an idle connection has ended (`notices` in
/// `clients/requests.toml`, `clients/node-agent.toml`, `clients/go-net-http.toml`).
const NOTICING: [&str; 4] = ["ProtocolError(", "read ECONNRESET", "Post \"", "Get \""];

/// Tells whether a failure can be the end of the connection that a request was sent on.
const fn ends_connection(how: How) -> bool {
    match how {
        How::Reset | How::Closed | How::BrokenPipe | How::TimedOut | How::ResetOrClosed => true,
        How::ConnectTimedOut
        | How::Refused
        | How::Unreachable
        | How::NoPort
        | How::LeaseTimedOut
        | How::Cancelled
        | How::Other => false,
    }
}

/// Returns what a line of a log shows.
pub(crate) fn line_seen(log: usize, line: u64, at: Instant, fact: &str) -> Seen {
    Seen { at, place: crate::suspect::Place::Line { log, line }, fact: fact.to_owned() }
}
