//! A document as a list of keys and values, the way Spring and path files name them.

use core::ops::Range;

use crate::place::Document;
use crate::tree::{Node, Value, parse_json, parse_yaml};

/// A value by its whole key, such as `spring.datasource.hikari.idle-timeout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flat {
    pub(super) key: String,
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// Returns every text of a tree by its key; items of a list are `key[0]` and so on.
pub(super) fn of_tree(tree: &Node) -> Vec<Flat> {
    let mut found = Vec::new();
    let mut left = vec![(String::new(), tree.span.clone(), tree)];
    while let Some((key, span, node)) = left.pop() {
        match &node.value {
            Value::Null => {}
            Value::Scalar(text) => found.push(Flat { key, text: text.clone(), span }),
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    left.push((format!("{key}[{index}]"), item.span.clone(), item));
                }
            }
            Value::Table(entries) => {
                for entry in entries {
                    let dot = if key.is_empty() { "" } else { "." };
                    let key = format!("{key}{dot}{}", entry.key);
                    left.push((key, entry.span.clone(), &entry.node));
                }
            }
        }
    }
    found.sort_by_key(|flat| flat.span.start);
    found
}

/// Reads a properties file: `key = value` or `key: value` or `key value`, with `#` and `!` for
/// comments. Lines that go on (`\` at the end) end where they are broken.
pub(super) fn of_properties(text: &str) -> Vec<Flat> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        at += line.len();
        (at - line.len(), line)
    });
    let setting = |(start, line): (usize, &str)| {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            return None;
        }
        let (key, value) = line.split_once(['=', ':', ' '])?;
        let text = value.trim_start_matches(['=', ':', ' ']).to_owned();
        let span = start + indent..start + indent + line.len();
        Some(Flat { key: key.trim().to_owned(), text, span })
    };
    lines.filter_map(setting).collect()
}

/// Returns the values of a document by their keys; of one that cannot be read, none.
pub(super) fn of_document(document: &Document) -> Vec<Flat> {
    if document.name.ends_with(".properties") {
        return of_properties(&document.text);
    }
    let trees = if document.text.trim_start().starts_with(['{', '[']) {
        parse_json(&document.text).map(|tree| vec![tree])
    } else {
        parse_yaml(&document.text)
    };
    trees.unwrap_or_default().iter().flat_map(of_tree).collect()
}

/// Tells whether two keys are the same to Spring: case, hyphens and underscores do not count.
pub(super) fn same(left: &str, right: &str) -> bool {
    let plain = |key: &str| {
        key.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
    };
    let (left, right): (String, String) = (plain(left), plain(right));
    left == right
}

/// Returns the value under `key`.
pub(super) fn find<'f>(flats: &'f [Flat], key: &str) -> Option<&'f Flat> {
    flats.iter().find(|flat| same(&flat.key, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_properties_give_the_same_keys() {
        let yaml = "a:\n  keepAlive: 5s\n  list: [x]\n";
        let properties = "# note\na.keep-alive=5s\n\n  a.list[0] : x\n";
        let keys = |flats: Vec<Flat>| -> Vec<(String, String)> {
            flats.into_iter().map(|flat| (flat.key.replace("-a", "A"), flat.text)).collect()
        };
        let tree = &parse_yaml(yaml).unwrap()[0];
        assert_eq!(keys(of_tree(tree)), keys(of_properties(properties)));
        let flats = of_properties(properties);
        assert_eq!(&properties[flats[1].span.clone()], "a.list[0] : x");
        assert!(find(&flats, "A.KEEP_ALIVE").is_some());
    }
}
