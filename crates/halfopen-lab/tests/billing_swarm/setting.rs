//! What a seed stands for: a path, two programs, and what happens to them.

use std::time::Duration;

use halfopen_billing::payment::settings::Settings;
use halfopen_billing::scheduler::Backoff;
use halfopen_core::link::LinkConfig;
use halfopen_pool::policy::Policy;
use jiff::SignedDuration;

/// All that was drawn for one run.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    /// From the scheduler to the payment module.
    pub(crate) path: Vec<Station>,
    /// What the policy is called, and what it is.
    pub(crate) policy: (&'static str, Policy),
    pub(crate) scheduler: Scheduler,
    pub(crate) payment: Payment,
    pub(crate) disk: Disk,
    /// What happens, and when, in the order of time.
    pub(crate) disturbances: Vec<(Duration, Disturbance)>,
    /// What is due until then is to be settled in the end.
    pub(crate) horizon: Duration,
}

/// What stands on the path.
#[derive(Clone, Debug)]
pub(crate) enum Station {
    Link(LinkConfig),
    Gateway { profile: &'static str, established: Option<Duration> },
    Balancer { idle_timeout: Duration, client_keep_alive: Option<Duration>, checks: bool },
    Outage(Outage),
}

/// A time during which packets vanish, one way or both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) outward: bool,
    pub(crate) inward: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    pub(crate) cron: &'static str,
    pub(crate) cadence: Duration,
    pub(crate) parallel: u32,
    pub(crate) batch: u32,
    pub(crate) patience: Duration,
    pub(crate) backoff: Backoff,
    /// What each subscription costs, and how long after the start it is first due.
    pub(crate) subscriptions: Vec<(i64, Duration)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) settings: Settings,
    /// How many hosts it runs on, with one book; more than one behind a balancer only.
    pub(crate) hosts: usize,
}

/// How long transactions take at most, before they are committed and after, and how many of them
/// fail on either side of that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) slowness: Duration,
    pub(crate) failures: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Disturbance {
    /// A host's program dies and is started again after a while.
    Crash { who: Who, with_power_cut: bool, down: Duration },
    /// The gateway or balancer at this place of the path forgets everything.
    Flush { station: usize },
    /// The balancer sends a host nothing for a while.
    Deregister { host: usize, down: Duration },
    /// The payment module's host resets all its connections, idle or not.
    Reset { host: usize },
    /// Somebody sets the scheduler's clock.
    SetClock { by: SignedDuration },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Scheduler,
    Payment { host: usize },
}
