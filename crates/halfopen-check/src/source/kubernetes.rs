//! Kubernetes manifests: balancers by the annotations of Services and Ingresses, nginx's
//! by its `ConfigMap`, sidecars by Istio's destination rules.

use core::time::Duration;

use halfopen_core::fact::Term;

use super::quantity::{MINUTE, SECOND, as_term, term_in, time, time_in};
use crate::known;
use crate::path::{Part, Probes, Role, Stated, WithoutEffect};
use crate::place::{Document, Place};
use crate::tree::{Entry, Node};

const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer";
const AZURE: &str = "service.beta.kubernetes.io/azure-load-balancer";

pub(super) fn read(document: &Document, tree: &Node) -> Vec<Part> {
    let objects = match tree.text_at("kind") {
        Some("List") => tree.get("items").map_or(&[][..], Node::items),
        _ => core::slice::from_ref(tree),
    };
    objects.iter().filter_map(|object| Object { document, object }.part()).collect()
}

struct Object<'d> {
    document: &'d Document,
    object: &'d Node,
}

impl Object<'_> {
    fn part(&self) -> Option<Part> {
        match self.object.text_at("kind")? {
            "Service" => self.service(),
            "Ingress" => self.ingress(),
            "ConfigMap" => self.nginx_settings(),
            "DestinationRule" => self.destination_rule(),
            _ => None,
        }
    }

    /// Returns `KIND/NAME`, and where the object says its kind.
    fn name(&self) -> Option<(String, Place)> {
        let kind = self.object.entry("kind")?;
        let name = self.object.at(&["metadata", "name"])?.text()?;
        let place = self.document.place(kind.span.clone());
        Some((format!("{}/{name}", kind.node.text()?.to_lowercase()), place))
    }

    fn annotation(&self, key: &str) -> Option<&Entry> {
        self.object.at(&["metadata", "annotations"])?.entry(key)
    }

    /// Returns the balancer that a cloud makes of a Service, if its annotations say which.
    fn service(&self) -> Option<Part> {
        if self.object.at(&["spec", "type"])?.text() != Some("LoadBalancer") {
            return None;
        }
        let (name, place) = self.name()?;
        let azure = self.annotation(&format!("{AZURE}-tcp-idle-timeout"));
        if let Some(entry) = azure {
            let silent = self.annotation(&format!("{AZURE}-disable-tcp-reset"));
            let is_silent = silent.is_some_and(|entry| entry.node.is_true());
            let product =
                if is_silent { "azure-load-balancer" } else { "azure-load-balancer-tcp-reset" };
            let mut part = known::gate(product, &name, &place)?;
            part.role = Role::Front;
            part.forgets.as_mut()?.after = time_in(self.document, entry, MINUTE)?;
            return Some(part);
        }
        let idle = self.annotation(&format!("{AWS}-connection-idle-timeout"));
        let kind = self.annotation(&format!("{AWS}-type")).and_then(|entry| entry.node.text());
        if matches!(kind, Some("nlb" | "external" | "nlb-ip")) {
            let mut part = known::gate("aws-nlb", &name, &place)?;
            part.role = Role::Front;
            part.without_effect.extend(idle.map(|entry| self.for_classic_only(entry)));
            return Some(part);
        }
        let mut part = known::proxy("aws-clb", Role::Edge, &name, &place)?;
        let idle = time_in(self.document, idle?, SECOND)?;
        set_balancer(&mut part, idle);
        Some(part)
    }

    fn for_classic_only(&self, entry: &Entry) -> WithoutEffect {
        WithoutEffect {
            place: self.document.place(entry.span.clone()),
            message: "the annotation is for classic balancers: this Service asks for a network one"
                .to_owned(),
            fix: "set tcp.idle_timeout.seconds by aws-load-balancer-listener-attributes".to_owned(),
            source: "https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/\
                     service/annotations/"
                .to_owned(),
        }
    }

    /// Returns the balancer or proxy that serves an Ingress.
    fn ingress(&self) -> Option<Part> {
        let (name, place) = self.name()?;
        if let Some(entry) = self.annotation("alb.ingress.kubernetes.io/load-balancer-attributes") {
            let mut part = known::proxy("aws-alb", Role::Edge, &name, &place)?;
            let mut attributes =
                entry.node.text()?.split(',').filter_map(|pair| pair.split_once('='));
            let idle = attributes
                .find(|(key, _)| key.trim() == "idle_timeout.timeout_seconds")
                .and_then(|(_, value)| time(value, SECOND))?;
            let place = self.document.place(entry.node.span.clone());
            set_balancer(&mut part, Stated::written(idle, place, "idle_timeout.timeout_seconds"));
            return Some(part);
        }
        let wait = self.annotation("nginx.ingress.kubernetes.io/proxy-read-timeout")?;
        let mut part = known::proxy("nginx-proxy", Role::Proxy, &name, &place)?;
        part.accepts.as_mut()?.wait = time_in(self.document, wait, SECOND);
        Some(part)
    }

    /// Returns the ingress controller of nginx by its `ConfigMap`.
    fn nginx_settings(&self) -> Option<Part> {
        let data = self.object.get("data")?;
        let (accepts, opens) = (data.entry("keep-alive"), data.entry("upstream-keepalive-timeout"));
        if accepts.is_none() && opens.is_none() {
            return None;
        }
        let (name, place) = self.name()?;
        let mut part = known::proxy("nginx-proxy", Role::Proxy, &name, &place)?;
        let stated = |entry: Option<&Entry>| term_in(self.document, entry?, SECOND);
        if let Some(idle) = stated(accepts) {
            part.accepts.as_mut()?.idle = Some(idle);
        }
        if let Some(idle) = stated(opens) {
            part.opens.as_mut()?.idle = Some(idle);
        }
        Some(part)
    }

    /// Returns how the sidecars open connections to a host.
    fn destination_rule(&self) -> Option<Part> {
        let (name, place) = self.name()?;
        let pool = self.object.at(&["spec", "trafficPolicy", "connectionPool"])?;
        let mut part = known::proxy("envoy-proxy", Role::Proxy, &name, &place)?;
        let opens = part.opens.as_mut()?;
        let idle = pool.get("http").and_then(|http| http.entry("idleTimeout"));
        if let Some(idle) = idle.and_then(|entry| time_in(self.document, entry, SECOND)) {
            opens.idle = Some(proto_term(idle));
        }
        let keepalive = pool.get("tcp").and_then(|tcp| tcp.entry("tcpKeepalive"));
        opens.probes = keepalive.map(|entry| probes(self.document, entry, "time"));
        Some(part)
    }
}

/// Returns the probes of a table that switches them on; without a time, the system's counts.
pub(super) fn probes(document: &Document, table: &Entry, time: &str) -> Stated<Probes> {
    let first = table.node.entry(time).and_then(|entry| time_in(document, entry, SECOND));
    if let Some(Stated { value, place, basis }) = first {
        return Stated { value: Probes::After(value), place, basis };
    }
    let place = document.place(table.span.clone());
    Stated::written(Probes::AsSystem, place, &table.key)
}

/// Returns a time of Envoy's as a term: zero switches its timers off.
pub(super) fn proto_term(time: Stated<Duration>) -> Stated<Term> {
    if time.value.is_zero() {
        return Stated { value: Term::Never, place: time.place, basis: time.basis };
    }
    as_term(time)
}

/// Sets the one timer of a balancer, which is for both sides and for the wait for a response.
fn set_balancer(part: &mut Part, idle: Stated<Duration>) {
    if let Some(opens) = part.opens.as_mut() {
        opens.idle = Some(as_term(idle.clone()));
    }
    if let Some(accepts) = part.accepts.as_mut() {
        accepts.idle = Some(as_term(idle.clone()));
        accepts.wait = Some(idle);
    }
}
