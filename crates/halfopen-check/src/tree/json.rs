//! JSON, as RFC 8259 has it.

use jsonc_parser::ast::{self, Object};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{DEPTH_MAX, Entry, NODES_MAX, Node, SyntaxError, Value};

/// Reads a JSON text.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &strict).map_err(|error| {
        let range = error.range();
        SyntaxError { message: error.kind().to_string(), span: range.start..range.end }
    })?;
    let nothing = || SyntaxError { message: "there is nothing in it".to_owned(), span: 0..0 };
    let value = parsed.value.ok_or_else(nothing)?;
    let mut left = NODES_MAX;
    node(value, DEPTH_MAX, &mut left)
}

fn node(value: ast::Value<'_>, depth: usize, left: &mut usize) -> Result<Node, SyntaxError> {
    let range = value.range();
    let span = range.start..range.end;
    let too_much = |message: &str| SyntaxError { message: message.to_owned(), span: span.clone() };
    let depth = depth.checked_sub(1).ok_or_else(|| too_much("it is nested too deep"))?;
    *left = left.checked_sub(1).ok_or_else(|| too_much("it has too many values"))?;
    let value = match value {
        ast::Value::StringLit(text) => Value::Scalar(text.value.into_owned()),
        ast::Value::NumberLit(number) => Value::Scalar(number.value.to_owned()),
        ast::Value::BooleanLit(literal) => Value::Scalar(literal.value.to_string()),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => {
            let items = array.elements.into_iter().map(|item| node(item, depth, left));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        ast::Value::Object(object) => Value::Table(entries(object, depth, left)?),
    };
    Ok(Node { value, span })
}

fn entries(object: Object<'_>, depth: usize, left: &mut usize) -> Result<Vec<Entry>, SyntaxError> {
    let entry = |property: ast::ObjectProp<'_>| {
        let key = property.name.range();
        let node = node(property.value, depth, left)?;
        let end = match node.value {
            Value::Scalar(_) | Value::Null => node.span.end,
            Value::List(_) | Value::Table(_) => key.end,
        };
        Ok(Entry { key: property.name.into_string(), span: key.start..end, node })
    };
    object.properties.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_where_they_stand() {
        let text = r#"{"a": {"b": [1, "two", null, true]}}"#;
        let tree = parse(text).unwrap();
        let list = tree.at(&["a", "b"]).unwrap().items();
        let texts: Vec<_> = list.iter().map(Node::text).collect();
        assert_eq!(texts, [Some("1"), Some("two"), None, Some("true")]);
        assert_eq!(&text[list[1].span.clone()], "\"two\"");
    }

    #[test]
    fn what_is_no_json_is_an_error_with_its_place() {
        let error = parse("{\"a\": 1,}").unwrap_err();
        assert!(error.span.start >= 7, "{error:?}");
        assert!(parse("").is_err() && parse("{} {}").is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
