//! What a client pays: for failures, and for what prevents them.

use halfopen_core::time::Duration;

use crate::reproduce::{Outcome, Reproduction, Request};

/// What a run cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// How many requests there were.
    pub requests: u64,
    /// How many of them got no response.
    pub failures: u64,
    /// How many connections were opened.
    pub connections: u64,
    /// How many charges were made more than once.
    pub duplicates: u64,
    /// How long the answered requests took, the fastest first. It includes waiting for a connection
    /// and being sent again.
    answered: Vec<Duration>,
}

impl Costs {
    pub(super) fn new(run: &Reproduction) -> Self {
        let answered = run.requests.iter().filter(|it| it.outcome() == Outcome::Answered);
        let mut answered: Vec<Duration> = answered.filter_map(Request::latency).collect();
        answered.sort_unstable();
        let requests = run.requests.len();
        Self {
            requests: requests as u64,
            failures: (requests - answered.len()) as u64,
            connections: run.pool.opened,
            duplicates: super::seen::duplicates(run),
            answered,
        }
    }

    /// Returns how long the fastest answer took.
    #[must_use]
    pub fn fastest(&self) -> Option<Duration> {
        self.answered.first().copied()
    }

    /// Returns by how much an answer took longer than `floor`, on average; `None` without answers.
    #[must_use]
    pub fn extra_mean(&self, floor: Duration) -> Option<Duration> {
        let count = u32::try_from(self.answered.len()).ok().filter(|&count| count > 0)?;
        let sum: Duration = self.answered.iter().map(|it| it.saturating_sub(floor)).sum();
        Some(sum / count)
    }

    /// Returns by how much the slowest but a hundredth of the answers took longer than `floor`;
    /// `None` with fewer than a hundred, of which none is so rare.
    #[must_use]
    pub fn extra_p99(&self, floor: Duration) -> Option<Duration> {
        let hundredth = self.answered.len() / 100;
        let place = self.answered.len().checked_sub(1 + hundredth).filter(|_| hundredth > 0)?;
        Some(self.answered[place].saturating_sub(floor))
    }

    /// Returns by how much the slowest answer took longer than `floor`; `None` without answers.
    #[must_use]
    pub fn extra_max(&self, floor: Duration) -> Option<Duration> {
        self.answered.last().map(|slowest| slowest.saturating_sub(floor))
    }
}
