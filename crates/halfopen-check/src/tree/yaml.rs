//! YAML 1.2, of one document or several.

use core::ops::Range;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{DEPTH_MAX, Entry, NODES_MAX, Node, SyntaxError, Value};

/// Reads the documents of a YAML text.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut builder = Builder::new(text);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.scan_error(&error))?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

/// Builds trees from events, without recursion.
struct Builder<'t> {
    text: &'t str,
    /// The byte at which each character starts, if they are not all of one byte.
    offsets: Option<Vec<usize>>,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    left: usize,
}

/// A list or a table whose end has not come.
struct Open {
    start: usize,
    anchor: usize,
    nodes: usize,
    what: Content,
}

enum Content {
    List(Vec<Node>),
    Table { entries: Vec<Entry>, key: Option<(String, usize)> },
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let offsets = (!text.is_ascii())
            .then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect());
        Self {
            text,
            offsets,
            documents: Vec::new(),
            open: Vec::new(),
            anchors: BTreeMap::new(),
            left: NODES_MAX,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let start = self.byte(span.start.index());
        let end = self.byte(span.end.index());
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let value = if null { Value::Null } else { Value::Scalar(text.into_owned()) };
                self.add(Node { value, span: start..end }, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => {
                self.open(Open { start, anchor, nodes: 1, what: Content::List(Vec::new()) })
            }
            Event::MappingStart(anchor, _) => {
                let what = Content::Table { entries: Vec::new(), key: None };
                self.open(Open { start, anchor, nodes: 1, what })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(start, end),
            Event::Alias(anchor) => {
                let missing = || error(start..end, "it names no anchor");
                let (node, nodes) = self.anchors.get(&anchor).cloned().ok_or_else(missing)?;
                self.add(node, 0, nodes)
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {
                Ok(())
            }
        }
    }

    fn open(&mut self, open: Open) -> Result<(), SyntaxError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(error(open.start..open.start, "it is nested too deep"));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self, start: usize, end: usize) -> Result<(), SyntaxError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.what {
            Content::List(items) => Value::List(items),
            Content::Table { entries, key: _ } => Value::Table(entries),
        };
        let written = self.text.get(open.start..start).map_or(0, |text| text.trim_end().len());
        let end = end.max(open.start + written);
        self.add(Node { value, span: open.start..end }, open.anchor, open.nodes)
    }

    /// Puts a node of so many values where it belongs.
    fn add(&mut self, node: Node, anchor: usize, nodes: usize) -> Result<(), SyntaxError> {
        let too_many = error(node.span.clone(), "it has too many values");
        self.left = self.left.checked_sub(nodes).ok_or(too_many)?;
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.nodes += nodes;
        match &mut open.what {
            Content::List(items) => items.push(node),
            Content::Table { entries, key } => match key.take() {
                None => {
                    // A key that is no text is one that nobody asks for.
                    let text = node.text().unwrap_or_default().to_owned();
                    *key = Some((text, node.span.start));
                }
                Some((key, start)) => {
                    let end = match node.value {
                        Value::Scalar(_) if node.span.start >= start => node.span.end,
                        Value::Scalar(_) | Value::Null | Value::List(_) | Value::Table(_) => {
                            start + key.len()
                        }
                    };
                    entries.push(Entry { key, span: start..end, node });
                }
            },
        }
        Ok(())
    }

    /// Returns the byte at which a character stands; the parser counts characters.
    fn byte(&self, character: usize) -> usize {
        match &self.offsets {
            None => character.min(self.text.len()),
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.text.len()),
        }
    }

    fn scan_error(&self, failure: &ScanError) -> SyntaxError {
        let at = self.byte(failure.marker().index());
        error(at..at, failure.info())
    }
}

fn error(span: Range<usize>, message: &str) -> SyntaxError {
    SyntaxError { message: message.to_owned(), span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_where_they_stand_also_after_letters_of_several_bytes() {
        let text = "# für\na:\n  b: [1, two]\n---\nc: ~\n";
        let trees = parse(text).unwrap();
        let list = trees[0].at(&["a", "b"]).unwrap();
        assert_eq!(list.items()[1].text(), Some("two"));
        assert_eq!(&text[list.items()[1].span.clone()], "two");
        assert_eq!(trees[1].get("c").unwrap().value, Value::Null);
        assert_eq!(&text[trees[0].get("a").unwrap().entry("b").unwrap().span.clone()], "b");
    }

    #[test]
    fn an_alias_is_what_it_names_and_a_merged_table_fills_in() {
        let text = "d: &d {x: 1, y: 2}\ne:\n  <<: *d\n  y: 3\n";
        let tree = &parse(text).unwrap()[0];
        assert_eq!(tree.at(&["e", "x"]).and_then(Node::number), Some(1));
        assert_eq!(tree.at(&["e", "y"]).and_then(Node::number), Some(3));
    }

    #[test]
    fn a_text_that_would_grow_without_bound_is_an_error() {
        let level = |level: usize| {
            let before = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("a{level}: &a{level} [{before}]\n")
        };
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        let text: String = core::iter::once(first).chain((1..12).map(level)).collect();
        assert!(parse(&text).unwrap_err().message.contains("too many"));
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_no_yaml_is_an_error_with_its_place() {
        let error = parse("a: 1\nb: [\n").unwrap_err();
        assert!(error.span.start >= 5, "{error:?}");
    }
}
