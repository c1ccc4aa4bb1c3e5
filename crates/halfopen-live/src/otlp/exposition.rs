//! Metrics as this program writes them for Prometheus, read back.
//!
//! The registry can be walked by its own encoder only, whose text is `OpenMetrics` 1.0: one
//! `# TYPE` a family, its samples behind it, and nothing in between. This reads that and no more.

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Samples of one name.
#[derive(Debug, PartialEq)]
pub(super) struct Family<'a> {
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) unit: &'a str,
    pub(super) kind: Kind,
    pub(super) samples: Vec<Sample<'a>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    /// What follows the family's name: `_total`, `_bucket` and the like.
    pub(super) suffix: &'a str,
    pub(super) labels: Vec<(&'a str, String)>,
    pub(super) value: &'a str,
}

/// Reads all families; what cannot be read is left out.
pub(super) fn families(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut help = ("", "");
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ').unwrap_or((described, ""));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(typed) {
            let help = if help.0 == name { help.1 } else { "" };
            families.push(Family { name, help, unit: "", kind, samples: Vec::new() });
        } else if let Some(family) = families.last_mut() {
            family.read(line);
        }
    }
    families
}

fn typed(line: &str) -> Option<(&str, Kind)> {
    let (name, kind) = line.split_once(' ')?;
    let kind = match kind {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        _ => return None,
    };
    Some((name, kind))
}

impl<'a> Family<'a> {
    fn read(&mut self, line: &'a str) {
        if let Some(unit) = line.strip_prefix("# UNIT ") {
            self.unit = unit.split_once(' ').map_or("", |(_, unit)| unit);
        } else if let Some(sample) = line.strip_prefix(self.name).and_then(Sample::read) {
            self.samples.push(sample);
        }
    }
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (suffix, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(labels) => read_labels(labels)?,
            None => (Vec::new(), rest),
        };
        let value = rest.split_ascii_whitespace().next()?;
        Some(Self { suffix, labels, value })
    }
}

/// Reads labels up to the brace that ends them, and returns what follows.
fn read_labels(mut text: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches(',');
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = text.split_once("=\"")?;
        let (value, rest) = read_quoted(quoted)?;
        labels.push((name, value));
        text = rest;
    }
}

/// Reads a value up to its closing quote: a backslash stands before a quote, a backslash and the
/// `n` of a line's end.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    #[test]
    fn what_the_registry_writes_is_read_back() {
        let mut registry = Registry::default();
        let counted = family::Family::<[(&str, String); 2], Counter>::default();
        registry.register("findings", "Connections that ended badly", counted.clone());
        let odd = "a \"quoted\", \\ and\nbroken {value}";
        counted.get_or_create(&[("to", odd.to_owned()), ("cause", String::new())]).inc_by(7);
        let limit = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        limit.set(351.25);
        registry.register_with_unit("limit", "A limit", Unit::Seconds, limit);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();

        let families = families(&text);

        let [findings, limit] = families.as_slice() else { panic!("{families:?}") };
        assert_eq!((findings.name, findings.kind), ("findings", Kind::Counter));
        assert!(findings.help.starts_with("Connections that ended badly"));
        let labels = vec![("to", odd.to_owned()), ("cause", String::new())];
        assert_eq!(findings.samples, [Sample { suffix: "_total", labels, value: "7" }]);
        assert_eq!((limit.name, limit.unit, limit.kind), ("limit_seconds", "seconds", Kind::Gauge));
        assert_eq!(limit.samples[0].value, "351.25");
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let text = "# TYPE a counter\na{b=\"c\na_total\n# TYPE d summary\na_total{x=\"\\\"} 1\n";
        assert!(families(text)[0].samples.is_empty());
    }
}
