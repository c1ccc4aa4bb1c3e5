//! A finding as a log record.

use std::net::SocketAddr;
use std::time::SystemTime;

use halfopen_capture::News;
use halfopen_core::cause::{Cause, Harm};
use halfopen_core::verdict::Verdict;
use serde_json::{Value, json};

use super::message::{double, nanos, text};

/// Severity numbers of logs.proto.
const WARN: (u8, &str) = (13, "WARN");
const ERROR: (u8, &str) = (17, "ERROR");

/// A finding that is to be sent.
#[derive(Clone, Debug)]
pub struct Record {
    verdict: Verdict,
    cause: Cause,
}

impl Record {
    /// Returns the record of a piece of news, if that is a finding.
    #[must_use]
    pub fn of(news: &News) -> Option<Self> {
        match news {
            News::Ended { verdict, cause } => {
                Some(Self { verdict: verdict.clone(), cause: *cause })
            }
            News::Survived { .. } | News::Narrowed { .. } => None,
        }
    }

    /// Returns a `LogRecord`. Addresses are named as the semantic conventions name them.
    pub(super) fn json(&self, now: SystemTime) -> Value {
        let Verdict { flow, finding, mechanism, idle, harm, culprit, evidence } = &self.verdict;
        let (number, name) = match harm {
            Harm::Failed => ERROR,
            Harm::Masked | Harm::Latent | Harm::None => WARN,
        };
        let mut attributes = Vec::new();
        attributes.extend(end("client", flow.initiator));
        attributes.extend(end("server", flow.responder));
        attributes.push(text("halfopen.finding", &finding.to_string()));
        attributes.push(text("halfopen.cause", &self.cause.to_string()));
        attributes.push(text("halfopen.culprit", &culprit.to_string()));
        attributes.push(text("halfopen.harm", &harm.to_string()));
        attributes.extend(mechanism.map(|it| text("halfopen.mechanism", &it.to_string())));
        attributes.extend(idle.map(|idle| {
            let idle = double(idle.as_secs_f64());
            json!({ "key": "halfopen.idle_seconds", "value": { "doubleValue": idle } })
        }));
        let shown = evidence.iter().max_by_key(|seen| seen.at);
        let fact = shown.map(|seen| format!(": {}", seen.fact)).unwrap_or_default();
        let at = shown.map_or_else(|| nanos(now), |seen| seen.at.as_nanos().to_string());
        json!({
            "timeUnixNano": at,
            "observedTimeUnixNano": nanos(now),
            "severityNumber": number,
            "severityText": name,
            "eventName": "halfopen.finding",
            "body": { "stringValue": format!("{flow} {finding}{fact}") },
            "attributes": attributes,
        })
    }
}

fn end(name: &str, address: SocketAddr) -> [Value; 2] {
    let port = address.port().to_string();
    [
        text(&format!("{name}.address"), &address.ip().to_string()),
        json!({ "key": format!("{name}.port"), "value": { "intValue": port } }),
    ]
}
