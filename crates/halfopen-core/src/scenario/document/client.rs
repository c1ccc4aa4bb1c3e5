//! How a scenario's client is written: its requests and its pool.

use core::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::{BYTES_MAX, Text, bytes_default};
use crate::client;
use crate::document::DocumentError;
use crate::document::quantity::Humane;
use crate::scenario::{Bursts, Connections, Pool};
use crate::tcp::Keepalive;
use crate::time::Duration;

// What a run holds in memory grows with these, so they are bounded.
const BURSTS_MAX: u32 = 10_000;
const REQUESTS_MAX: u32 = 10_000;
const ATTEMPTS_MAX: u64 = 1_000_000;
/// RFC 9110 section 9.1 has more, whose responses or connections are special.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClientText {
    every: Option<Spanned<Humane>>,
    bursts: Option<Spanned<u32>>,
    bursts_at: Option<Spanned<Vec<Humane>>>,
    requests: Option<Spanned<u32>>,
    at_once: Option<Spanned<u32>>,
    method: Option<Spanned<String>>,
    idempotency_key: Option<Spanned<bool>>,
    request_bytes: Option<Spanned<u32>>,
    preset: Option<Spanned<String>>,
    connections: Option<Connections>,
    max_connections: Option<Spanned<u32>>,
    idle_cap: Option<Spanned<Humane>>,
    heeds_hint: Option<Spanned<bool>>,
    connect_timeout: Option<Humane>,
    read_timeout: Option<Humane>,
    retries: Option<u32>,
    keepalive: Option<Keepalive>,
    user_timeout: Option<Humane>,
    learns: Option<bool>,
}

impl ClientText {
    pub(super) fn bursts(
        &self,
        span: Range<usize>,
        length: Duration,
        text: Text<'_>,
    ) -> Result<Bursts, DocumentError> {
        let missing = || text.error(span.clone(), "missing field `requests`");
        let asked = self.requests.as_ref().ok_or_else(missing)?;
        let requests = text.count(asked, REQUESTS_MAX)?;
        let at_once = self.at_once.as_ref().map_or(Ok(1), |count| text.count(count, requests))?;
        let bytes = self.request_bytes.as_ref().map(|bytes| text.count(bytes, BYTES_MAX));
        let starts = self.starts(span.clone(), length, text)?;
        let tries = (u64::from(self.retries.unwrap_or(0)) + 1).saturating_mul(requests.into());
        if tries.saturating_mul(starts.len() as u64) > ATTEMPTS_MAX {
            let message = format!("with all bursts and retries, more than {ATTEMPTS_MAX} requests");
            return Err(text.error(asked.span(), message));
        }
        Ok(Bursts {
            starts,
            requests,
            at_once,
            method: self.method(text)?,
            idempotency_key: self.idempotency_key.as_ref().is_some_and(|key| *key.get_ref()),
            request_bytes: bytes.transpose()?.unwrap_or_else(bytes_default),
        })
    }

    /// Refuses what a scheduler decides itself.
    pub(super) fn refuse_bursts(&self, text: Text<'_>) -> Result<(), DocumentError> {
        let keys = [
            ("every", self.every.as_ref().map(Spanned::span)),
            ("bursts", self.bursts.as_ref().map(Spanned::span)),
            ("bursts-at", self.bursts_at.as_ref().map(Spanned::span)),
            ("requests", self.requests.as_ref().map(Spanned::span)),
            ("at-once", self.at_once.as_ref().map(Spanned::span)),
            ("method", self.method.as_ref().map(Spanned::span)),
            ("idempotency-key", self.idempotency_key.as_ref().map(Spanned::span)),
            ("request-bytes", self.request_bytes.as_ref().map(Spanned::span)),
        ];
        text.refuse(&keys, "is the scheduler's to decide")
    }

    pub(super) fn pool(&self, text: Text<'_>) -> Result<Pool, DocumentError> {
        if self.connections == Some(Connections::PerRequest) {
            let keys = [
                ("idle-cap", self.idle_cap.as_ref().map(Spanned::span)),
                ("heeds-hint", self.heeds_hint.as_ref().map(Spanned::span)),
            ];
            text.refuse(&keys, "is for pooled connections")?;
        }
        let duration = |humane: Option<Humane>| humane.map(|Humane(duration)| duration);
        let max_connections = self.max_connections.as_ref().map(|max| text.count(max, u32::MAX));
        Ok(Pool {
            preset: self.preset(text)?,
            connections: self.connections,
            max_connections: max_connections.transpose()?,
            idle_cap: self.idle_cap.as_ref().map(|cap| cap.get_ref().0),
            heeds_hint: self.heeds_hint.as_ref().map(|heeds| *heeds.get_ref()),
            connect_timeout: duration(self.connect_timeout),
            read_timeout: duration(self.read_timeout),
            retries: self.retries,
            keepalive: self.keepalive,
            user_timeout: duration(self.user_timeout),
            learns: self.learns,
        })
    }

    fn preset(&self, text: Text<'_>) -> Result<Option<String>, DocumentError> {
        let Some(preset) = &self.preset else { return Ok(None) };
        let name = preset.get_ref().as_str();
        if client::Client::names().any(|shipped| shipped == name) {
            return Ok(Some(name.to_owned()));
        }
        let names: Vec<&str> = client::Client::names().collect();
        let message = format!("there is no client `{name}`, only {}", names.join(", "));
        Err(text.error(preset.span(), message))
    }

    fn method(&self, text: Text<'_>) -> Result<String, DocumentError> {
        let Some(method) = &self.method else { return Ok("POST".to_owned()) };
        if METHODS.contains(&method.get_ref().as_str()) {
            return Ok(method.get_ref().clone());
        }
        Err(text.error(method.span(), format!("a method is one of {}", METHODS.join(", "))))
    }

    /// Returns when the bursts start: in step, or as listed.
    fn starts(
        &self,
        span: Range<usize>,
        length: Duration,
        text: Text<'_>,
    ) -> Result<Vec<Duration>, DocumentError> {
        let every = self.every.as_ref().map(|every| *every.get_ref());
        let (starts, span): (Vec<Duration>, _) = match (every, &self.bursts, &self.bursts_at) {
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
}
