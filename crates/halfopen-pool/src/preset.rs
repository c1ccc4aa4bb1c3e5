//! The policy of an HTTP client from its description, so that a pool behaves as that client does.
//!
//! What a description says and a [`Policy`] cannot stands in the client's file under `differs` and
//! `unmodelled`.

use halfopen_core::client::{Behaviour, Client};
use halfopen_core::time::Duration;

use crate::policy::{Keep, Lifetime, Policy, Retry, Reuse};

impl From<&Client> for Policy {
    /// Behaves as the newest version that the description covers.
    fn from(client: &Client) -> Self {
        Self::from(&client.behaviour)
    }
}

impl From<&Behaviour> for Policy {
    /// Behaves so, and learns nothing.
    fn from(behaviour: &Behaviour) -> Self {
        let keep = Keep {
            idle_max: behaviour.idle_max,
            hint: behaviour.hint,
            lifetime: behaviour.lifetime.map(|max| Lifetime { max, jitter: Duration::ZERO }),
            order: behaviour.order,
            notice: behaviour.notice,
            handover: behaviour.handover,
        };
        let retry = behaviour.retry;
        Self {
            reuse: if behaviour.reuse { Reuse::Kept(keep) } else { Reuse::Never },
            limits: behaviour.limits,
            timeouts: behaviour.timeouts,
            keepalive: behaviour.keepalive,
            user_timeout: behaviour.user_timeout,
            retry: Retry {
                // As often as it takes ends when the idle connections do: it is said only of those.
                attempts: retry.attempts.unwrap_or(u32::MAX),
                reused_only: retry.reused_only,
                written: retry.written,
                heeds_key: retry.heeds_key,
            },
            ping: None,
            learns: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Notice;

    fn policy(name: &str) -> Policy {
        Policy::from(&Client::shipped(name).expect(name))
    }

    #[test]
    fn the_client_of_the_incident_keeps_what_the_server_says_nothing_about() {
        let Reuse::Kept(keep) = policy("apache-httpclient-4").reuse else { panic!("it reuses") };
        assert_eq!(keep.idle_max, None);
        assert_eq!(keep.notice, Notice::WhenTaken { after: Duration::from_secs(2) });
    }

    #[test]
    fn no_client_learns_and_none_that_tries_without_end_tries_on_new_connections() {
        for name in Client::names() {
            let policy = policy(name);
            assert!(!policy.learns, "{name}");
            assert!(policy.retry.attempts < u32::MAX || policy.retry.reused_only, "{name}");
        }
    }

    #[test]
    fn an_earlier_version_is_a_policy_too() {
        let node = Client::shipped("node-http-agent").unwrap();
        assert_eq!(Policy::from(&node.earlier["19"]).reuse, Reuse::Never);
    }
}
