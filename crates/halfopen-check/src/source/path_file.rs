//! The project's own document: what stands where, and what no configuration file says.

use core::ops::Range;
use core::time::Duration;

use halfopen_core::fact::Term;
use serde::Deserialize;
use toml::Spanned;

use super::quantity::{SECOND, time};
use super::{SourceError, flat};
use crate::known;
use crate::path::{Accepts, Forgets, Opens, Part, Path, Probes, Role, Stated, Then, WithoutEffect};
use crate::place::{Document, Place};
use crate::schedule;

/// Stands for a product of which nothing is known.
const ANY: &str = "any";

/// A path file, read and not yet joined with the other documents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathFile {
    #[serde(default)]
    path: Vec<PathText>,
    #[serde(default)]
    pub(crate) allow: Vec<Exemption>,
}

/// Findings that are not to count, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exemption {
    pub(crate) rule: Spanned<String>,
    pub(crate) reason: String,
    /// On this path only.
    pub(crate) path: Option<String>,
    /// Where this document is concerned only.
    pub(crate) file: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathText {
    name: String,
    part: Vec<Spanned<PartText>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PartText {
    client: Option<Spanned<String>>,
    r#box: Option<Spanned<String>>,
    proxy: Option<Spanned<String>>,
    server: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    name: Option<String>,
    idle_max: Option<Spanned<Said>>,
    keepalive: Option<Spanned<Said>>,
    request_max: Option<Spanned<Said>>,
    connections: Option<Spanned<Said>>,
    instances: Option<Spanned<Said>>,
    schedule: Option<Spanned<Said>>,
    period: Option<Spanned<Said>>,
    timer: Option<Spanned<bool>>,
}

/// A value, or where another document has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Number(u64),
    Text(String),
    Elsewhere { file: String, key: String },
}

/// What the other documents have.
pub(crate) struct Others<'o> {
    pub(crate) documents: Vec<&'o Document>,
    pub(crate) parts: Vec<&'o Part>,
}

impl PathFile {
    /// Reads a path file; `None` if the TOML is none: it has neither a path nor an exemption.
    pub(super) fn parse(document: &Document) -> Result<Option<Self>, SourceError> {
        let text = &*document.text;
        if !(text.contains("[[path]]") || text.contains("[[allow]]")) {
            return Ok(None);
        }
        toml::from_str(text).map(Some).map_err(|error| SourceError {
            place: document.place(error.span().unwrap_or(0..0)),
            message: error.message().replace('\n', ", "),
        })
    }

    /// Returns the paths that it lays out over what the other documents have.
    pub(crate) fn paths(
        &self,
        document: &Document,
        others: &Others<'_>,
    ) -> Result<Vec<Path>, SourceError> {
        let path = |path: &PathText| {
            let part = |part: &Spanned<PartText>| {
                Writer { document, others, text: part.get_ref() }.part(part.span())
            };
            let parts = path.part.iter().map(part).collect::<Result<_, _>>()?;
            Ok(Path { name: path.name.clone(), parts })
        };
        self.path.iter().map(path).collect()
    }

    pub(crate) fn lays_out_paths(&self) -> bool {
        !self.path.is_empty()
    }
}

struct Writer<'w> {
    document: &'w Document,
    others: &'w Others<'w>,
    text: &'w PartText,
}

/// A value's text and where it stands.
struct Quote {
    text: String,
    place: Place,
    setting: String,
}

impl Writer<'_> {
    fn part(&self, span: Range<usize>) -> Result<Part, SourceError> {
        let PartText { client, r#box, proxy, server, from, .. } = self.text;
        let mut named = [client, r#box, proxy, server, from].into_iter().flatten();
        let (Some(product), None) = (named.next(), named.next()) else {
            return Err(self.error(span, "a part is one of client, box, proxy, server and from"));
        };
        let mut part = self.bare(product)?;
        if let Some(name) = &self.text.name {
            part.name.clone_from(name);
        }
        self.fill(&mut part, product.get_ref())?;
        Ok(part)
    }

    /// Returns the part as it is by default, or as another document has it.
    fn bare(&self, product: &Spanned<String>) -> Result<Part, SourceError> {
        let place = self.document.place(product.span());
        let name = product.get_ref();
        let called = self.text.name.as_deref().unwrap_or_default();
        if name == ANY {
            return self.unknown_product(product.span(), place);
        }
        let (part, kind) = if self.text.client.is_some() {
            (known::client(name, called, &place), "client")
        } else if self.text.r#box.is_some() {
            (known::gate(name, called, &place), "box")
        } else if self.text.proxy.is_some() {
            (known::proxy(name, Role::Proxy, called, &place), "proxy")
        } else if self.text.server.is_some() {
            (known::server(name, called, &place), "server")
        } else {
            (self.declared(name), "part of another document")
        };
        part.ok_or_else(|| {
            let message = format!("there is no {kind} `{name}`; {}", self.known(kind));
            self.error(product.span(), &message)
        })
    }

    /// Returns a part of which only that is known which is written here.
    fn unknown_product(&self, span: Range<usize>, place: Place) -> Result<Part, SourceError> {
        let part = |role, title| Part::new(role, "", title, place.clone());
        let opens = Some(Opens::default());
        let accepts = Some(Accepts::default());
        if self.text.client.is_some() {
            return Ok(Part { opens, ..part(Role::Client, "the client") });
        }
        if self.text.proxy.is_some() {
            return Ok(Part { accepts, opens, ..part(Role::Proxy, "the proxy") });
        }
        if self.text.server.is_some() {
            return Ok(Part { accepts, ..part(Role::Server, "the server") });
        }
        let idle = self.stated(self.text.idle_max.as_ref(), seconds)?;
        let missing = || self.error(span, "of any box one must know its idle-max");
        let after = idle.filter(|_| self.text.r#box.is_some()).ok_or_else(missing)?;
        let forgets = Forgets { after, counts_probes: true, then: Then::Silent, ports: None };
        Ok(Part { forgets: Some(forgets), ..part(Role::Gate, "the box") })
    }

    /// Returns the part that another document calls so, or so at its end.
    fn declared(&self, name: &str) -> Option<Part> {
        let exact = self.others.parts.iter().find(|part| part.name == name);
        let ends = |part: &&&Part| {
            part.name.strip_suffix(name).is_some_and(|rest| rest.ends_with(['.', '/']))
        };
        exact.or_else(|| self.others.parts.iter().find(ends)).map(|part| (*part).clone())
    }

    fn known(&self, kind: &str) -> String {
        if kind != "part of another document" {
            return "`halfopen profiles list` names those that are known".to_owned();
        }
        let mut names: Vec<&str> = self.others.parts.iter().map(|part| &*part.name).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return "the other documents declare none".to_owned();
        }
        format!("they declare {}", names.join(", "))
    }

    fn fill(&self, part: &mut Part, product: &str) -> Result<(), SourceError> {
        let idle = self.stated(self.text.idle_max.as_ref(), term)?;
        let probes = self.stated(self.text.keepalive.as_ref(), probes)?;
        let wait = self.stated(self.text.request_max.as_ref(), seconds)?;
        if let (Some(forgets), Some(idle)) = (part.forgets.as_mut(), &idle)
            && let Term::After(after) = idle.value
        {
            forgets.after =
                Stated { value: after, place: idle.place.clone(), basis: idle.basis.clone() };
        }
        if let Some(accepts) = part.accepts.as_mut() {
            accepts.idle = idle.clone().or(accepts.idle.take());
            accepts.wait = wait.clone().or(accepts.wait.take());
            // A server that says how long it keeps connections says what it was set to.
            if part.opens.is_none() {
                accepts.probes = probes.clone().or(accepts.probes.take());
            }
        }
        if let Some(opens) = part.opens.as_mut() {
            opens.idle = idle.clone().or(opens.idle.take());
            opens.probes = probes.or(opens.probes.take());
            if part.accepts.is_none() {
                opens.wait = wait.or(opens.wait.take());
            }
            opens.period = self.period()?.or(opens.period.take());
            opens.connections = self.connections()?.or(opens.connections.take());
        }
        if let (Some(timer), Some(idle)) = (&self.text.timer, idle)
            && !timer.get_ref()
        {
            part.without_effect.push(without_timer(product, idle.place));
        }
        Ok(())
    }

    fn period(&self) -> Result<Option<Stated<Duration>>, SourceError> {
        let schedule = self.stated(self.text.schedule.as_ref(), schedule::period)?;
        Ok(schedule.or(self.stated(self.text.period.as_ref(), seconds)?))
    }

    /// Returns how many connections all instances may have together.
    fn connections(&self) -> Result<Option<Stated<u64>>, SourceError> {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let each = self.stated(self.text.connections.as_ref(), number)?;
        let instances = self.stated(self.text.instances.as_ref(), number)?;
        let instances = instances.map_or(1, |instances| instances.value);
        Ok(each.map(|each| Stated { value: each.value.saturating_mul(instances), ..each }))
    }

    /// Returns a value that is written here or elsewhere; one that is elsewhere and missing there
    /// is nobody's, so that the default holds.
    fn stated<T>(
        &self,
        said: Option<&Spanned<Said>>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Stated<T>>, SourceError> {
        let Some(said) = said else { return Ok(None) };
        let Some(quote) = self.quote(said)? else { return Ok(None) };
        let value = read(&quote.text).ok_or_else(|| SourceError {
            message: format!("`{}` cannot be read as what belongs here", quote.text),
            place: quote.place.clone(),
        })?;
        Ok(Some(Stated::written(value, quote.place, &quote.setting)))
    }

    fn quote(&self, said: &Spanned<Said>) -> Result<Option<Quote>, SourceError> {
        let here = |text: String| {
            let place = self.document.place(said.span());
            Some(Quote { text, place, setting: String::new() })
        };
        let (file, key) = match said.get_ref() {
            Said::Number(number) => return Ok(here(number.to_string())),
            Said::Text(text) => return Ok(here(text.clone())),
            Said::Elsewhere { file, key } => (file, key),
        };
        let ends = |document: &&&Document| {
            let rest = document.name.strip_suffix(file.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let other = self.others.documents.iter().find(ends).ok_or_else(|| {
            self.error(
                said.span(),
                &format!("`{file}` is not among the documents: name it as well"),
            )
        })?;
        let flats = flat::of_document(other);
        Ok(flat::find(&flats, key).map(|flat| Quote {
            text: flat.text.clone(),
            place: other.place(flat.span.clone()),
            setting: key.clone(),
        }))
    }

    fn error(&self, span: Range<usize>, message: &str) -> SourceError {
        SourceError { place: self.document.place(span), message: message.to_owned() }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    time(text, SECOND)
}

fn term(text: &str) -> Option<Term> {
    if text == "never" {
        return Some(Term::Never);
    }
    seconds(text).map(Term::After)
}

fn probes(text: &str) -> Option<Probes> {
    match text {
        "off" | "false" => Some(Probes::Off),
        "on" | "true" => Some(Probes::AsSystem),
        _ => seconds(text).map(Probes::After),
    }
}

fn without_timer(client: &str, place: Place) -> WithoutEffect {
    WithoutEffect {
        place,
        message: format!(
            "{client} has no timer, so nothing closes idle connections when this says"
        ),
        fix: "give the pool a timer (hyper-util: pool_timer(TokioTimer::new()))".to_owned(),
        source: "https://github.com/smithy-lang/smithy-rs/pull/4284".to_owned(),
    }
}
