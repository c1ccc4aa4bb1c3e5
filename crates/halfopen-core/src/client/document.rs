//! How a client's file is written: every value states its source, and a key that is not here is an
//! error.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Behaviour, Confidence, Cure, Ending, Hint, Limits, Measured, Notice, Order, Outcome, Resend,
    Retry, Timeouts,
};
use crate::document::OrNever;
use crate::document::quantity::Humane;
use crate::fact::{Page, Stated};
use crate::tcp::Keepalive;
use crate::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    pub(super) title: String,
    pub(super) language: String,
    pub(super) summary: String,
    #[serde(rename = "source")]
    pub(super) sources: BTreeMap<String, Page>,
    pub(super) versions: Stated<String>,
    pub(super) user_agent: Option<Stated<String>>,
    pub(super) version_after: Option<Stated<String>>,
    reuse: Stated<bool>,
    idle_max: Stated<OrNever<Humane>>,
    hint: Stated<Hint>,
    lifetime: Stated<OrNever<Humane>>,
    order: Stated<Order>,
    notice: Stated<Notice>,
    handover: Option<Stated<bool>>,
    limits: LimitRules,
    timeouts: TimeoutRules,
    keepalive: Stated<OrNever<Keepalive>>,
    user_timeout: Stated<OrNever<Humane>>,
    retry: RetryRules,
    #[serde(default)]
    before: BTreeMap<String, Earlier>,
    #[serde(default)]
    cures: BTreeMap<String, Help>,
    #[serde(rename = "no-cures", default)]
    _no_cures: BTreeMap<String, Stated<String>>,
    #[serde(default)]
    errors: BTreeMap<Ending, Stated<Vec<String>>>,
    #[serde(default)]
    measured: BTreeMap<Ending, Tried>,
    #[serde(rename = "unmodelled", default)]
    _unmodelled: BTreeMap<String, Stated<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitRules {
    per_host: Stated<OrNever<u32>>,
    total: Stated<OrNever<u32>>,
    idle_per_host: Stated<OrNever<u32>>,
    idle_total: Stated<OrNever<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TimeoutRules {
    connect: Stated<OrNever<Humane>>,
    read: Stated<OrNever<Humane>>,
    lease: Stated<OrNever<Humane>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RetryRules {
    attempts: Stated<OrNever<u32>>,
    reused_only: Stated<bool>,
    written: Stated<Resend>,
    heeds_key: Stated<bool>,
}

/// What was otherwise before a version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Earlier {
    reuse: Option<Stated<bool>>,
    idle_max: Option<Stated<OrNever<Humane>>>,
    hint: Option<Stated<Hint>>,
    notice: Option<Stated<Notice>>,
    keepalive: Option<Stated<OrNever<Keepalive>>>,
}

/// A [`Stated`] that carries a snippet and must name its setting.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Help {
    value: String,
    setting: String,
    snippet: Option<String>,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
    #[serde(rename = "note", default)]
    _note: Option<String>,
}

/// A [`Stated`] that carries what a pool with the client's behaviour does otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    value: ByMethod,
    differs: Option<String>,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
    #[serde(rename = "note", default)]
    _note: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByMethod {
    get: Outcome,
    post: Outcome,
}

impl Document {
    pub(super) fn behaviour(&self) -> Behaviour {
        Behaviour {
            reuse: self.reuse.value,
            idle_max: time(&self.idle_max),
            hint: self.hint.value,
            lifetime: time(&self.lifetime),
            order: self.order.value,
            notice: self.notice.value,
            // A file that says nothing is about a client that was not looked at for this.
            handover: self.handover.as_ref().is_some_and(|stated| stated.value),
            limits: Limits {
                per_host: self.limits.per_host.value.0,
                total: self.limits.total.value.0,
                idle_per_host: self.limits.idle_per_host.value.0,
                idle_total: self.limits.idle_total.value.0,
            },
            timeouts: Timeouts {
                connect: time(&self.timeouts.connect),
                read: time(&self.timeouts.read),
                lease: time(&self.timeouts.lease),
            },
            keepalive: self.keepalive.value.0,
            user_timeout: time(&self.user_timeout),
            retry: Retry {
                attempts: self.retry.attempts.value.0,
                reused_only: self.retry.reused_only.value,
                written: self.retry.written.value,
                heeds_key: self.retry.heeds_key.value,
            },
        }
    }

    /// Returns what the version follows in the `User-Agent`: unless it is stated, the name and the
    /// slash that it begins with.
    pub(super) fn version_after(&self) -> Option<String> {
        if let Some(stated) = &self.version_after {
            return Some(stated.value.clone()).filter(|name| !name.is_empty());
        }
        let (name, _) = self.user_agent.as_ref()?.value.split_once('/')?;
        Some(format!("{name}/"))
    }

    /// Returns `now` as it was before each version that changed it.
    pub(super) fn earlier(&self, now: &Behaviour) -> BTreeMap<String, Behaviour> {
        self.before.iter().map(|(version, then)| (version.clone(), then.over(now))).collect()
    }

    pub(super) fn errors(&self) -> BTreeMap<Ending, Vec<String>> {
        self.errors.iter().map(|(&ending, texts)| (ending, texts.value.clone())).collect()
    }

    pub(super) fn measured(&self) -> BTreeMap<Ending, Measured> {
        let row = |tried: &Tried| Measured {
            get: tried.value.get,
            post: tried.value.post,
            differs: tried.differs.clone(),
        };
        self.measured.iter().map(|(&ending, tried)| (ending, row(tried))).collect()
    }

    pub(super) fn cures(&self) -> Vec<Cure> {
        let cure = |(name, help): (&String, &Help)| Cure {
            name: name.clone(),
            meaning: help.value.clone(),
            setting: help.setting.clone(),
            snippet: help.snippet.clone(),
        };
        self.cures.iter().map(cure).collect()
    }
}

impl Earlier {
    fn over(&self, now: &Behaviour) -> Behaviour {
        Behaviour {
            reuse: self.reuse.as_ref().map_or(now.reuse, |stated| stated.value),
            idle_max: self.idle_max.as_ref().map_or(now.idle_max, time),
            hint: self.hint.as_ref().map_or(now.hint, |stated| stated.value),
            notice: self.notice.as_ref().map_or(now.notice, |stated| stated.value),
            keepalive: self.keepalive.as_ref().map_or(now.keepalive, |stated| stated.value.0),
            ..now.clone()
        }
    }
}

fn time(stated: &Stated<OrNever<Humane>>) -> Option<Duration> {
    stated.value.0.map(|humane| humane.0)
}
