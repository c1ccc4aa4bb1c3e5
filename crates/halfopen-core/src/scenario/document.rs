//! How a scenario is written, and what must hold between its values.

use core::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    Client, Connections, Disturbance, Expectation, FarEnd, Gateway, Happening, Scenario, Station,
};
use crate::cause::{Cause, Harm};
use crate::document::DocumentError;
use crate::document::quantity::Humane;
use crate::gateway::GatewayConfig;
use crate::idle::{OnExpiry, OnOrphan, WhenFull};
use crate::link::LinkConfig;
use crate::profile::{Confidence, Profile, Timers};
use crate::tcp::Keepalive;
use crate::time::Duration;

// What a run holds in memory grows with these, so they are bounded.
const BURSTS_MAX: u32 = 10_000;
const REQUESTS_MAX: u32 = 10_000;
const ATTEMPTS_MAX: u64 = 1_000_000;
const BYTES_MAX: u32 = 1 << 20;

pub(super) const fn bytes_default() -> u32 {
    256
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    title: String,
    about: String,
    #[serde(default)]
    seed: u64,
    run_for: Humane,
    client: Spanned<ClientText>,
    #[serde(default)]
    path: Vec<StationText>,
    far_end: Spanned<FarEnd>,
    #[serde(default)]
    disturbance: Vec<Spanned<DisturbanceText>>,
    expect: Spanned<Expectation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ClientText {
    every: Option<Humane>,
    bursts: Option<Spanned<u32>>,
    bursts_at: Option<Spanned<Vec<Humane>>>,
    requests: Spanned<u32>,
    at_once: Option<Spanned<u32>>,
    connections: ConnectionsText,
    idle_cap: Option<Spanned<Humane>>,
    heeds_hint: Option<Spanned<bool>>,
    connect_timeout: Option<Humane>,
    read_timeout: Option<Humane>,
    #[serde(default)]
    retries: u32,
    request_bytes: Option<Spanned<u32>>,
    keepalive: Option<Keepalive>,
    user_timeout: Option<Humane>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ConnectionsText {
    Pooled,
    PerRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StationText {
    Link(LinkConfig),
    Gateway(Box<GatewayText>),
}

/// A profile's name and what is different here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GatewayText {
    profile: Spanned<String>,
    name: Option<Spanned<String>>,
    #[serde(default)]
    timers: Timers<Option<Humane>>,
    #[serde(default)]
    refresh: RefreshText,
    on_expiry: Option<OnExpiry>,
    #[serde(default)]
    on_orphan: OrphanText,
    #[serde(default)]
    capacity: CapacityText,
    per_destination: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RefreshText {
    by_outside: Option<bool>,
    by_empty_segments: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrphanText {
    inside: Option<OnOrphan>,
    outside: Option<OnOrphan>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CapacityText {
    flows: Option<Spanned<u32>>,
    when_full: Option<WhenFull>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DisturbanceText {
    at: Spanned<Humane>,
    flush: Option<Spanned<String>>,
    far_end: Option<FarEndAct>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FarEndAct {
    AbortsIdle,
}

/// Makes errors about one text.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

impl Text<'_> {
    fn error(self, span: Range<usize>, message: impl Into<String>) -> DocumentError {
        DocumentError::new(self.0, span, message)
    }

    /// Returns the number if it is from 1 to `max`.
    fn count(self, number: &Spanned<u32>, max: u32) -> Result<u32, DocumentError> {
        let count = *number.get_ref();
        if (1..=max).contains(&count) {
            return Ok(count);
        }
        Err(self.error(number.span(), format!("{count} is not from 1 to {max}")))
    }
}

impl Document {
    pub(super) fn scenario(self, name: &str, text: &str) -> Result<Scenario, DocumentError> {
        let text = Text(text);
        let Humane(length) = self.run_for;
        let client = self.client.get_ref().client(self.client.span(), length, text)?;
        let path = stations(self.path, text)?;
        let far_end = *self.far_end.get_ref();
        if far_end.response_bytes > BYTES_MAX {
            let message = format!("a response has at most {BYTES_MAX} bytes");
            return Err(text.error(self.far_end.span(), message));
        }
        let mut disturbances = self
            .disturbance
            .iter()
            .map(|disturbance| disturbance.get_ref().read(disturbance.span(), &path, length, text))
            .collect::<Result<Vec<_>, _>>()?;
        disturbances.sort_by_key(|disturbance| disturbance.at);
        check(&self.expect, text)?;
        Ok(Scenario {
            name: name.to_owned(),
            title: self.title,
            about: self.about.trim().to_owned(),
            seed: self.seed,
            length,
            client,
            path,
            far_end,
            disturbances,
            expect: *self.expect.get_ref(),
        })
    }
}

impl ClientText {
    fn client(
        &self,
        span: Range<usize>,
        length: Duration,
        text: Text<'_>,
    ) -> Result<Client, DocumentError> {
        let duration = |humane: Option<Humane>| humane.map(|Humane(duration)| duration);
        let requests = text.count(&self.requests, REQUESTS_MAX)?;
        let at_once = self.at_once.as_ref().map_or(Ok(1), |count| text.count(count, requests))?;
        let bytes = self.request_bytes.as_ref().map(|bytes| text.count(bytes, BYTES_MAX));
        let bursts = self.starts(span, length, text)?;
        let tries = (u64::from(self.retries) + 1).saturating_mul(requests.into());
        if tries.saturating_mul(bursts.len() as u64) > ATTEMPTS_MAX {
            let message = format!("with all bursts and retries, more than {ATTEMPTS_MAX} requests");
            return Err(text.error(self.requests.span(), message));
        }
        Ok(Client {
            bursts,
            requests,
            at_once,
            connections: self.connections(text)?,
            connect_timeout: duration(self.connect_timeout),
            read_timeout: duration(self.read_timeout),
            retries: self.retries,
            request_bytes: bytes.transpose()?.unwrap_or_else(bytes_default),
            keepalive: self.keepalive,
            user_timeout: duration(self.user_timeout),
        })
    }

    /// Returns when the bursts start: in step, or as listed.
    fn starts(
        &self,
        span: Range<usize>,
        length: Duration,
        text: Text<'_>,
    ) -> Result<Vec<Duration>, DocumentError> {
        let (starts, span): (Vec<Duration>, _) = match (self.every, &self.bursts, &self.bursts_at) {
            (Some(Humane(step)), Some(bursts), None) => {
                let count = text.count(bursts, BURSTS_MAX)?;
                ((0..count).map(|burst| step.saturating_mul(burst)).collect(), bursts.span())
            }
            (None, None, Some(list)) => {
                (list.get_ref().iter().map(|&Humane(start)| start).collect(), list.span())
            }
            _ => {
                let message = "bursts need either `every` and `bursts`, or `bursts-at`";
                return Err(text.error(span, message));
            }
        };
        if starts.len() > BURSTS_MAX as usize {
            return Err(text.error(span, format!("more than {BURSTS_MAX} bursts")));
        }
        if !starts.is_sorted_by(|earlier, later| earlier < later) {
            return Err(text.error(span, "each burst must start later than the one before"));
        }
        match starts.last() {
            None => Err(text.error(span, "there must be a burst")),
            Some(last) if *last >= length => {
                let message = format!("the last burst starts at {last:?}, when the run is over");
                Err(text.error(span, message))
            }
            Some(_) => Ok(starts),
        }
    }

    fn connections(&self, text: Text<'_>) -> Result<Connections, DocumentError> {
        match self.connections {
            ConnectionsText::Pooled => Ok(Connections::Pooled {
                idle_cap: self.idle_cap.as_ref().map(|cap| cap.get_ref().0),
                heeds_hint: self.heeds_hint.as_ref().is_none_or(|heeds| *heeds.get_ref()),
            }),
            ConnectionsText::PerRequest => {
                let pool_only = [
                    ("idle-cap", self.idle_cap.as_ref().map(Spanned::span)),
                    ("heeds-hint", self.heeds_hint.as_ref().map(Spanned::span)),
                ];
                match pool_only.into_iter().find_map(|(key, span)| Some((key, span?))) {
                    None => Ok(Connections::PerRequest),
                    Some((key, span)) => {
                        Err(text.error(span, format!("`{key}` is for pooled connections")))
                    }
                }
            }
        }
    }
}

fn stations(path: Vec<StationText>, text: Text<'_>) -> Result<Vec<Station>, DocumentError> {
    let tables = DeTable::parse(text.0)
        .map_err(|error| text.error(error.span().unwrap_or(0..0), error.message()))?;
    let tables = tables.get_ref().get("path").and_then(|path| path.get_ref().as_array());
    let mut stations = Vec::with_capacity(path.len());
    for (index, station) in path.into_iter().enumerate() {
        stations.push(match station {
            StationText::Link(link) => Station::Link(link),
            StationText::Gateway(gateway) => {
                let span = gateway.name.as_ref().unwrap_or(&gateway.profile).span();
                let mut gateway = gateway.gateway(text)?;
                let table = tables.and_then(|tables| tables.get(index));
                gateway.unconfirmed.retain(|fact| {
                    !table.is_some_and(|table| states(table, &format!("gateway.{}", fact.key)))
                });
                if find(&stations, &gateway.name).is_some() {
                    let message = format!("two gateways are called `{}`", gateway.name);
                    return Err(text.error(span, message));
                }
                Station::Gateway(Box::new(gateway))
            }
        });
    }
    Ok(stations)
}

/// Tells whether a table has a value under a key such as `timers.tcp-established`.
fn states(table: &Spanned<DeValue<'_>>, key: &str) -> bool {
    key.split('.').try_fold(table, |table, key| table.get_ref().as_table()?.get(key)).is_some()
}

/// Returns the index of the gateway `name`.
fn find(path: &[Station], name: &str) -> Option<usize> {
    path.iter()
        .position(|station| matches!(station, Station::Gateway(gateway) if gateway.name == name))
}

impl GatewayText {
    fn gateway(&self, text: Text<'_>) -> Result<Gateway, DocumentError> {
        let profile = self.profile.get_ref();
        let Some(shipped) = Profile::shipped(profile) else {
            let names: Vec<&str> = Profile::names().collect();
            let message = format!("there is no profile `{profile}`, only {}", names.join(", "));
            return Err(text.error(self.profile.span(), message));
        };
        if let Some(flows) = &self.capacity.flows {
            text.count(flows, u32::MAX)?;
        }
        let mut config = shipped.gateway(Vec::new());
        self.change(&mut config);
        let name = self.name.as_ref().unwrap_or(&self.profile).get_ref().clone();
        let mut unconfirmed = shipped.facts;
        unconfirmed.retain(|fact| fact.confidence == Confidence::Unconfirmed);
        Ok(Gateway { name, profile: profile.clone(), unconfirmed, config })
    }

    fn change(&self, config: &mut GatewayConfig) {
        let idle = &mut config.idle;
        idle.timers = self.timers.over(idle.timers, |timer| timer.map(|Humane(time)| time));
        set(&mut idle.refresh.by_outside, self.refresh.by_outside);
        set(&mut idle.refresh.by_empty_segments, self.refresh.by_empty_segments);
        set(&mut idle.on_expiry, self.on_expiry);
        set(&mut idle.on_orphan_inside, self.on_orphan.inside);
        set(&mut idle.on_orphan_outside, self.on_orphan.outside);
        set(&mut idle.capacity.flows, self.capacity.flows.as_ref().map(|flows| *flows.get_ref()));
        set(&mut idle.capacity.when_full, self.capacity.when_full);
        if let Some(translation) = &mut config.translation {
            translation.per_destination = self.per_destination.or(translation.per_destination);
        }
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl DisturbanceText {
    fn read(
        &self,
        span: Range<usize>,
        path: &[Station],
        length: Duration,
        text: Text<'_>,
    ) -> Result<Disturbance, DocumentError> {
        let Humane(at) = *self.at.get_ref();
        if at >= length {
            return Err(text.error(self.at.span(), "it would happen when the run is over"));
        }
        let what = match (&self.flush, self.far_end) {
            (Some(name), None) => {
                let station = find(path, name.get_ref()).ok_or_else(|| {
                    let message = format!("no gateway of the path is called `{}`", name.get_ref());
                    text.error(name.span(), message)
                })?;
                Happening::Flush { station }
            }
            (None, Some(FarEndAct::AbortsIdle)) => Happening::AbortIdle,
            (Some(_), Some(_)) | (None, None) => {
                let message = "a disturbance has either `flush` or `far-end`";
                return Err(text.error(span, message));
            }
        };
        Ok(Disturbance { at, what })
    }
}

/// Refuses an expectation whose words cannot be true together.
fn check(expect: &Spanned<Expectation>, text: Text<'_>) -> Result<(), DocumentError> {
    let Expectation { cause, mechanism, culprit, harm, failures } = *expect.get_ref();
    let blamed = mechanism.is_some() || culprit.is_some() || harm != Harm::None;
    let message = if cause == Cause::None && blamed {
        "without a cause there is no mechanism, no culprit and no harm"
    } else if (harm == Harm::Failed) != (failures > 0) {
        "`harm` is `failed` if there are `failures`, and only then"
    } else {
        return Ok(());
    };
    Err(text.error(expect.span(), message))
}
