//! One tree for JSON and YAML, in which every value knows where it stands.

mod json;
mod yaml;

use core::ops::Range;

pub(crate) use json::parse as parse_json;
pub(crate) use yaml::parse as parse_yaml;

/// How deep a document may be nested. The readers' own documents have twenty levels at most.
const DEPTH_MAX: usize = 100;

/// How many values a document may have, aliases counted as often as they stand.
const NODES_MAX: usize = 1_000_000;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) span: Range<usize>,
}

/// A value and the bytes of the text that it stands in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    /// A number, a truth value or a text, as it is written but without quotes.
    Scalar(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The bytes from the key to the end of the value, as far as they are on the key's line.
    pub(crate) span: Range<usize>,
    pub(crate) node: Node,
}

impl Node {
    /// Returns what stands under `key`; YAML's merged tables (`<<`) count where the table itself
    /// says nothing.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        let own = self.entries().iter().find(|entry| entry.key == key);
        own.or_else(|| {
            let merged = &self.entries().iter().find(|entry| entry.key == "<<")?.node;
            let tables = core::iter::once(merged).chain(merged.items());
            tables.flat_map(Node::entries).find(|entry| entry.key == key)
        })
    }

    /// Returns what stands at the end of a way of keys, such as `["spec", "template"]`.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            Value::Null | Value::Scalar(_) | Value::List(_) => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Null | Value::Scalar(_) | Value::Table(_) => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            Value::Null | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// Returns the text under `key`.
    pub(crate) fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// Returns the whole number that this is.
    pub(crate) fn number(&self) -> Option<u64> {
        self.text()?.trim().parse().ok()
    }

    pub(crate) fn is_true(&self) -> bool {
        self.text() == Some("true")
    }
}
