//! Spring Boot's configuration: its embedded server, HTTP clients, and the pool of its database.

use core::time::Duration;

use halfopen_core::fact::Term;
use halfopen_core::time::brief;

use super::flat::{self, Flat};
use super::quantity::{MILLISECOND, as_term, time};
use crate::known;
use crate::path::{Part, Probes, Role, Stated, WithoutEffect};
use crate::place::Document;
use crate::tree::Node;

/// The keys that set for how long an embedded server keeps connections, and which server it is.
const SERVERS: [(&str, &str); 5] = [
    ("server.tomcat.keep-alive-timeout", "tomcat"),
    ("server.tomcat.connection-timeout", "tomcat"),
    ("server.jetty.connection-idle-timeout", "jetty"),
    ("server.undertow.no-request-timeout", "undertow"),
    ("server.netty.idle-timeout", "reactor-netty-server"),
];

/// What `spring.http.client.factory` can name, and which client that is.
const FACTORIES: [(&str, &str); 4] = [
    ("http-components", "apache-httpclient-5"),
    ("reactor", "reactor-netty"),
    ("jdk", "jdk-http-client"),
    ("simple", "jdk-httpurlconnection"),
];

/// Where Spring Cloud Gateway's pool stands, by version.
const GATEWAY_POOLS: [&str; 2] =
    ["spring.cloud.gateway.server.webflux.httpclient.pool", "spring.cloud.gateway.httpclient.pool"];

pub(super) fn read(document: &Document, tree: &Node) -> Vec<Part> {
    of(document, &flat::of_tree(tree))
}

pub(super) fn read_properties(document: &Document) -> Vec<Part> {
    of(document, &flat::of_properties(&document.text))
}

fn of(document: &Document, flats: &[Flat]) -> Vec<Part> {
    let reader = Reader { document, flats };
    [reader.server(), reader.http_client(), reader.gateway(), reader.feign(), reader.hikari()]
        .into_iter()
        .flatten()
        .collect()
}

struct Reader<'d> {
    document: &'d Document,
    flats: &'d [Flat],
}

impl Reader<'_> {
    fn find(&self, key: &str) -> Option<&Flat> {
        flat::find(self.flats, key)
    }

    fn stated<T>(&self, flat: &Flat, value: T) -> Stated<T> {
        Stated::written(value, self.document.place(flat.span.clone()), &flat.key)
    }

    fn time(&self, key: &str) -> Option<Stated<Duration>> {
        let flat = self.find(key)?;
        Some(self.stated(flat, time(&flat.text, MILLISECOND)?))
    }

    /// Returns the time under a key for which zero or less means never.
    fn term(&self, key: &str) -> Option<Stated<Term>> {
        let flat = self.find(key)?;
        let is_endless = flat.text.trim().parse::<i64>().is_ok_and(|number| number <= 0);
        let term =
            if is_endless { Term::Never } else { Term::After(time(&flat.text, MILLISECOND)?) };
        Some(self.stated(flat, term))
    }

    fn server(&self) -> Option<Part> {
        let (idle, product) =
            SERVERS.iter().find_map(|&(key, product)| Some((self.term(key)?, product)))?;
        let mut part = known::server(product, "server", &idle.place).unwrap_or_else(|| {
            Part::new(Role::Server, "server", "Reactor Netty", idle.place.clone())
        });
        part.accepts.get_or_insert_default().idle = Some(idle);
        Some(part)
    }

    fn http_client(&self) -> Option<Part> {
        let factory = self.find("spring.http.client.factory")?;
        let (_, product) =
            FACTORIES.iter().find(|(name, _)| flat::same(name, factory.text.trim()))?;
        let place = self.document.place(factory.span.clone());
        let mut part = known::client(product, "spring.http.client", &place)?;
        part.opens.as_mut()?.wait = self.time("spring.http.client.read-timeout");
        Some(part)
    }

    fn gateway(&self) -> Option<Part> {
        let under = |pool: &str| {
            let prefix = format!("{pool}.");
            self.flats.iter().find(|flat| flat.key.starts_with(&prefix))
        };
        let (pool, first) = GATEWAY_POOLS.iter().find_map(|pool| Some((*pool, under(pool)?)))?;
        let place = self.document.place(first.span.clone());
        let mut part = known::client("reactor-netty", pool, &place)?;
        let opens = part.opens.as_mut()?;
        if let Some(idle) = self.term(&format!("{pool}.max-idle-time")) {
            opens.idle = Some(idle);
        }
        Some(part)
    }

    fn feign(&self) -> Option<Part> {
        let key = "spring.cloud.openfeign.httpclient";
        let live = self.time(&format!("{key}.hc5.time-to-live"));
        let live = live.or_else(|| self.time(&format!("{key}.time-to-live")))?;
        let mut part = known::client("apache-httpclient-5", key, &live.place)?;
        let opens = part.opens.as_mut()?;
        // The age ends a connection that the idle time would keep for longer.
        let is_shorter =
            opens.idle.as_ref().is_none_or(|idle| Term::After(live.value) < idle.value);
        if is_shorter {
            opens.idle = Some(as_term(live));
        }
        Some(part)
    }

    fn hikari(&self) -> Option<Part> {
        let prefix = "spring.datasource.hikari";
        let key = |name: &str| format!("{prefix}.{name}");
        let url = self.find("spring.datasource.url");
        let first = self.flats.iter().find(|flat| flat.key.starts_with(prefix)).or(url)?;
        let place = self.document.place(first.span.clone());
        let mut part = known::client("hikaricp", prefix, &place)?;
        part.role = Role::Database;
        let opens = part.opens.as_mut()?;
        if let Some(lifetime) = self.term(&key("max-lifetime")) {
            opens.idle = Some(lifetime);
        }
        if let Some(flat) = self.find(&key("maximum-pool-size")) {
            opens.connections = flat.text.trim().parse().ok().map(|size| self.stated(flat, size));
        }
        let probes = self.hikari_probes(&key("keepalive-time"));
        let (probes, refused) =
            probes.map_or((None, None), |(probes, refused)| (Some(probes), refused));
        if probes.is_some() {
            opens.probes = probes;
        }
        let idle = self.time(&key("idle-timeout"));
        let shrinks = self.hikari_shrinks(&key("minimum-idle"), &key("maximum-pool-size"));
        let useless = match idle {
            Some(idle) if !shrinks => Some(idle_timeout_of_a_fixed_pool(&idle)),
            Some(idle) => {
                opens.idle = Some(as_term(idle));
                None
            }
            None => None,
        };
        part.without_effect.extend(refused.into_iter().chain(useless));
        Some(part)
    }

    /// Tells whether the pool gives connections up: only if it may have fewer than it may have at
    /// most.
    fn hikari_shrinks(&self, least: &str, most: &str) -> bool {
        let number = |key: &str| self.find(key)?.text.trim().parse::<u64>().ok();
        let default = known::fact("hikaricp", "opens.connections");
        let default = default.and_then(|fact| fact.value.parse().ok());
        number(least).is_some_and(|least| Some(least) < number(most).or(default))
    }

    fn hikari_probes(&self, key: &str) -> Option<(Stated<Probes>, Option<WithoutEffect>)> {
        let every = self.time(key)?;
        let least = known::fact("hikaricp", "other.keepalive-least")?;
        let Term::After(floor) = least.term()? else { return None };
        let off =
            Stated { value: Probes::Off, place: every.place.clone(), basis: every.basis.clone() };
        if every.value.is_zero() {
            return Some((off, None));
        }
        if every.value < floor {
            let refused = WithoutEffect {
                message: format!(
                    "keepaliveTime of {} switches the keepalive off: {} is the least",
                    brief(every.value),
                    brief(floor)
                ),
                fix: format!("set it to {} or more", brief(floor)),
                source: least.source.url,
                place: every.place,
            };
            return Some((off, Some(refused)));
        }
        let value = Probes::After(every.value);
        Some((Stated { value, place: every.place, basis: every.basis }, None))
    }
}

fn idle_timeout_of_a_fixed_pool(idle: &Stated<Duration>) -> WithoutEffect {
    let source = known::fact("hikaricp", "other.idle-timeout").map(|fact| fact.source.url);
    WithoutEffect {
        place: idle.place.clone(),
        message:
            "idleTimeout does nothing: minimumIdle is maximumPoolSize, so the pool never shrinks"
                .to_owned(),
        fix: "set minimumIdle below maximumPoolSize, or maxLifetime to the time that is meant"
            .to_owned(),
        source: source.unwrap_or_default(),
    }
}
