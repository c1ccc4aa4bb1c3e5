//! A configuration of nginx: what it keeps towards clients and towards upstreams.

use core::ops::Range;

use halfopen_core::fact::Term;

use super::SourceError;
use super::quantity::{SECOND, time};
use crate::known;
use crate::path::{Part, Probes, Role, Stated, WithoutEffect};
use crate::place::Document;

/// How deep blocks may be nested: nginx's own go to five.
const DEPTH_MAX: usize = 50;

/// One directive, with its block if it has one.
#[derive(Debug, Default)]
struct Directive {
    words: Vec<String>,
    span: Range<usize>,
    block: Vec<Directive>,
}

/// Tells whether a text looks like a configuration of nginx: a block of a name that only it has.
pub(super) fn is_one(text: &str) -> bool {
    let opens = |line: &str| {
        let line = line.trim_start();
        ["http", "server", "upstream", "events", "location"].iter().any(|name| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']) && rest.trim_end().ends_with('{'))
        })
    };
    text.lines().any(|line| opens(line.split('#').next().unwrap_or_default().trim_end()))
}

pub(super) fn read(document: &Document) -> Result<Vec<Part>, SourceError> {
    let directives = parse(document)?;
    let all = flat(&directives);
    let reader = Reader { document, all: &all };
    let upstreams: Vec<Part> = all
        .iter()
        .filter(|directive| directive.words[0] == "upstream")
        .filter_map(|upstream| reader.upstream(upstream))
        .collect();
    if !upstreams.is_empty() {
        return Ok(upstreams);
    }
    Ok(reader.plain().into_iter().collect())
}

struct Reader<'d> {
    document: &'d Document,
    all: &'d [&'d Directive],
}

impl Reader<'_> {
    /// Returns nginx as it stands before one upstream.
    fn upstream(&self, upstream: &Directive) -> Option<Part> {
        let name = upstream.words.get(1)?;
        let place = self.document.place(upstream.span.clone());
        let mut part = known::proxy("nginx-proxy", Role::Proxy, name, &place)?;
        self.set_accepts(&mut part);
        let opens = part.opens.as_mut()?;
        if let Some(idle) = upstream.block.iter().find_map(|directive| self.idle(directive)) {
            opens.idle = Some(idle);
        }
        if let Some(on) = self.find("proxy_socket_keepalive") {
            let is_on = on.words.get(1).is_some_and(|word| word == "on");
            let value = if is_on { Probes::AsSystem } else { Probes::Off };
            opens.probes = Some(self.stated(on, value));
        }
        let keepalive = upstream.block.iter().find(|directive| directive.words[0] == "keepalive");
        part.without_effect.extend(keepalive.and_then(|keepalive| self.useless(keepalive)));
        Some(part)
    }

    /// Returns nginx without a named upstream: what it keeps towards clients.
    fn plain(&self) -> Option<Part> {
        let place = self.document.place(self.all.first()?.span.clone());
        let mut part = known::proxy("nginx-proxy", Role::Proxy, "nginx", &place)?;
        self.set_accepts(&mut part);
        Some(part)
    }

    /// Takes the shortest time that any server of the file keeps connections for.
    fn set_accepts(&self, part: &mut Part) {
        let outside = |directive: &&&Directive| !self.is_in_upstream(directive);
        let timers = self.all.iter().filter(outside).filter_map(|directive| self.idle(directive));
        let shortest = timers.min_by_key(|timer| timer.value);
        let wait = self.find("proxy_read_timeout").and_then(|directive| {
            Some(self.stated(directive, time(directive.words.get(1)?, SECOND)?))
        });
        let Some(accepts) = part.accepts.as_mut() else { return };
        // Zero means that no connection is kept at all, so that nobody meets a timer.
        match shortest {
            Some(Stated { value: Term::After(time), .. }) if time.is_zero() => accepts.idle = None,
            Some(shortest) => accepts.idle = Some(shortest),
            None => {}
        }
        if wait.is_some() {
            accepts.wait = wait;
        }
    }

    fn is_in_upstream(&self, directive: &Directive) -> bool {
        self.all.iter().any(|upstream| {
            upstream.words[0] == "upstream"
                && upstream.block.iter().any(|inner| inner.span == directive.span)
        })
    }

    fn idle(&self, directive: &Directive) -> Option<Stated<Term>> {
        let [name, value, ..] = directive.words.as_slice() else { return None };
        (name == "keepalive_timeout").then_some(())?;
        Some(self.stated(directive, Term::After(time(value, SECOND)?)))
    }

    /// Says that `keepalive` keeps nothing, where requests go out as HTTP/1.0 or say `close`.
    fn useless(&self, keepalive: &Directive) -> Option<WithoutEffect> {
        let speaks_1_1 = self
            .find("proxy_http_version")
            .is_some_and(|version| version.words.get(1).is_some_and(|word| word != "1.0"));
        let clears = self.all.iter().any(|directive| {
            let [name, field, value, ..] = directive.words.as_slice() else { return false };
            name == "proxy_set_header"
                && field.eq_ignore_ascii_case("connection")
                && !value.eq_ignore_ascii_case("close")
        });
        let proxies = self.find("proxy_pass").is_some();
        let since = known::fact("nginx-proxy", "other.pools-by-default-since")?;
        (proxies && !(speaks_1_1 && clears)).then(|| WithoutEffect {
            place: self.document.place(keepalive.span.clone()),
            message: format!(
                "keepalive keeps nothing before nginx {}: requests say `close`",
                since.value
            ),
            fix: "set proxy_http_version 1.1 and proxy_set_header Connection \"\"".to_owned(),
            source: since.source.url.clone(),
        })
    }

    fn find(&self, name: &str) -> Option<&Directive> {
        self.all.iter().find(|directive| directive.words[0] == name).copied()
    }

    fn stated<T>(&self, directive: &Directive, value: T) -> Stated<T> {
        let place = self.document.place(directive.span.clone());
        Stated::written(value, place, &directive.words[0])
    }
}

/// Returns every directive, whatever block it stands in, in the order of the text.
fn flat(directives: &[Directive]) -> Vec<&Directive> {
    let mut found = Vec::new();
    let mut left: Vec<&Directive> = directives.iter().rev().collect();
    while let Some(directive) = left.pop() {
        found.push(directive);
        left.extend(directive.block.iter().rev());
    }
    found
}

/// Reads directives: words, then `;` or a block.
fn parse(document: &Document) -> Result<Vec<Directive>, SourceError> {
    let text = &*document.text;
    let error = |at: usize, message: &str| SourceError {
        place: document.place(at..at + 1),
        message: message.to_owned(),
    };
    let mut blocks: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let (mut done, mut open) = (Vec::new(), Directive::default());
    let mut at = 0;
    while let Some(token) = token(text, at) {
        at = token.end;
        match &text[token.clone()] {
            ";" => done.extend(finish(&mut open, token.end)),
            "{" => {
                if blocks.len() >= DEPTH_MAX {
                    return Err(error(token.start, "blocks are nested too deep"));
                }
                let head = finish(&mut open, token.start).unwrap_or_default();
                blocks.push((head, core::mem::take(&mut done)));
            }
            "}" => {
                let (mut head, before) =
                    blocks.pop().ok_or_else(|| error(token.start, "`}` closes nothing"))?;
                head.block = core::mem::replace(&mut done, before);
                done.extend((!head.words.is_empty()).then_some(head));
            }
            word => {
                if open.words.is_empty() {
                    open.span.start = token.start;
                }
                open.words.push(word.trim_matches(['"', '\'']).to_owned());
            }
        }
    }
    if let Some((head, _)) = blocks.pop() {
        return Err(error(head.span.start, "the block has no end"));
    }
    Ok(done)
}

fn finish(open: &mut Directive, end: usize) -> Option<Directive> {
    let mut directive = core::mem::take(open);
    directive.span.end = end;
    (!directive.words.is_empty()).then_some(directive)
}

/// Returns the next token from `at` on: `;`, `{`, `}`, or a word, which may be quoted.
fn token(text: &str, mut at: usize) -> Option<Range<usize>> {
    loop {
        let rest = text.get(at..)?;
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        let rest = &rest[blank..];
        if !rest.starts_with('#') {
            break;
        }
        at += rest.find('\n').unwrap_or(rest.len());
    }
    let rest = &text[at..];
    let first = rest.chars().next()?;
    let length = match first {
        ';' | '{' | '}' => 1,
        '"' | '\'' => quoted(rest, first),
        _ => word(rest),
    };
    Some(at..at + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text[1..].find(|c| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Returns the length of a bare word; `${name}` belongs to it.
fn word(text: &str) -> usize {
    let mut in_variable = false;
    let mut before = ' ';
    let end = text.find(|c: char| {
        in_variable |= c == '{' && before == '$';
        let ends = (c.is_whitespace() || matches!(c, ';' | '{' | '}')) && !in_variable;
        in_variable &= c != '}' && !c.is_whitespace();
        before = c;
        ends
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_directives_in_blocks() {
        let text = "http { # note\n  map $a ${b}_c { default \"x;{\"; }\n  \
                    keepalive_timeout 75s 60s;\n}\n";
        let document = Document::new("nginx.conf", text);
        let directives = parse(&document).unwrap();
        let names: Vec<_> = flat(&directives).iter().map(|one| one.words.join(" ")).collect();
        assert_eq!(names, ["http", "map $a ${b}_c", "default x;{", "keepalive_timeout 75s 60s"]);
        assert!(is_one(text) && !is_one("a: {b: 1}\nserver: x\n"));
    }

    #[test]
    fn what_does_not_match_is_an_error_with_its_place() {
        let error = |text| parse(&Document::new("n", text)).unwrap_err().to_string();
        assert_eq!(error("a;\n}"), "n:2:1: `}` closes nothing");
        assert_eq!(error("http {\n a b;\n"), "n:1:1: the block has no end");
        assert!(error(&"a {".repeat(1000)).contains("too deep"));
    }
}
