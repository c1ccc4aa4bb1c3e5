//! A path as its configuration has it: what stands on it, and each timer with its place.
//!
//! A path is a row of parts from the client to the server. A part may accept connections, open
//! others, or let them pass and forget them; between two parts that end connections lies a [`Leg`].
//! What nobody has said and no data knows is `None`, and no rule guesses it.

use core::time::Duration;

use halfopen_core::fact::{Fact, Term};
use halfopen_core::time::brief;

use crate::place::Place;

/// A row of parts, from the client to the server.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// What it is called.
    pub name: String,
    /// What stands on it, in the order in which a request passes.
    pub parts: Vec<Part>,
}

/// One thing on a path.
#[derive(Clone, Debug)]
pub struct Part {
    /// What the document calls it, such as `aws_lb.front`.
    pub name: String,
    /// What people call the product.
    pub title: String,
    /// Where it is declared.
    pub place: Place,
    /// Where on a path it can stand.
    pub role: Role,
    /// How it treats connections that others open to it.
    pub accepts: Option<Accepts>,
    /// For how long it remembers connections that pass it.
    pub forgets: Option<Forgets>,
    /// How it treats connections that it opens.
    pub opens: Option<Opens>,
    /// Settings of it that change nothing.
    pub without_effect: Vec<WithoutEffect>,
}

/// Where on a path a part can stand, from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It sends HTTP requests.
    Client,
    /// It asks a database or another service that is no HTTP server.
    Database,
    /// Connections pass it on their way out, and it remembers them.
    Gate,
    /// Connections pass it on their way in: a balancer that ends none.
    Front,
    /// A cloud's balancer or a content network: it ends connections and opens others.
    Edge,
    /// A proxy: the same, nearer to the server.
    Proxy,
    /// It answers.
    Server,
}

/// How a part treats connections that it opens.
#[derive(Clone, Debug, Default)]
pub struct Opens {
    /// For how long it keeps an idle one for the next request.
    pub idle: Option<Stated<Term>>,
    /// Whether TCP probes them.
    pub probes: Option<Stated<Probes>>,
    /// How long a request may be under way.
    pub wait: Option<Stated<Duration>>,
    /// How many there may be at a time, to one destination.
    pub connections: Option<Stated<u64>>,
    /// How often it has something to ask, if that is at fixed times.
    pub period: Option<Stated<Duration>>,
    /// Whether it keeps to the time that a response states (`Keep-Alive: timeout=`).
    pub heeds_hint: bool,
}

/// How a part treats connections that others open to it.
#[derive(Clone, Debug, Default)]
pub struct Accepts {
    /// For how long it keeps an idle one. Bytes count, TCP's probes do not.
    pub idle: Option<Stated<Term>>,
    /// Whether TCP probes them.
    pub probes: Option<Stated<Probes>>,
    /// How long it waits for a response from behind it.
    pub wait: Option<Stated<Duration>>,
    /// Whether its responses say for how long it keeps connections.
    pub hints: bool,
}

/// For how long a part remembers connections that pass it.
#[derive(Clone, Debug)]
pub struct Forgets {
    /// After how long without a packet it forgets one.
    pub after: Stated<Duration>,
    /// Whether TCP's probes count.
    pub counts_probes: bool,
    /// What happens then.
    pub then: Then,
    /// How many connections to one destination it can hold.
    pub ports: Option<Stated<u64>>,
}

/// What a box does when it forgets a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It tells nobody and drops what comes.
    Silent,
    /// It tells nobody and resets what comes.
    ResetsNext,
    /// It tells both ends at once.
    Tells,
}

/// Whether TCP probes a connection that is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// It does not.
    Off,
    /// After this long.
    After(Duration),
    /// It does, after the time that the system has for all: two hours, as it comes.
    AsSystem,
}

/// A value, where it stands, and what it rests on.
#[derive(Clone, Debug)]
pub struct Stated<T> {
    /// The value.
    pub value: T,
    /// Where it is written; for a default, where the part is declared that has it.
    pub place: Place,
    /// Who says so.
    pub basis: Basis,
}

/// Who states a value.
#[derive(Clone, Debug)]
pub enum Basis {
    /// The document, by this setting.
    Written(String),
    /// Nobody: it is what the product does by default, for all that is known.
    Default(Box<Fact>),
}

/// A setting that changes nothing.
#[derive(Clone, Debug)]
pub struct WithoutEffect {
    /// Where it is written.
    pub place: Place,
    /// Which it is, and why nothing comes of it.
    pub message: String,
    /// What to write instead.
    pub fix: String,
    /// The page that says so.
    pub source: String,
}

/// What lies between two parts that end connections: one TCP connection, and what it passes.
#[derive(Clone, Copy, Debug)]
pub struct Leg<'p> {
    /// Who opens the connection, and how it treats it.
    pub opener: (&'p Part, &'p Opens),
    /// The boxes that it passes.
    pub boxes: &'p [Part],
    /// Who accepts it, if that is known.
    pub acceptor: Option<(&'p Part, &'p Accepts)>,
}

impl Path {
    /// Returns the legs, from the client's to the server's.
    pub fn legs(&self) -> impl Iterator<Item = Leg<'_>> {
        self.parts.iter().enumerate().filter_map(|(at, part)| {
            let opens = part.opens.as_ref()?;
            let after = &self.parts[at + 1..];
            let boxes = after.iter().take_while(|part| part.forgets.is_some()).count();
            let next = after.get(boxes);
            let acceptor = next.and_then(|next| Some((next, next.accepts.as_ref()?)));
            let leg = Leg { opener: (part, opens), boxes: &after[..boxes], acceptor };
            (boxes > 0 || acceptor.is_some()).then_some(leg)
        })
    }
}

impl<'p> Leg<'p> {
    /// Returns the boxes and what each remembers.
    pub fn forgetting(&self) -> impl Iterator<Item = (&'p Part, &'p Forgets)> {
        self.boxes.iter().filter_map(|part| Some((part, part.forgets.as_ref()?)))
    }

    /// Returns the box that is the first to forget, if an idle connection can come to that: not
    /// those for which somebody's probes come in time.
    #[must_use]
    pub fn first_to_forget(&self) -> Option<(&'p Part, &'p Forgets)> {
        let lets_go = self.forgetting().filter(|(_, forgets)| !self.is_probed(forgets));
        lets_go.min_by_key(|(_, forgets)| forgets.after.value)
    }

    /// Tells whether either end probes often enough for a box.
    #[must_use]
    pub fn is_probed(&self, forgets: &Forgets) -> bool {
        let opener = self.opener.1.probes.as_ref();
        let acceptor = self.acceptor.and_then(|(_, accepts)| accepts.probes.as_ref());
        let in_time = |probes: &Stated<Probes>| match probes.value {
            Probes::After(idle) => idle < forgets.after.value,
            Probes::Off | Probes::AsSystem => false,
        };
        forgets.counts_probes && [opener, acceptor].into_iter().flatten().any(in_time)
    }

    /// Tells whether the opener keeps a connection for at least this long; `None` if nobody knows.
    #[must_use]
    pub fn is_kept_for(&self, time: Duration) -> Option<bool> {
        Some(self.opener.1.idle.as_ref()?.value >= Term::After(time))
    }

    /// Returns the opener's probes if its document says something of them.
    #[must_use]
    pub fn written_probes(&self) -> Option<&'p Stated<Probes>> {
        self.opener.1.probes.as_ref().filter(|probes| probes.is_written())
    }

    /// Tells whether the opener keeps to what the acceptor says of its timer.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.opener.1.heeds_hint && self.acceptor.is_some_and(|(_, accepts)| accepts.hints)
    }
}

impl<T> Stated<T> {
    /// Returns a value that a document states by `setting`.
    pub fn written(value: T, place: Place, setting: &str) -> Self {
        Self { value, place, basis: Basis::Written(setting.to_owned()) }
    }

    /// Returns what a product does by default; `place` is where it is declared.
    pub fn default(value: T, place: Place, fact: &Fact) -> Self {
        Self { value, place, basis: Basis::Default(Box::new(fact.clone())) }
    }

    /// Tells whether a document states it.
    pub const fn is_written(&self) -> bool {
        matches!(self.basis, Basis::Written(_))
    }

    /// Returns the setting that makes it so, if there is one.
    pub fn setting(&self) -> Option<&str> {
        match &self.basis {
            Basis::Written(setting) => Some(setting),
            Basis::Default(fact) => fact.setting.as_deref(),
        }
    }
}

impl Part {
    /// Returns a part of which nothing is known but what and where it is.
    #[must_use]
    pub fn new(role: Role, name: &str, title: &str, place: Place) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            place,
            role,
            accepts: None,
            forgets: None,
            opens: None,
            without_effect: Vec::new(),
        }
    }

    /// Returns what to call it: the product, and the document's name for it.
    #[must_use]
    pub fn called(&self) -> String {
        if self.name.is_empty() || self.name == self.title {
            return self.title.clone();
        }
        format!("{} ({})", self.title, self.name)
    }
}

/// Says a term as in `for 350 s` or `for ever`.
#[must_use]
pub fn for_how_long(term: Term) -> String {
    match term {
        Term::After(time) => format!("for {}", brief(time)),
        Term::Never => "for ever".to_owned(),
    }
}
