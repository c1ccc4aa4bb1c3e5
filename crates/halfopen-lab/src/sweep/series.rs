//! A client's requests on a path, each a pause after the one before.

use std::collections::BTreeMap;

use halfopen_core::scenario::{Answers, Asks, Bursts, Close, FarEnd, Scenario};
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::event::Tally;
use halfopen_pool::policy::Policy;
use tokio::time::{sleep, timeout};

use crate::policy;
use crate::reproduce::{Act, Error, Keep, Outcome, Request, SERVER, Sender, Stage};

/// How long an answer is waited for: longer than Linux sends a segment again, which is 924.6 s
/// (Documentation/networking/ip-sysctl.rst, `tcp_retries2`).
pub const PATIENCE: Duration = Duration::from_mins(20);

/// How long a run goes on after its last request, so that the far end receives what is under way.
const AFTERMATH: Duration = Duration::from_mins(1);

/// A client on a path.
#[derive(Clone, Debug)]
pub struct Lane {
    scenario: Scenario,
    bursts: Bursts,
    pub(super) far_end: FarEnd,
    /// How the client treats its connections.
    pub policy: Policy,
    /// Where all chance comes from.
    pub seed: u64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub fate: Fate,
    /// How long that took, waiting for connections included.
    pub took: Duration,
    /// How often the far end received it.
    pub received: u32,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was answered on the connection that was there.
    Reused,
    /// It was answered on a new connection, for there was none that could have been used.
    Reopened(Reopened),
    /// It failed like this at first, went out again, and was answered.
    Resent(Outcome),
    /// The client's user has no answer, and learns this; nothing if it still waits after
    /// [`PATIENCE`].
    Failed(Outcome),
}

/// Why there was no connection that could have been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopened {
    /// The client had closed it.
    ByClient,
    /// The far end, or a box between, had closed it with a FIN.
    AfterFin,
    /// It was reset while it was idle, or its probes were not answered.
    AfterReset,
}

/// What became of the requests of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The requests after each pause; the one before the first pause is not among them.
    pub answers: Vec<Answer>,
    /// How many connections the client opened.
    pub opened: u64,
}

impl Lane {
    /// Returns the client of a scenario on its path. What disturbs the scenario disturbs each run,
    /// at the same time after its first request. A plain far end with the timers of a payment
    /// module, always quick, stands in for that.
    pub fn of(scenario: &Scenario) -> Result<Self, Error> {
        let policy = policy::of(&scenario.client.pool, scenario.speed).ok_or(Error::NoPreset)?;
        let bursts = match &scenario.client.asks {
            Asks::Bursts(bursts) => bursts.clone(),
            Asks::Scheduler(_) => Bursts { method: "POST".to_owned(), ..PAYMENTS },
        };
        let far_end = far_end(&scenario.answers);
        let scenario = Scenario { answers: Answers::FarEnd(far_end), ..scenario.clone() };
        let seed = scenario.seed;
        Ok(Self { scenario, bursts, far_end, policy, seed })
    }

    /// Has the client ask with this method, one that
    /// [scenarios](halfopen_core::scenario::Bursts::method) may have.
    #[must_use]
    pub fn asking(mut self, method: &str) -> Self {
        method.clone_into(&mut self.bursts.method);
        self
    }

    /// Has each request carry an `Idempotency-Key` of its own, or none.
    #[must_use]
    pub const fn with_key(mut self, key: bool) -> Self {
        self.bursts.idempotency_key = key;
        self
    }

    /// Has the client treat its connections like this.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Returns whose path it is.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Returns the method of its requests.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.bursts.method
    }

    /// Sends a request and, a pause after its end, another, and so on. The same lane and pauses
    /// give the same answers.
    pub fn run(&self, pauses: &[Duration]) -> Result<Series, Error> {
        let requests = u32::try_from(pauses.len()).unwrap_or(u32::MAX).saturating_add(1);
        let pausing = pauses.iter().fold(Duration::ZERO, |sum, &pause| sum.saturating_add(pause));
        let length = pausing.saturating_add(PATIENCE.saturating_mul(requests)) + AFTERMATH;
        let mut stage = Stage::new(&self.scenario, self.seed, length, Keep::Nothing)?;
        stage.start_besides(&self.scenario)?;
        let pool = stage.play.pool(&self.scenario)?.policy(self.policy.clone());
        let (accounts, config) = (stage.play.accounts.clone(), self.bursts.clone());
        let asking = async {
            let pool = pool.build().expect("a connector, a timer and an executor are given");
            let accounts_too = accounts.clone();
            let sender =
                Sender { config, pays: false, pool, server: SERVER, accounts: accounts_too };
            let mut done = Vec::with_capacity(pauses.len() + 1);
            for (number, &pause) in (1..).zip([Duration::ZERO].iter().chain(pauses)) {
                let before = accounts.tally();
                sleep(pause).await;
                // A request that hangs is given up here, not by the client.
                drop(timeout(PATIENCE, sender.send(number, number)).await);
                done.push((before, accounts.tally()));
            }
            (done, sender)
        };
        let client = stage.play.client.clone();
        let (tallies, _sender) = stage.world.run_on(&client, asking).map_err(Error::World)?;
        let opened = tallies.last().map_or(0, |(_, after)| after.opened);
        let end = stage.world.now().saturating_since(Instant::EPOCH) + AFTERMATH;
        stage.world.run_until(Instant::EPOCH + end).map_err(Error::World)?;
        let received = received(&stage);
        let answers = stage.play.requests.take().into_iter().zip(tallies).skip(1);
        let answers = answers.map(|(request, (before, after))| Answer {
            fate: fate(&request, &before, &after),
            took: request.latency().unwrap_or(PATIENCE),
            received: received.get(&request.number).copied().unwrap_or(0),
        });
        Ok(Series { answers: answers.collect(), opened })
    }
}

impl Fate {
    /// Tells whether the client's user has no answer.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Failed(_) => true,
            Self::Reused | Self::Reopened(_) | Self::Resent(_) => false,
        }
    }
}

/// What a payment of a scheduler is to a path.
const PAYMENTS: Bursts = Bursts {
    starts: Vec::new(),
    requests: 1,
    at_once: 1,
    method: String::new(),
    idempotency_key: true,
    request_bytes: 256,
};

fn far_end(answers: &Answers) -> FarEnd {
    match answers {
        Answers::FarEnd(far_end) => *far_end,
        Answers::Payment(payment) => FarEnd {
            idle_timeout: payment.keep_alive,
            closes_with: Close::Fin,
            hint: payment.hint,
            answers_after: payment.answers_after,
            response_bytes: 256,
            keepalive: None,
        },
    }
}

/// Returns how often the far end received each request.
fn received(stage: &Stage) -> BTreeMap<u32, u32> {
    let mut received = BTreeMap::new();
    for deed in stage.play.deeds.take() {
        if let Act::Received(number) = deed.act {
            *received.entry(number).or_default() += 1;
        }
    }
    received
}

/// Judges a request from what became of it and what the pool had done before and after.
fn fate(request: &Request, before: &Tally, after: &Tally) -> Fate {
    let (Some(first), Some(last)) = (request.attempts.first(), request.attempts.last()) else {
        return Fate::Failed(Outcome::Unfinished);
    };
    if !request.over || last.outcome != Outcome::Answered {
        return Fate::Failed(last.outcome);
    }
    if request.attempts.len() > 1 {
        return Fate::Resent(first.outcome);
    }
    if first.idle.is_some() {
        return Fate::Reused;
    }
    Fate::Reopened(if after.reset_idle > before.reset_idle {
        Reopened::AfterReset
    } else if after.closed_idle > before.closed_idle {
        Reopened::AfterFin
    } else {
        Reopened::ByClient
    })
}
