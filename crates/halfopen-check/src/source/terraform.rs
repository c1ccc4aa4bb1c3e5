//! What `terraform show -json` prints, of a plan or of a state: boxes and balancers.

use halfopen_core::fact::Term;

use super::quantity::{MINUTE, SECOND, as_term, term_in, time_in};
use crate::known;
use crate::path::{Part, Role, Stated, WithoutEffect};
use crate::place::{Document, Place};
use crate::tree::{Entry, Node};

pub(super) fn read(document: &Document, tree: &Node) -> Vec<Part> {
    let root = tree.at(&["planned_values", "root_module"]);
    let Some(root) = root.or_else(|| tree.at(&["values", "root_module"])) else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    let mut modules = vec![root];
    while let Some(module) = modules.pop() {
        let resources = module.get("resources").map_or(&[][..], Node::items);
        parts.extend(resources.iter().filter_map(|node| Resource::of(document, node)?.part()));
        modules.extend(module.get("child_modules").map_or(&[][..], Node::items));
    }
    parts.sort_by_key(|part| part.place.span.start);
    parts
}

struct Resource<'d> {
    document: &'d Document,
    kind: &'d str,
    address: &'d str,
    values: &'d Node,
    place: Place,
}

impl<'d> Resource<'d> {
    fn of(document: &'d Document, node: &'d Node) -> Option<Self> {
        let address = node.entry("address")?;
        // What is only looked up is somebody else's.
        (node.text_at("mode") != Some("data")).then_some(())?;
        Some(Self {
            document,
            kind: node.text_at("type")?,
            address: address.node.text()?,
            values: node.get("values")?,
            place: document.place(address.span.clone()),
        })
    }

    fn part(&self) -> Option<Part> {
        match self.kind {
            "aws_lb" | "aws_alb" => self.aws_balancer(),
            "aws_elb" => self.proxy("aws-clb", "idle_timeout"),
            "aws_nat_gateway" => self.aws_nat_gateway(),
            "aws_globalaccelerator_accelerator" => self.front("aws-global-accelerator"),
            "aws_networkfirewall_firewall_policy" => self.aws_firewall(),
            "azurerm_nat_gateway" => {
                self.gate_with("azure-nat-gateway", self.values.entry("idle_timeout_in_minutes"))
            }
            "azurerm_lb_outbound_rule" => self.azure_rule(),
            "azurerm_lb_rule" => Some(Part { role: Role::Front, ..self.azure_rule()? }),
            "azurerm_firewall" => self.gate("azure-firewall"),
            "google_compute_router_nat" => self.google_nat(),
            "aws_cloudfront_distribution" => self.cloudfront(),
            _ => None,
        }
    }

    fn gate(&self, product: &str) -> Option<Part> {
        known::gate(product, self.address, &self.place)
    }

    /// Returns a box that stands before servers.
    fn front(&self, product: &str) -> Option<Part> {
        Some(Part { role: Role::Front, ..self.gate(product)? })
    }

    /// Returns a box whose timer an entry sets, in minutes.
    fn gate_with(&self, product: &str, minutes: Option<&Entry>) -> Option<Part> {
        let mut part = self.gate(product)?;
        let after = minutes.and_then(|entry| time_in(self.document, entry, MINUTE));
        if let Some(after) = after {
            part.forgets.as_mut()?.after = after;
        }
        Some(part)
    }

    fn proxy(&self, product: &str, timeout: &str) -> Option<Part> {
        let mut part = known::proxy(product, Role::Edge, self.address, &self.place)?;
        let entry = self.values.entry(timeout);
        if let Some(idle) = entry.and_then(|entry| time_in(self.document, entry, SECOND)) {
            let accepts = part.accepts.as_mut()?;
            accepts.idle = Some(as_term(idle.clone()));
            accepts.wait = Some(idle.clone());
            part.opens.as_mut()?.idle = Some(as_term(idle));
        }
        Some(part)
    }

    fn aws_balancer(&self) -> Option<Part> {
        match self.values.text_at("load_balancer_type").unwrap_or("application") {
            "network" => self.with_useless_timeout(self.front("aws-nlb")?),
            "gateway" => self.with_useless_timeout(self.front("aws-gwlb")?),
            _ => self.proxy("aws-alb", "idle_timeout"),
        }
    }

    /// Says that `idle_timeout` is for application balancers only, if it is not what the provider
    /// fills in by itself.
    fn with_useless_timeout(&self, mut part: Part) -> Option<Part> {
        let Some(entry) = self.values.entry("idle_timeout") else { return Some(part) };
        let Some(stated) = term_in(self.document, entry, SECOND) else { return Some(part) };
        let filled_in = known::proxy("aws-alb", Role::Edge, "", &self.place)?.accepts?.idle?;
        if stated.value != filled_in.value {
            part.without_effect.push(WithoutEffect {
                place: stated.place,
                message: format!("idle_timeout does nothing for a {}", part.title),
                fix: "set tcp_idle_timeout_seconds of its aws_lb_listener".to_owned(),
                source:
                    "https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/lb"
                        .to_owned(),
            });
        }
        Some(part)
    }

    /// Reads a NAT gateway; each address of it has ports of its own.
    fn aws_nat_gateway(&self) -> Option<Part> {
        let mut part = self.gate("aws-nat-gateway")?;
        let more = self.values.get("secondary_allocation_ids").map_or(0, |ids| ids.items().len());
        if let Some(ports) = part.forgets.as_mut()?.ports.as_mut() {
            ports.value *= 1 + more as u64;
        }
        Some(part)
    }

    fn aws_firewall(&self) -> Option<Part> {
        let mut part = self.gate("aws-network-firewall")?;
        let timeouts = first(first(self.values, "firewall_policy"), "stateful_engine_options")
            .and_then(|options| first(Some(options), "flow_timeouts"));
        let entry = timeouts.and_then(|timeouts| timeouts.entry("tcp_idle_timeout_seconds"));
        if let Some(after) = entry.and_then(|entry| time_in(self.document, entry, SECOND)) {
            part.forgets.as_mut()?.after = after;
        }
        Some(part)
    }

    fn azure_rule(&self) -> Option<Part> {
        let resets = ["enable_tcp_reset", "tcp_reset_enabled"]
            .iter()
            .any(|key| self.values.get(key).is_some_and(Node::is_true));
        let product = if resets { "azure-load-balancer-tcp-reset" } else { "azure-load-balancer" };
        self.gate_with(product, self.values.entry("idle_timeout_in_minutes"))
    }

    fn google_nat(&self) -> Option<Part> {
        let mut part = self.gate("gcp-cloud-nat")?;
        let forgets = part.forgets.as_mut()?;
        let entry = self.values.entry("tcp_established_idle_timeout_sec");
        if let Some(after) = entry.and_then(|entry| time_in(self.document, entry, SECOND)) {
            forgets.after = after;
        }
        let ports = self.values.entry("min_ports_per_vm").and_then(|entry| {
            let place = self.document.place(entry.span.clone());
            Some(Stated::written(entry.node.number()?, place, &entry.key))
        });
        // More are given when they are needed only if that is switched on.
        let grows = self.values.get("enable_dynamic_port_allocation").is_some_and(Node::is_true);
        let most = self.values.entry("max_ports_per_vm").filter(|_| grows).and_then(|entry| {
            let place = self.document.place(entry.span.clone());
            Some(Stated::written(entry.node.number()?, place, &entry.key))
        });
        forgets.ports = if grows { most } else { ports };
        Some(part)
    }

    fn cloudfront(&self) -> Option<Part> {
        let mut part = known::proxy("cloudfront", Role::Edge, self.address, &self.place)?;
        let origins = self.values.get("origin").map_or(&[][..], Node::items);
        let timers = origins.iter().filter_map(|origin| {
            let config = first(Some(origin), "custom_origin_config")?;
            term_in(self.document, config.entry("origin_keepalive_timeout")?, SECOND)
        });
        // Of several origins, the one that is kept longest meets a server's timer first.
        let longest: Option<Stated<Term>> = timers.max_by_key(|timer| timer.value);
        if longest.is_some() {
            part.opens.as_mut()?.idle = longest;
        }
        Some(part)
    }
}

/// Returns the one block under `key`, which Terraform prints as a list.
fn first<'n>(node: impl Into<Option<&'n Node>>, key: &str) -> Option<&'n Node> {
    node.into()?.get(key)?.items().first()
}
