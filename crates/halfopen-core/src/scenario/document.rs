//! How a scenario is written, and what must hold between its values.

mod client;

use core::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::balancer::BalancerText;
use super::{
    Answers, Asks, Client, Disturbance, Expectation, FarEnd, Gateway, Happening, Payment, Scenario,
    Scheduler, Station,
};
use crate::cause::{Cause, Harm};
use crate::document::DocumentError;
use crate::document::quantity::Humane;
use crate::fact::unquoted;
use crate::gateway::GatewayConfig;
use crate::idle::{OnExpiry, OnOrphan, WhenFull};
use crate::link::LinkConfig;
use crate::profile::{Confidence, Fact, Profile, Timers};
use crate::speed::Speed;
use crate::tap;
use crate::time::Duration;
use client::ClientText;

// What a run holds in memory grows with these, so they are bounded.
const BYTES_MAX: u32 = 1 << 20;
const SUBSCRIPTIONS_MAX: u32 = 10_000;
const BATCH_MAX: u32 = 10_000;
const PARALLEL_MAX: u32 = 1_000;
const HOSTS_MAX: u32 = 100;

pub(super) const fn bytes_default() -> u32 {
    256
}

pub(super) const fn one() -> u32 {
    1
}

pub(super) const fn one_hundred() -> u32 {
    100
}

pub(super) const fn yes() -> bool {
    true
}

pub(super) fn zone_default() -> String {
    "UTC".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    title: String,
    about: String,
    #[serde(default)]
    seed: u64,
    starts_at: Option<Spanned<String>>,
    run_for: Humane,
    client: Spanned<ClientText>,
    scheduler: Option<Spanned<Scheduler>>,
    #[serde(default)]
    path: Vec<StationText>,
    far_end: Option<Spanned<FarEnd>>,
    payment: Option<Spanned<Payment>>,
    #[serde(default)]
    disturbance: Vec<Spanned<DisturbanceText>>,
    expect: Spanned<Expectation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StationText {
    Link(LinkConfig),
    Gateway(Box<GatewayText>),
    Balancer(Box<BalancerText>),
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
pub(super) struct Text<'a>(&'a str);

impl Text<'_> {
    pub(super) fn error(self, span: Range<usize>, message: impl Into<String>) -> DocumentError {
        DocumentError::new(self.0, span, message)
    }

    /// Returns the number if it is from 1 to `max`.
    pub(super) fn count(self, number: &Spanned<u32>, max: u32) -> Result<u32, DocumentError> {
        self.within(*number.get_ref(), max, number.span())
    }

    /// Refuses the first of the keys that the text has.
    fn refuse(self, keys: &[(&str, Option<Range<usize>>)], why: &str) -> Result<(), DocumentError> {
        match keys.iter().find_map(|(key, span)| Some((key, span.clone()?))) {
            None => Ok(()),
            Some((key, span)) => Err(self.error(span, format!("`{key}` {why}"))),
        }
    }

    fn within(self, count: u32, max: u32, span: Range<usize>) -> Result<u32, DocumentError> {
        if (1..=max).contains(&count) {
            return Ok(count);
        }
        Err(self.error(span, format!("{count} is not from 1 to {max}")))
    }

    /// Returns the UNIX time of a moment such as `2024-01-06 09:00:00`, which is in UTC.
    fn moment(self, moment: &Spanned<String>) -> Result<Duration, DocumentError> {
        let parsed = humantime::parse_rfc3339_weak(moment.get_ref());
        let since = parsed.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        since.ok_or_else(|| {
            let message = "it is not a moment in UTC, such as `2024-01-06 09:00:00`";
            self.error(moment.span(), message)
        })
    }
}

impl Document {
    pub(super) fn scenario(self, name: &str, text: &str) -> Result<Scenario, DocumentError> {
        let text = Text(text);
        let Humane(length) = self.run_for;
        let starts_at = self.starts_at.as_ref().map(|moment| text.moment(moment));
        let client = self.client(length, text)?;
        let answers = self.answers(text)?;
        let path = stations(self.path, text)?;
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
            starts_at: starts_at.transpose()?.unwrap_or(tap::EPOCH),
            length,
            speed: Speed::REAL,
            client,
            path,
            answers,
            disturbances,
            expect: *self.expect.get_ref(),
        })
    }
}

fn stations(path: Vec<StationText>, text: Text<'_>) -> Result<Vec<Station>, DocumentError> {
    let tables = DeTable::parse(text.0)
        .map_err(|error| text.error(error.span().unwrap_or(0..0), error.message()))?;
    let tables = tables.get_ref().get("path").and_then(|path| path.get_ref().as_array());
    let mut stations = Vec::with_capacity(path.len());
    for (index, station) in path.into_iter().enumerate() {
        let table = tables.and_then(|tables| tables.get(index));
        let stated = |kind: &str, fact: &Fact| stated(table?, &format!("{kind}.{}", fact.key));
        let (name, span, station) = match station {
            StationText::Link(link) => {
                stations.push(Station::Link(link));
                continue;
            }
            StationText::Gateway(gateway) => {
                let span = gateway.name.as_ref().unwrap_or(&gateway.profile).span();
                let (mut gateway, profile) = gateway.gateway(text)?;
                gateway.unconfirmed.retain(|fact| stated("gateway", fact).is_none());
                check_ranges(&profile, |fact| stated("gateway", fact), text)?;
                (gateway.name.clone(), span, Station::Gateway(Box::new(gateway)))
            }
            StationText::Balancer(balancer) => {
                let span = balancer.name.as_ref().unwrap_or(&balancer.profile).span();
                let (mut balancer, profile) = balancer.balancer(text)?;
                balancer.unconfirmed.retain(|fact| stated("balancer", fact).is_none());
                check_ranges(&profile, |fact| stated("balancer", fact), text)?;
                (balancer.name.clone(), span, Station::Balancer(Box::new(balancer)))
            }
        };
        if find(&stations, &name).is_some() {
            return Err(text.error(span, format!("two stations are called `{name}`")));
        }
        stations.push(station);
    }
    Ok(stations)
}

/// Returns the value that a table has under a key such as `timers.tcp-established`.
fn stated<'a, 'b>(table: &'a Spanned<DeValue<'b>>, key: &str) -> Option<&'a Spanned<DeValue<'b>>> {
    key.split('.').try_fold(table, |table, key| table.get_ref().as_table()?.get(key))
}

/// Refuses a value to which the product cannot be set, as far as its profile knows.
fn check_ranges<'a>(
    profile: &Profile,
    stated: impl Fn(&Fact) -> Option<&'a Spanned<DeValue<'a>>>,
    text: Text<'_>,
) -> Result<(), DocumentError> {
    for fact in &profile.facts {
        if let (Some(range), Some(value)) = (&fact.range, stated(fact))
            && !range.admits(&unquoted(text.0, value))
        {
            let (title, key) = (&profile.title, &fact.key);
            let message = format!("{title} takes `{key}` from {range}, and nothing else");
            return Err(text.error(value.span(), message));
        }
    }
    Ok(())
}

/// Returns the index of the gateway or balancer `name`.
fn find(path: &[Station], name: &str) -> Option<usize> {
    path.iter().position(|station| match station {
        Station::Link(_) => false,
        Station::Gateway(gateway) => gateway.name == name,
        Station::Balancer(balancer) => balancer.name == name,
    })
}

/// Returns the profile `name`, and what nothing confirms of its values.
pub(super) fn profile(
    name: &Spanned<String>,
    text: Text<'_>,
) -> Result<(Profile, Vec<Fact>), DocumentError> {
    let Some(shipped) = Profile::shipped(name.get_ref()) else {
        let names: Vec<&str> = Profile::names().collect();
        let (name, span) = (name.get_ref(), name.span());
        let message = format!("there is no profile `{name}`, only {}", names.join(", "));
        return Err(text.error(span, message));
    };
    let mut unconfirmed = shipped.facts.clone();
    unconfirmed.retain(|fact| fact.confidence == Confidence::Unconfirmed);
    Ok((shipped, unconfirmed))
}

impl GatewayText {
    fn gateway(&self, text: Text<'_>) -> Result<(Gateway, Profile), DocumentError> {
        let (shipped, unconfirmed) = profile(&self.profile, text)?;
        let Some(mut config) = shipped.gateway(Vec::new()) else {
            let message = format!("`{}` is a balancer: use `balancer.profile`", shipped.name);
            return Err(text.error(self.profile.span(), message));
        };
        if let Some(flows) = &self.capacity.flows {
            text.count(flows, u32::MAX)?;
        }
        self.change(&mut config);
        let name = self.name.as_ref().unwrap_or(&self.profile).get_ref().clone();
        Ok((Gateway { name, profile: shipped.name.clone(), unconfirmed, config }, shipped))
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

pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl Document {
    fn client(&self, length: Duration, text: Text<'_>) -> Result<Client, DocumentError> {
        let client = self.client.get_ref();
        let asks = match &self.scheduler {
            None => Asks::Bursts(client.bursts(self.client.span(), length, text)?),
            Some(scheduler) => {
                client.refuse_bursts(text)?;
                let (it, span) = (scheduler.get_ref(), scheduler.span());
                text.within(it.subscriptions, SUBSCRIPTIONS_MAX, span.clone())?;
                text.within(it.batch, BATCH_MAX, span.clone())?;
                text.within(it.parallel, PARALLEL_MAX, span)?;
                Asks::Scheduler(scheduler.get_ref().clone())
            }
        };
        Ok(Client { asks, pool: client.pool(text)? })
    }

    fn answers(&self, text: Text<'_>) -> Result<Answers, DocumentError> {
        match (&self.far_end, &self.payment, &self.scheduler) {
            (Some(far_end), None, None) => {
                if far_end.get_ref().response_bytes > BYTES_MAX {
                    let message = format!("a response has at most {BYTES_MAX} bytes");
                    return Err(text.error(far_end.span(), message));
                }
                Ok(Answers::FarEnd(*far_end.get_ref()))
            }
            (None, Some(payment), Some(_)) => {
                text.within(payment.get_ref().hosts, HOSTS_MAX, payment.span())?;
                Ok(Answers::Payment(payment.get_ref().clone()))
            }
            (Some(far_end), _, _) => Err(text.error(
                far_end.span(),
                "a scheduler asks a `[payment]` module, and a `[far-end]` answers nobody else",
            )),
            (None, Some(payment), None) => {
                Err(text.error(payment.span(), "only a `[scheduler]` asks a payment module"))
            }
            (None, None, scheduler) => {
                let missing = scheduler.as_ref().map_or("far-end", |_| "payment");
                Err(text.error(0..0, format!("missing section `[{missing}]`")))
            }
        }
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
                    let message = format!(
                        "no gateway or balancer of the path is called `{}`",
                        name.get_ref()
                    );
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
