//! A configuration of Envoy: its clusters, and the timers of its listeners.

use super::kubernetes::{probes, proto_term};
use super::quantity::{SECOND, time_in};
use crate::known;
use crate::path::{Accepts, Part, Role};
use crate::place::Document;
use crate::tree::{Entry, Node};

pub(super) fn read(document: &Document, tree: &Node) -> Vec<Part> {
    let Some(resources) = tree.get("static_resources") else { return Vec::new() };
    let listeners = resources.get("listeners").map_or(&[][..], Node::items);
    let accepts = listeners.iter().find_map(|listener| accepts(document, listener));
    let clusters = resources.get("clusters").map_or(&[][..], Node::items);
    clusters.iter().filter_map(|node| cluster(document, node, accepts.as_ref())).collect()
}

/// Returns what a listener's HTTP connection manager sets.
fn accepts(document: &Document, listener: &Node) -> Option<Accepts> {
    let chains = listener.get("filter_chains")?.items();
    let mut filters = chains.iter().filter_map(|chain| chain.get("filters")).flat_map(Node::items);
    let manager = filters.find_map(|filter| {
        let config = filter.get("typed_config")?;
        config.text_at("@type")?.ends_with("HttpConnectionManager").then_some(config)
    })?;
    let idle = manager.at(&["common_http_protocol_options"])?.entry("idle_timeout")?;
    let idle = proto_term(time_in(document, idle, SECOND)?);
    Some(Accepts { idle: Some(idle), ..Accepts::default() })
}

fn cluster(document: &Document, node: &Node, accepts: Option<&Accepts>) -> Option<Part> {
    let name = node.entry("name")?;
    let place = document.place(name.span.clone());
    let mut part = known::proxy("envoy-proxy", Role::Proxy, name.node.text()?, &place)?;
    if let (Some(known), Some(written)) = (part.accepts.as_mut(), accepts) {
        known.idle.clone_from(&written.idle);
    }
    let opens = part.opens.as_mut()?;
    if let Some(idle) = idle_timeout(node).and_then(|entry| time_in(document, entry, SECOND)) {
        opens.idle = Some(proto_term(idle));
    }
    let keepalive =
        node.get("upstream_connection_options").and_then(|options| options.entry("tcp_keepalive"));
    opens.probes = keepalive.map(|entry| probes(document, entry, "keepalive_time"));
    Some(part)
}

/// Returns a cluster's idle timeout, in the form that Envoy has now or the one that it had.
fn idle_timeout(cluster: &Node) -> Option<&Entry> {
    let options = "common_http_protocol_options";
    let extensions = cluster.get("typed_extension_protocol_options").map_or(&[][..], Node::entries);
    let in_extension =
        extensions.iter().find_map(|entry| entry.node.get(options)?.entry("idle_timeout"));
    in_extension.or_else(|| cluster.get(options)?.entry("idle_timeout"))
}
