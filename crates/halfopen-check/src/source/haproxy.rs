//! A configuration of HAProxy: frontends, backends, and how they hang together.

use core::ops::Range;

use super::quantity::{MILLISECOND, as_term, time};
use crate::known;
use crate::path::{Part, Probes, Role, Stated};
use crate::place::Document;

/// One line's words, and where it stands.
struct Line<'t> {
    words: Vec<&'t str>,
    span: Range<usize>,
}

/// What begins with `defaults`, `frontend`, `backend` or `listen`.
struct Section<'t> {
    head: Line<'t>,
    lines: Vec<Line<'t>>,
}

/// Tells whether a text looks like a configuration of HAProxy.
pub(super) fn is_one(text: &str) -> bool {
    let starts = |line: &str| {
        matches!(
            line.split_whitespace().next(),
            Some("frontend" | "backend" | "listen" | "defaults")
        ) && !line.starts_with([' ', '\t'])
            && !line.contains(['{', ':', '='])
    };
    text.lines().any(starts)
}

pub(super) fn read(document: &Document) -> Vec<Part> {
    let sections = sections(&document.text);
    let defaults = sections.iter().rfind(|section| section.head.words[0] == "defaults");
    let reader = Reader { document, sections: &sections, defaults };
    reader.parts()
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut at = 0;
    let mut found: Vec<Section<'_>> = Vec::new();
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let code = line.split('#').next().unwrap_or_default().trim();
        let words: Vec<&str> = code.split_whitespace().collect();
        let Some(first) = words.first() else { continue };
        let is_head =
            matches!(*first, "global" | "defaults" | "frontend" | "backend" | "listen" | "peers");
        let line = Line { span: start..start + code.len(), words };
        if is_head {
            found.push(Section { head: line, lines: Vec::new() });
        } else if let Some(section) = found.last_mut() {
            section.lines.push(line);
        }
    }
    found
}

struct Reader<'d> {
    document: &'d Document,
    sections: &'d [Section<'d>],
    defaults: Option<&'d Section<'d>>,
}

impl Reader<'_> {
    /// Returns a part for each backend, with the frontend that leads to it, and each `listen`.
    fn parts(&self) -> Vec<Part> {
        let backends = self
            .sections
            .iter()
            .filter(|section| matches!(section.head.words[0], "backend" | "listen"));
        backends.filter_map(|backend| self.part(backend)).collect()
    }

    fn part(&self, backend: &Section<'_>) -> Option<Part> {
        let name = backend.head.words.get(1)?;
        let place = self.document.place(backend.head.span.clone());
        let mut part = known::proxy("haproxy", Role::Proxy, name, &place)?;
        let front = self.front_of(name).unwrap_or(backend);
        let accepts = part.accepts.as_mut()?;
        let idle = ["http-keep-alive", "http-request", "client"]
            .iter()
            .find_map(|name| self.timeout(front, name));
        if let Some(idle) = idle {
            accepts.idle = Some(as_term(idle));
        }
        accepts.wait = self.timeout(backend, "server");
        accepts.probes = self.option(front, "clitcpka");
        part.opens.as_mut()?.probes = self.option(backend, "srvtcpka");
        if !self.reuses(backend) {
            part.opens.as_mut()?.idle = None;
        }
        Some(part)
    }

    fn front_of(&self, backend: &str) -> Option<&Section<'_>> {
        self.sections.iter().find(|section| {
            section.head.words[0] == "frontend"
                && section.lines.iter().any(|line| {
                    matches!(line.words[0], "default_backend" | "use_backend")
                        && line.words.get(1) == Some(&backend)
                })
        })
    }

    fn line<'s>(
        &'s self,
        section: &'s Section<'_>,
        is_meant: impl Fn(&[&str]) -> bool,
    ) -> Option<&'s Line<'s>> {
        let sections = [Some(section), self.defaults];
        let mut lines = sections.into_iter().flatten().flat_map(|section| &section.lines);
        lines.find(|line| is_meant(&line.words))
    }

    /// Returns `timeout NAME`, of the section or of the defaults; a bare number is milliseconds.
    fn timeout(&self, section: &Section<'_>, name: &str) -> Option<Stated<core::time::Duration>> {
        let line = self.line(section, |words| words.starts_with(&["timeout", name]))?;
        let value = time(line.words.get(2)?, MILLISECOND)?;
        let place = self.document.place(line.span.clone());
        Some(Stated::written(value, place, &format!("timeout {name}")))
    }

    /// Returns the probes that an option switches on, with the system's times.
    fn option(&self, section: &Section<'_>, name: &str) -> Option<Stated<Probes>> {
        let line = self.line(section, |words| words.starts_with(&["option", name]))?;
        let place = self.document.place(line.span.clone());
        Some(Stated::written(Probes::AsSystem, place, name))
    }

    fn reuses(&self, section: &Section<'_>) -> bool {
        let closes = self.line(section, |words| {
            words.starts_with(&["option", "httpclose"])
                || words.starts_with(&["option", "http-server-close"])
                || words.starts_with(&["http-reuse", "never"])
        });
        closes.is_none()
    }
}

#[cfg(test)]
mod tests {
    use halfopen_core::fact::Term;

    use super::*;

    #[test]
    fn a_backend_has_the_timeouts_of_its_frontend_and_of_the_defaults() {
        let text = "defaults\n  timeout client 30s\n  timeout server 5000\nfrontend web\n  \
                    timeout http-keep-alive 4s # short\n  default_backend app\nbackend app\n  \
                    option srvtcpka\n";
        let document = Document::new("haproxy.cfg", text);
        let parts = read(&document);
        let accepts = parts[0].accepts.as_ref().unwrap();
        let idle = accepts.idle.as_ref().unwrap();
        assert_eq!(idle.value, Term::After(core::time::Duration::from_secs(4)));
        assert_eq!(idle.place.line, 5);
        assert_eq!(accepts.wait.as_ref().unwrap().value.as_secs(), 5);
        let probes = parts[0].opens.as_ref().unwrap().probes.as_ref().unwrap();
        assert_eq!(probes.value, Probes::AsSystem);
        assert!(is_one(text) && !is_one("server:\n  port: 1\n"));
    }
}
