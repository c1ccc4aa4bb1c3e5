//! How the profile of a balancer that ends connections is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Kind;
use crate::balancer::{BalancerConfig, HealthCheck, Limits, Names, NoneHealthy, Routing};
use crate::document::quantity::Humane;
use crate::fact::{Page, Stated};
use crate::tap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BalancerDocument {
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "vendor")]
    _vendor: String,
    #[serde(rename = "kind")]
    _kind: Kind,
    #[serde(rename = "summary")]
    _summary: String,
    #[serde(rename = "source")]
    _sources: BTreeMap<String, Page>,
    idle_timeout: Stated<Humane>,
    client_keep_alive: Option<Stated<Humane>>,
    connect_timeout: Stated<Humane>,
    deregistration_delay: Stated<Humane>,
    routing: Stated<Routing>,
    none_healthy: Stated<NoneHealthy>,
    health: HealthText,
    limits: LimitsText,
    server: Option<Stated<String>>,
    #[serde(rename = "metrics", default)]
    _metrics: BTreeMap<String, Stated<String>>,
    #[serde(rename = "unmodelled", default)]
    _unmodelled: BTreeMap<String, Stated<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HealthText {
    path: Stated<String>,
    success: Stated<u16>,
    interval: Stated<Humane>,
    timeout: Stated<Humane>,
    healthy_after: Stated<u32>,
    unhealthy_after: Stated<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitsText {
    request_line: Stated<usize>,
    field: Stated<usize>,
    request_head: Stated<usize>,
    response_head: Stated<usize>,
}

/// How many connections a balancer holds unless somebody says otherwise: a limit of memory, not of
/// any product.
const CONNECTIONS_MAX: usize = 1 << 16;

impl BalancerDocument {
    /// Returns the balancer that the values describe, under the names that everybody's has.
    pub(super) fn balancer(&self) -> BalancerConfig {
        BalancerConfig {
            idle_timeout: self.idle_timeout.value.0,
            client_keep_alive: self.client_keep_alive.as_ref().map(|age| age.value.0),
            connect_timeout: self.connect_timeout.value.0,
            deregistration_delay: self.deregistration_delay.value.0,
            routing: self.routing.value,
            none_healthy: self.none_healthy.value,
            health: Some(self.health.check()),
            limits: Limits {
                request_line: self.limits.request_line.value,
                field: self.limits.field.value,
                request_head: self.limits.request_head.value,
                response_head: self.limits.response_head.value,
            },
            server: self.server.as_ref().map(|server| server.value.clone()),
            names: Names::default(),
            epoch: tap::EPOCH,
            connections_max: CONNECTIONS_MAX,
        }
    }
}

impl HealthText {
    fn check(&self) -> HealthCheck {
        HealthCheck {
            path: self.path.value.clone(),
            success: self.success.value,
            interval: self.interval.value.0,
            timeout: self.timeout.value.0,
            healthy_after: self.healthy_after.value,
            unhealthy_after: self.unhealthy_after.value,
        }
    }
}
