//! What the AWS command line prints: `elbv2 describe-load-balancer-attributes`,
//! `describe-target-group-attributes`, `describe-listener-attributes`, `elb
//! describe-load-balancer-attributes` and `ec2 describe-nat-gateways`.

use super::quantity::{SECOND, as_term, time};
use crate::known;
use crate::path::{Part, Role, Stated};
use crate::place::Document;
use crate::tree::Node;

pub(super) fn read(document: &Document, tree: &Node) -> Vec<Part> {
    let attributes = tree.get("Attributes").map_or(&[][..], Node::items);
    let gateways = tree.get("NatGateways").map_or(&[][..], Node::items);
    let mut parts: Vec<Part> =
        gateways.iter().filter_map(|gateway| nat_gateway(document, gateway)).collect();
    parts.extend(balancer(document, attributes));
    parts.extend(listener(document, attributes));
    parts.extend(classic(document, tree));
    parts
}

/// Returns a NAT gateway that works or will; one that is deleted stays listed for an hour.
fn nat_gateway(document: &Document, gateway: &Node) -> Option<Part> {
    let id = gateway.entry("NatGatewayId")?;
    if matches!(gateway.text_at("State"), Some("deleted" | "deleting" | "failed")) {
        return None;
    }
    let place = document.place(id.span.clone());
    let mut part = known::gate("aws-nat-gateway", id.node.text()?, &place)?;
    let addresses = gateway.get("NatGatewayAddresses").map_or(1, |list| list.items().len().max(1));
    if let Some(ports) = part.forgets.as_mut()?.ports.as_mut() {
        ports.value *= addresses as u64;
    }
    Some(part)
}

/// Returns the value of an attribute, and where it stands.
fn attribute(
    document: &Document,
    attributes: &[Node],
    key: &str,
) -> Option<Stated<core::time::Duration>> {
    let node = attributes.iter().find(|attribute| attribute.text_at("Key") == Some(key))?;
    let value = node.get("Value")?;
    let place = document.place(value.span.clone());
    Some(Stated::written(time(value.text()?, SECOND)?, place, key))
}

fn balancer(document: &Document, attributes: &[Node]) -> Option<Part> {
    let idle = attribute(document, attributes, "idle_timeout.timeout_seconds")?;
    let name = file_stem(document);
    let mut part = known::proxy("aws-alb", Role::Edge, name, &idle.place)?;
    let accepts = part.accepts.as_mut()?;
    accepts.idle = Some(as_term(idle.clone()));
    accepts.wait = Some(idle.clone());
    part.opens.as_mut()?.idle = Some(as_term(idle));
    Some(part)
}

fn listener(document: &Document, attributes: &[Node]) -> Option<Part> {
    let after = attribute(document, attributes, "tcp.idle_timeout.seconds")?;
    let mut part = known::gate("aws-nlb", file_stem(document), &after.place)?;
    part.role = Role::Front;
    part.forgets.as_mut()?.after = after;
    Some(part)
}

fn classic(document: &Document, tree: &Node) -> Option<Part> {
    let settings = tree.at(&["LoadBalancerAttributes", "ConnectionSettings"])?;
    let entry = settings.entry("IdleTimeout")?;
    let idle = super::quantity::time_in(document, entry, SECOND)?;
    let mut part = known::proxy("aws-clb", Role::Edge, file_stem(document), &idle.place)?;
    let accepts = part.accepts.as_mut()?;
    accepts.idle = Some(as_term(idle.clone()));
    accepts.wait = Some(idle.clone());
    part.opens.as_mut()?.idle = Some(as_term(idle));
    Some(part)
}

/// Returns what to call a thing that its document does not name.
fn file_stem(document: &Document) -> &str {
    let name = document.name.rsplit('/').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}
