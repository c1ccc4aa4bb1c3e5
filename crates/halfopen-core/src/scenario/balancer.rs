//! How a balancer of a scenario is written: a profile's name and what is different here.

use serde::Deserialize;
use toml::Spanned;

use super::Balancer;
use super::document::{Text, profile, set};
use crate::balancer::{BalancerConfig, NoneHealthy, Routing};
use crate::document::DocumentError;
use crate::document::quantity::Humane;
use crate::profile::Profile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BalancerText {
    pub(super) profile: Spanned<String>,
    pub(super) name: Option<Spanned<String>>,
    idle_timeout: Option<Humane>,
    client_keep_alive: Option<Humane>,
    connect_timeout: Option<Humane>,
    deregistration_delay: Option<Humane>,
    routing: Option<Routing>,
    none_healthy: Option<NoneHealthy>,
    health: Option<Spanned<HealthText>>,
    health_checks: Option<Spanned<bool>>,
    connections: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HealthText {
    path: Option<String>,
    success: Option<u16>,
    interval: Option<Humane>,
    timeout: Option<Humane>,
    healthy_after: Option<u32>,
    unhealthy_after: Option<u32>,
}

impl BalancerText {
    pub(super) fn balancer(&self, text: Text<'_>) -> Result<(Balancer, Profile), DocumentError> {
        let (shipped, unconfirmed) = profile(&self.profile, text)?;
        let Some(mut config) = shipped.balancer() else {
            let message = format!("`{}` passes packets on: use `gateway.profile`", shipped.name);
            return Err(text.error(self.profile.span(), message));
        };
        self.change(&mut config, text)?;
        let span = self.health.as_ref().map_or(self.profile.span(), Spanned::span);
        config.check().map_err(|why| text.error(span, why.to_string()))?;
        let name = self.name.as_ref().unwrap_or(&self.profile).get_ref().clone();
        Ok((Balancer { name, profile: shipped.name.clone(), unconfirmed, config }, shipped))
    }

    fn change(&self, config: &mut BalancerConfig, text: Text<'_>) -> Result<(), DocumentError> {
        let time = |time: Option<Humane>| time.map(|Humane(time)| time);
        set(&mut config.idle_timeout, time(self.idle_timeout));
        set(&mut config.client_keep_alive, time(self.client_keep_alive).map(Some));
        set(&mut config.connect_timeout, time(self.connect_timeout));
        set(&mut config.deregistration_delay, time(self.deregistration_delay));
        set(&mut config.routing, self.routing);
        set(&mut config.none_healthy, self.none_healthy);
        if let Some(connections) = &self.connections {
            let count = text.count(connections, 1 << 20)?;
            config.connections_max = usize::try_from(count).unwrap_or(usize::MAX);
        }
        let checked = self.health_checks.as_ref().is_none_or(|checks| *checks.get_ref());
        match (&self.health, &mut config.health) {
            (Some(health), _) if !checked => {
                let message = "`health` says how to check, `health-checks` not to";
                return Err(text.error(health.span(), message));
            }
            (None, health) if !checked => *health = None,
            (Some(changes), Some(health)) => {
                let changes = changes.get_ref();
                set(&mut health.path, changes.path.clone());
                set(&mut health.success, changes.success);
                set(&mut health.interval, time(changes.interval));
                set(&mut health.timeout, time(changes.timeout));
                set(&mut health.healthy_after, changes.healthy_after);
                set(&mut health.unhealthy_after, changes.unhealthy_after);
            }
            (Some(_) | None, None) | (None, Some(_)) => {}
        }
        Ok(())
    }
}
