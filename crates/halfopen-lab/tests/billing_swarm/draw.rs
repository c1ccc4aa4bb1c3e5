//! From a seed to a setting.

use std::sync::LazyLock;
use std::time::Duration;

use halfopen_billing::payment::settings::{Ending, Hint, Settings, Slowness};
use halfopen_billing::scheduler::Backoff;
use halfopen_core::client::Client;
use halfopen_core::gateway::GatewayConfig;
use halfopen_core::link::LinkConfig;
use halfopen_core::profile::Profile;
use halfopen_core::rng::Rng;
use halfopen_core::tcp::Keepalive;
use halfopen_pool::policy::{
    self, Keep, Lifetime, Limits, Notice, Order, Policy, Resend, Retry, Reuse, Timeouts,
};
use jiff::SignedDuration;

use crate::setting::{Disk, Disturbance, Outage, Payment, Scheduler, Setting, Station, Who};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Prices that end in this are declined.
pub(crate) const DECLINED: u64 = 13;

/// The gateways that ship.
pub(crate) static GATEWAYS: LazyLock<Vec<(&'static str, GatewayConfig)>> = LazyLock::new(|| {
    let gateway = |name| Some((name, Profile::shipped(name)?.gateway(Vec::new())?));
    Profile::names().filter_map(gateway).collect()
});

/// The clients that ship.
static CLIENTS: LazyLock<Vec<(&'static str, Policy)>> = LazyLock::new(|| {
    let client = |name| Some((name, Policy::from(&Client::shipped(name)?)));
    Client::names().filter_map(client).collect()
});

/// Cron lines, and how many minutes they let pass.
const CRON: [(&str, u32); 6] = [
    ("* * * * *", 1),
    ("*/5 * * * *", 5),
    ("*/10 * * * *", 10),
    ("*/20 * * * *", 20),
    ("0 * * * *", 60),
    ("0 */3 * * *", 180),
];

pub(crate) fn setting(seed: u64) -> Setting {
    let rng = &mut Rng::new(seed);
    let &(cron, minutes) = rng.pick(&CRON);
    let tick = MINUTE * minutes;
    let scheduler = scheduler(rng, cron, tick);
    let horizon = scheduler.cadence * count(rng, 1, 3) + MINUTE * 2;
    let has_balancer = rng.chance(0.4);
    let hosts = if has_balancer { 1 + rng.index(3) } else { 1 };
    let path = path(rng, tick, horizon, has_balancer);
    let policy = client(rng, tick);
    let payment = Payment { settings: payment(rng, tick, scheduler.patience), hosts };
    let slowness = if rng.chance(0.7) { some_time(rng, 1, 2) } else { Duration::ZERO };
    // Each ends a run, and runs must get through.
    let failures = if rng.chance(0.2) { 0.02 } else { 0.0 };
    let disturbances = (0..rng.below(10)).map(|_| {
        let at = instant(rng, tick, horizon);
        (at, disturbance(rng, &path, hosts))
    });
    let mut disturbances: Vec<_> = disturbances.collect();
    if rng.chance(0.2) {
        let at = instant(rng, tick, horizon);
        let by = SignedDuration::try_from(some_time(rng, 100, 5)).unwrap();
        let by = if rng.chance(0.5) { by } else { -by };
        disturbances.push((at, Disturbance::SetClock { by }));
    }
    disturbances.sort_by_key(|&(at, _)| at);
    Setting {
        seed,
        policy,
        scheduler,
        payment,
        disk: Disk { slowness, failures },
        disturbances,
        horizon,
        path,
    }
}

fn scheduler(rng: &mut Rng, cron: &'static str, tick: Duration) -> Scheduler {
    let cadence = tick * count(rng, 1, 3);
    let most = 1 + rng.below(30);
    let number = 1 + rng.below(most);
    let subscription = |_| {
        let hundreds = i64::try_from(rng.below(900)).unwrap_or(0) * 100;
        let last = if rng.chance(0.1) { DECLINED } else { 14 + rng.below(80) };
        let seconds = rng.below(cadence.as_secs());
        let due = if rng.chance(0.5) { MINUTE } else { Duration::from_secs(seconds) };
        (hundreds + i64::try_from(last).unwrap_or(0), due)
    };
    let subscriptions = (0..number).map(subscription).collect();
    // A smaller batch could never catch up.
    let batch = if rng.chance(0.3) { count(rng, 30, 10) } else { 1000 };
    let first = SECOND * count(rng, 1, 60);
    let most = first + some_time(rng, 1, 6);
    Scheduler {
        cron,
        cadence,
        parallel: count(rng, 1, 8),
        batch,
        patience: SECOND * count(rng, 5, 36),
        backoff: Backoff { first, most },
        subscriptions,
    }
}

fn path(rng: &mut Rng, tick: Duration, horizon: Duration, has_balancer: bool) -> Vec<Station> {
    let mut path = Vec::new();
    if rng.chance(0.25) {
        let from = instant(rng, tick, horizon);
        let [outward, inward] = *rng.pick(&[[true, true], [true, false], [false, true]]);
        path.push(Station::Outage(Outage {
            from,
            until: from + some_time(rng, 1_000, 4),
            outward,
            inward,
        }));
    }
    path.push(link(rng));
    for _ in 0..=rng.index(3) {
        let (profile, _) = *rng.pick(&GATEWAYS);
        let established = rng.chance(0.5).then(|| around(rng, tick));
        path.extend([Station::Gateway { profile, established }, link(rng)]);
    }
    if has_balancer {
        let idle_timeout = *rng.pick(&[5, 60, 180, 300, 1800, 4000]);
        let idle_timeout = if rng.chance(0.3) { around(rng, tick) } else { SECOND * idle_timeout };
        let client_keep_alive = rng.chance(0.3).then(|| around(rng, tick));
        // Over days, most packets would be the checks'.
        let checks = tick <= 20 * MINUTE && rng.chance(0.3);
        path.extend([Station::Balancer { idle_timeout, client_keep_alive, checks }, link(rng)]);
    }
    path
}

fn link(rng: &mut Rng) -> Station {
    let percent = |rng: &mut Rng, chance: f64, most: u32| {
        if rng.chance(chance) { f64::from(count(rng, 1, most * 100)) / 10_000.0 } else { 0.0 }
    };
    let delay = some_time(rng, 1, 2) / 2;
    Station::Link(LinkConfig {
        jitter: if rng.chance(0.3) { delay / 2 } else { Duration::ZERO },
        loss: percent(rng, 0.4, 5),
        reordering: percent(rng, 0.2, 5),
        held_back: delay * 2,
        duplication: percent(rng, 0.2, 5),
        ..LinkConfig::delaying(delay)
    })
}

/// Returns one of the clients that ship, the pool's own policies, or one that is all chance.
fn client(rng: &mut Rng, tick: Duration) -> (&'static str, Policy) {
    let (name, mut policy) = match rng.below(5) {
        0 => ("the pool's own", Policy::default()),
        1 => ("learning", Policy::learning()),
        2 => ("random", random(rng, tick)),
        _ => rng.pick(&CLIENTS).clone(),
    };
    if rng.chance(0.2) {
        let idle = around(rng, tick).max(10 * SECOND);
        let keepalive = Keepalive { idle, interval: 10 * SECOND, count: 3 };
        policy.keepalive = rng.chance(0.7).then_some(keepalive);
    }
    (name, policy)
}

fn random(rng: &mut Rng, tick: Duration) -> Policy {
    let maybe = |rng: &mut Rng| rng.chance(0.5).then(|| around(rng, tick));
    let lifetime = maybe(rng).map(|max| Lifetime { max, jitter: max / 10 });
    let margin = *rng.pick(&[Duration::ZERO, SECOND]);
    let keep = Keep {
        idle_max: maybe(rng),
        hint: *rng.pick(&[
            policy::Hint::Ignored,
            policy::Hint::Heeded { margin, max: None },
            policy::Hint::Shortens { margin },
        ]),
        lifetime,
        order: *rng.pick(&[Order::Lifo, Order::Fifo]),
        notice: *rng.pick(&[
            Notice::AtOnce,
            Notice::WhenTaken { after: 2 * SECOND },
            Notice::Never,
        ]),
        handover: rng.chance(0.5),
    };
    let most = |rng: &mut Rng| rng.chance(0.5).then(|| count(rng, 1, 8));
    let patience = |rng: &mut Rng| rng.chance(0.7).then(|| SECOND * count(rng, 1, 20));
    let written = [
        Resend::None,
        Resend::GetAndHead,
        Resend::Safe,
        Resend::Idempotent,
        Resend::WithoutBody,
        Resend::All,
    ];
    Policy {
        reuse: if rng.chance(0.1) { Reuse::Never } else { Reuse::Kept(keep) },
        limits: Limits {
            per_host: most(rng),
            total: most(rng),
            idle_per_host: most(rng),
            idle_total: most(rng),
        },
        timeouts: Timeouts { connect: patience(rng), read: patience(rng), lease: patience(rng) },
        keepalive: None,
        user_timeout: patience(rng),
        retry: Retry {
            attempts: count(rng, 0, 4),
            reused_only: rng.chance(0.5),
            written: *rng.pick(&written),
            heeds_key: rng.chance(0.5),
        },
        ping: None,
        learns: rng.chance(0.5),
    }
}

fn payment(rng: &mut Rng, tick: Duration, patience: Duration) -> Settings {
    let mut settings = Settings::default();
    settings.keep_alive = rng.chance(0.5).then(|| around(rng, tick));
    settings.hint = rng.chance(0.3).then(|| {
        let honest = settings.keep_alive.unwrap_or(tick).as_secs();
        Hint { timeout: honest * rng.below(3), max: None }
    });
    settings.requests_per_connection = rng.chance(0.2).then(|| 1 + rng.below(20));
    // Above the patience now and then, so that the scheduler leaves before it is answered.
    let slow = |rng: &mut Rng| match rng.below(3) {
        0 => Slowness::NONE,
        1 => Slowness { chance: 1.0, least: Duration::ZERO, most: some_time(rng, 1, 2) },
        _ => Slowness { chance: 0.2, least: Duration::ZERO, most: patience * 3 / 2 },
    };
    (settings.work, settings.answer) = (slow(rng), slow(rng));
    settings.declines = Some(Ending(DECLINED));
    settings
}

fn disturbance(rng: &mut Rng, path: &[Station], hosts: usize) -> Disturbance {
    let host = rng.index(hosts);
    let down = some_time(rng, 1, 6);
    let crash = |rng: &mut Rng, who| {
        let with_power_cut = rng.chance(0.5);
        Disturbance::Crash { who, with_power_cut, down }
    };
    match rng.below(10) {
        0..4 => crash(rng, Who::Scheduler),
        4..7 => crash(rng, Who::Payment { host }),
        7 => Disturbance::Flush { station: rng.index(path.len()) },
        8 => Disturbance::Deregister { host, down },
        _ => Disturbance::Reset { host },
    }
}

/// Returns a moment, more often than not within a minute and a half of a tick, when requests and
/// transactions are under way.
fn instant(rng: &mut Rng, tick: Duration, horizon: Duration) -> Duration {
    if rng.chance(0.2) {
        return Duration::from_millis(rng.below(u64::try_from(horizon.as_millis()).unwrap_or(0)));
    }
    let ticks = u64::try_from(horizon.as_millis() / tick.as_millis()).unwrap_or(0);
    let number = u32::try_from(rng.below(ticks + 1)).unwrap_or(0);
    tick * number + some_time(rng, 1, 8) / 1000
}

/// Returns a time about as long as that between two ticks, which is when connections are used
/// again: the half, the double, the same, or within a few milliseconds of it.
fn around(rng: &mut Rng, tick: Duration) -> Duration {
    match rng.below(4) {
        0 => tick / 2,
        1 => tick * 2,
        2 => tick,
        _ => (tick + Duration::from_millis(rng.below(400))).saturating_sub(MINUTE / 300),
    }
}

/// Returns a time of any magnitude: from `least_ms` to ten times that, and so on for so many powers
/// of ten.
fn some_time(rng: &mut Rng, least_ms: u64, powers: u32) -> Duration {
    let power = u32::try_from(rng.below(powers.into())).unwrap_or(0);
    let tens = 10_u64.pow(power);
    Duration::from_millis(least_ms * (tens + rng.below(9 * tens)))
}

/// Returns one of `of` numbers, the least of which is `least`.
fn count(rng: &mut Rng, least: u32, of: u32) -> u32 {
    least + u32::try_from(rng.below(of.into())).unwrap_or(0)
}
