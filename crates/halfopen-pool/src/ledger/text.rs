//! A ledger as a text that people can read, and back.

use core::fmt::Write as _;

use halfopen_core::estimate::Sample;
use halfopen_core::profile::DocumentError;
use halfopen_core::time::Duration;
use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use super::knowledge::{Ended, Fatal, Knowledge, RELAPSES_MAX, Suspicion};
use super::{Ledger, LedgerConfig};
use crate::name::PathName;

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// No pause is longer than this: a year.
const PAUSE_MAX: Duration = Duration::from_hours(365 * 24);
/// No name is longer than this, in bytes.
const NAME_MAX: usize = 2_048;
/// No text is longer than this, in bytes.
const TEXT_MAX: usize = 64 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: Spanned<u32>,
    #[serde(default)]
    path: Vec<PathText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathText {
    to: Spanned<String>,
    from: Option<Spanned<String>>,
    #[serde(default)]
    packets: KnowledgeText,
    #[serde(default)]
    data: KnowledgeText,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnowledgeText {
    survived: Option<Quantity>,
    died: Option<DeathText>,
    suspected: Option<EndText>,
    ended: Option<EndText>,
    #[serde(default)]
    relapses: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeathText {
    after: Quantity,
    at: Quantity,
    #[serde(default)]
    is_timer: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndText {
    after: Quantity,
    at: Quantity,
}

/// A duration or a moment as text, and where it stands.
type Quantity = Spanned<String>;

impl Ledger {
    /// Returns what is known as a text, which [`parse`](Self::parse) reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# What is known of how long paths remember idle connections.\nformat = {FORMAT}\n"
        );
        for (path, page) in self.by_use.values().filter_map(|path| self.paths.get_key_value(path)) {
            let _ = write!(text, "\n[[path]]\nto = {}\n", quoted(&path.destination));
            if let Some(source) = &path.source {
                let _ = writeln!(text, "from = {}", quoted(source));
            }
            for (clock, knowledge) in [("packets", &page.packets), ("data", &page.data)] {
                write_knowledge(&mut text, clock, knowledge);
            }
        }
        text
    }

    /// Reads what [`to_text`](Self::to_text) wrote. If it has more paths than `config` allows,
    /// those used last are kept. Moments after `now` are not believed: they are taken for `now`.
    ///
    /// # Errors
    ///
    /// Any other text is an error that names the place and says what is wrong there.
    pub fn parse(text: &str, now: Timestamp, config: LedgerConfig) -> Result<Self, DocumentError> {
        if text.len() > TEXT_MAX {
            let message = format!("the text is longer than {} MiB", TEXT_MAX >> 20);
            return Err(DocumentError::new(text, 0..0, message));
        }
        let document: Document = toml::from_str(text).map_err(|error| {
            let message = error.message().replace('\n', ", ");
            DocumentError::new(text, error.span().unwrap_or(0..0), message)
        })?;
        if *document.format.get_ref() != FORMAT {
            let message = format!(
                "format {} is not known, only {FORMAT}; remove the file to learn again",
                document.format.get_ref()
            );
            return Err(DocumentError::new(text, document.format.span(), message));
        }
        let reader = Reader { text, now };
        let mut ledger = Self::new(config);
        for entry in document.path {
            let path = reader.name(&entry)?;
            if ledger.paths.contains_key(&path) {
                return Err(reader.error(&entry.to, "the path stands here a second time"));
            }
            let (packets, data) =
                (reader.knowledge(&entry.packets)?, reader.knowledge(&entry.data)?);
            let page = ledger.page(&path);
            (page.packets, page.data) = (packets, data);
        }
        Ok(ledger)
    }
}

struct Reader<'a> {
    text: &'a str,
    now: Timestamp,
}

impl Reader<'_> {
    fn name(&self, entry: &PathText) -> Result<PathName, DocumentError> {
        let name = |text: &Spanned<String>| match text.get_ref().as_str() {
            "" => Err(self.error(text, "a name is empty")),
            long if long.len() > NAME_MAX => {
                Err(self.error(text, &format!("a name is longer than {NAME_MAX} bytes")))
            }
            name => Ok(name.into()),
        };
        let source = entry.from.as_ref().map(name).transpose()?;
        Ok(PathName { destination: name(&entry.to)?, source })
    }

    fn knowledge(&self, text: &KnowledgeText) -> Result<Knowledge, DocumentError> {
        let mut knowledge = Knowledge {
            relapses: text.relapses.min(RELAPSES_MAX),
            suspicion: text.suspected.as_ref().map(|it| self.suspicion(it)).transpose()?,
            ended: text.ended.as_ref().map(|it| self.ended(it)).transpose()?,
            ..Knowledge::default()
        };
        let survived = text.survived.as_ref().map(|it| self.pause(it)).transpose()?;
        if let Some(pause) = survived {
            knowledge.bracket.record(Sample::Survived(pause));
        }
        if let Some(DeathText { after, at, is_timer }) = &text.died {
            let pause = self.pause(after)?;
            if survived.is_some_and(|survived| pause <= survived) {
                let message = "a pause as long or longer was survived: one of the two is wrong";
                return Err(self.error(after, message));
            }
            knowledge.bracket.record(Sample::Died(pause));
            knowledge.fatal = Some(Fatal { at: self.moment(at)?, is_timer: *is_timer });
        }
        Ok(knowledge)
    }

    fn suspicion(&self, EndText { after, at }: &EndText) -> Result<Suspicion, DocumentError> {
        Ok(Suspicion { pause: self.pause(after)?, at: self.moment(at)? })
    }

    fn ended(&self, EndText { after, at }: &EndText) -> Result<Ended, DocumentError> {
        Ok(Ended { pause: self.pause(after)?, at: self.moment(at)? })
    }

    fn pause(&self, text: &Quantity) -> Result<Duration, DocumentError> {
        let pause = humantime::parse_duration(text.get_ref()).map_err(|why| {
            let message = format!("`{}` is not a duration: {why}", text.get_ref());
            self.error(text, &message)
        })?;
        if pause > PAUSE_MAX {
            return Err(self.error(text, "a pause is longer than a year"));
        }
        Ok(pause)
    }

    fn moment(&self, text: &Quantity) -> Result<Timestamp, DocumentError> {
        let moment = text.get_ref().parse().map_err(|_| {
            let message =
                format!("`{}` is not a moment such as \"2026-01-17T09:20:00Z\"", text.get_ref());
            self.error(text, &message)
        });
        moment.map(|moment: Timestamp| moment.min(self.now))
    }

    fn error(&self, at: &Spanned<String>, message: &str) -> DocumentError {
        DocumentError::new(self.text, at.span(), message)
    }
}

fn write_knowledge(text: &mut String, clock: &str, knowledge: &Knowledge) {
    let Knowledge { bracket, fatal, suspicion, ended, relapses, .. } = knowledge;
    let pause = |pause| format!("\"{}\"", humantime::format_duration(pause));
    let end = |key, after, at| format!("{key} = {{ after = {}, at = \"{at}\" }}", pause(after));
    let mut facts = Vec::new();
    facts.extend(bracket.survived().map(|survived| format!("survived = {}", pause(survived))));
    facts.extend(bracket.died().zip(*fatal).map(|(died, Fatal { at, is_timer })| {
        let after = pause(died);
        format!("died = {{ after = {after}, at = \"{at}\", is_timer = {is_timer} }}")
    }));
    facts.extend(suspicion.map(|Suspicion { pause, at }| end("suspected", pause, at)));
    facts.extend(ended.map(|Ended { pause, at }| end("ended", pause, at)));
    if *relapses > 0 {
        facts.push(format!("relapses = {relapses}"));
    }
    if !facts.is_empty() {
        let _ = writeln!(text, "{clock} = {{ {} }}", facts.join(", "));
    }
}

/// Returns a name as a TOML basic string.
fn quoted(name: &str) -> String {
    let mut quoted = String::from("\"");
    for character in name.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
