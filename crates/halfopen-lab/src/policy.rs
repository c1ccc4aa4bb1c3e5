//! The policy that a scenario's pool has: a client library's, and what is set otherwise.

use halfopen_core::client::Client;
use halfopen_core::scenario::{Connections, Pool};
use halfopen_core::speed::Speed;
use halfopen_core::time::Duration;
use halfopen_pool::policy::{
    Hint, Keep, Limits, Notice, Order, Policy, Resend, Retry, Reuse, Timeouts,
};

/// Returns the policy of a scenario's pool, whose preset's timers run at that speed; `None` if
/// there is no such client library.
#[must_use]
pub fn of(pool: &Pool, speed: Speed) -> Option<Policy> {
    let mut policy = match &pool.preset {
        Some(preset) => Policy::from(&Client::shipped(preset)?.behaviour.sped_up(speed)),
        None => plain(),
    };
    match (pool.connections, &mut policy.reuse) {
        (Some(Connections::PerRequest), reuse) => *reuse = Reuse::Never,
        (Some(Connections::Pooled), reuse @ Reuse::Never) => *reuse = Reuse::Kept(KEEP),
        (Some(Connections::Pooled) | None, _) => {}
    }
    if let Reuse::Kept(keep) = &mut policy.reuse {
        cap(keep, pool);
    }
    policy.limits.per_host = pool.max_connections.or(policy.limits.per_host);
    let timeouts = &mut policy.timeouts;
    timeouts.connect = pool.connect_timeout.or(timeouts.connect);
    timeouts.read = pool.read_timeout.or(timeouts.read);
    policy.keepalive = pool.keepalive.or(policy.keepalive);
    policy.user_timeout = pool.user_timeout.or(policy.user_timeout);
    policy.learns = pool.learns.unwrap_or(policy.learns);
    if let Some(attempts) = pool.retries {
        policy.retry = Retry { attempts, ..RESEND };
    }
    Some(policy)
}

/// Keeps connections for ever, and notices at once what arrives on an idle one.
const KEEP: Keep = Keep {
    idle_max: None,
    hint: Hint::Heeded { margin: Duration::ZERO, max: None },
    lifetime: None,
    order: Order::Lifo,
    notice: Notice::AtOnce,
    handover: false,
};

/// Sends again whatever failed.
const RESEND: Retry =
    Retry { attempts: 0, reused_only: false, written: Resend::All, heeds_key: true };

const fn plain() -> Policy {
    Policy {
        reuse: Reuse::Kept(KEEP),
        limits: Limits { per_host: None, total: None, idle_per_host: None, idle_total: None },
        timeouts: Timeouts { connect: None, read: None, lease: None },
        keepalive: None,
        user_timeout: None,
        retry: RESEND,
        ping: None,
        learns: false,
    }
}

/// Lowers the limit of idle connections. A hint that is heeded prolongs a cap in no case.
fn cap(keep: &mut Keep, pool: &Pool) {
    if let Some(cap) = pool.idle_cap {
        keep.idle_max = Some(cap);
        if let Hint::Heeded { margin, max } = keep.hint {
            let max = Some(max.map_or(cap, |max| max.min(cap)));
            keep.hint = Hint::Heeded { margin, max };
        }
    }
    match pool.heeds_hint {
        Some(false) => keep.hint = Hint::Ignored,
        Some(true) if keep.hint == Hint::Ignored => {
            keep.hint = Hint::Heeded { margin: Duration::ZERO, max: pool.idle_cap };
        }
        Some(true) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pool: &Pool) -> Keep {
        let Reuse::Kept(keep) = of(pool, Speed::REAL).unwrap().reuse else {
            panic!("it keeps none")
        };
        keep
    }

    #[test]
    fn what_a_scenario_sets_takes_the_place_of_the_presets() {
        let preset = Pool { preset: Some("apache-httpclient-4".to_owned()), ..Pool::default() };
        assert_eq!(kept(&preset).idle_max, None);
        let capped = Pool { idle_cap: Some(Duration::from_mins(5)), ..preset.clone() };
        assert_eq!(kept(&capped).idle_max, Some(Duration::from_mins(5)));
        assert_eq!(kept(&capped).notice, kept(&preset).notice);
        assert_eq!(of(&preset, Speed::REAL).unwrap().limits.per_host, Some(2));
        let wider = Pool { max_connections: Some(5), ..preset.clone() };
        assert_eq!(of(&wider, Speed::REAL).unwrap().limits.per_host, Some(5));
        let fresh = Pool { connections: Some(Connections::PerRequest), ..preset };
        assert_eq!(of(&fresh, Speed::REAL).unwrap().reuse, Reuse::Never);
    }

    #[test]
    fn a_hint_lowers_a_cap_and_never_prolongs_it() {
        let cap = Duration::from_mins(5);
        let keep = kept(&Pool { idle_cap: Some(cap), ..Pool::default() });
        assert_eq!(keep.idle_limit(Some(Duration::from_secs(75))), Some(Duration::from_secs(75)));
        assert_eq!(keep.idle_limit(Some(Duration::from_mins(15))), Some(cap));
        let deaf = kept(&Pool { heeds_hint: Some(false), ..Pool::default() });
        assert_eq!(deaf.idle_limit(Some(Duration::from_secs(75))), None);
    }
}
