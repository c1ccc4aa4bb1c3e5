//! Readers: from a document to the parts of a path that it declares, one form a file.
//!
//! A reader states what is written and adds what data knows to be the default. What it does not
//! know it passes over: a document is not made for us.

mod aws;
mod envoy;
mod flat;
mod haproxy;
mod kubernetes;
mod nginx;
mod path_file;
mod quantity;
mod spring;
mod terraform;

use serde::Serialize;

use crate::path::Part;
use crate::place::{Document, Place};
use crate::tree::{Node, SyntaxError, parse_json, parse_yaml};

pub(crate) use path_file::{Exemption, Others, PathFile};

/// What a document was read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// What `terraform show -json` prints, of a plan or of a state.
    Terraform,
    /// What the AWS command line prints of balancers and NAT gateways.
    Aws,
    /// Manifests for Kubernetes, Istio's among them.
    Kubernetes,
    /// A configuration of Envoy.
    Envoy,
    /// An `application.yml` or `.properties` of Spring Boot.
    Spring,
    /// A configuration of nginx.
    Nginx,
    /// A configuration of HAProxy.
    Haproxy,
    /// The project's own: what stands where.
    Path,
    /// Some YAML, JSON or properties, from which a path file may quote.
    Values,
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct SourceError {
    /// Where.
    pub place: Place,
    /// What, in lower case and without a full stop.
    pub message: String,
}

/// A document, read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) form: Form,
    pub(crate) parts: Vec<Part>,
    pub(crate) path_file: Option<PathFile>,
}

/// Reads a document; `None` if it is of no form that is known.
pub(crate) fn read(document: &Document) -> Result<Option<Source>, SourceError> {
    let ending = document.name.rsplit('.').next().unwrap_or_default();
    let start = document.text.trim_start();
    let source = match ending {
        "toml" => match PathFile::parse(document)? {
            Some(file) => Source { path_file: Some(file), ..Source::of(Form::Path, Vec::new()) },
            None => return Ok(None),
        },
        "properties" => Source::of(Form::Spring, spring::read_properties(document)),
        "yml" | "yaml" => from_trees(document, &yaml(document)?),
        _ if start.starts_with(['{', '[']) => from_trees(document, &[json(document)?]),
        _ if haproxy::is_one(&document.text) => Source::of(Form::Haproxy, haproxy::read(document)),
        _ if nginx::is_one(&document.text) => Source::of(Form::Nginx, nginx::read(document)?),
        _ => return Ok(None),
    };
    Ok(Some(source))
}

impl Source {
    fn of(form: Form, parts: Vec<Part>) -> Self {
        Self { form, parts, path_file: None }
    }
}

fn from_trees(document: &Document, trees: &[Node]) -> Source {
    let one = |key: &str| trees.iter().any(|tree| tree.get(key).is_some());
    let parts = |read: fn(&Document, &Node) -> Vec<Part>| {
        trees.iter().flat_map(|tree| read(document, tree)).collect()
    };
    if one("terraform_version") || one("planned_values") {
        Source::of(Form::Terraform, parts(terraform::read))
    } else if one("NatGateways") || one("Attributes") || one("LoadBalancerAttributes") {
        Source::of(Form::Aws, parts(aws::read))
    } else if one("static_resources") {
        Source::of(Form::Envoy, parts(envoy::read))
    } else if one("apiVersion") {
        Source::of(Form::Kubernetes, parts(kubernetes::read))
    } else if one("spring") || one("server") {
        Source::of(Form::Spring, parts(spring::read))
    } else {
        Source::of(Form::Values, Vec::new())
    }
}

fn json(document: &Document) -> Result<Node, SourceError> {
    parse_json(&document.text).map_err(|error| placed(document, error))
}

fn yaml(document: &Document) -> Result<Vec<Node>, SourceError> {
    parse_yaml(&document.text).map_err(|error| placed(document, error))
}

fn placed(document: &Document, error: SyntaxError) -> SourceError {
    SourceError { place: document.place(error.span), message: error.message }
}
