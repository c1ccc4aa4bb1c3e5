//! The report as one page with pictures: no script, nothing from elsewhere.
//!
//! Host names, headers and lines of logs are written by others, so all text is escaped, and the
//! page forbids itself scripts and the network.

mod bracket;
pub(super) mod pauses;
mod sequence;
mod timelines;

use halfopen_core::cause::{Cause, Harm};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::picture::{Picture, Pictures};
use super::remedy::Advice;
use super::untrusted::visible;
use super::{Capture, Evidence, Line, Log, Path, Report, Settles, Suspect, advice};

const STYLE: &str = include_str!("html/page.css");
/// What the page may load: nothing but its own style.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// Paths told whole; there is a line for each of the rest, up to a limit.
const PATHS_MAX: usize = 20;
const LISTED_MAX: usize = 200;
/// Connections of a path whose packets are drawn, and how many of them without being asked.
const SEQUENCES_MAX: usize = 4;
const SEQUENCES_OPEN: usize = 1;

/// Prints a report as a page.
pub(crate) fn html(report: &Report, pictures: &Pictures, unseen: Option<&str>) -> String {
    let (troubled, healthy): (Vec<_>, Vec<_>) =
        report.paths.iter().enumerate().partition(|(_, path)| path.cause != Cause::None);
    let (told, listed) = troubled.split_at(troubled.len().min(PATHS_MAX));
    let body = html! {
        h1 { "halfopen diagnose " (sources(report)) }
        main {
            @if let Some(why) = unseen.filter(|_| !troubled.is_empty()) {
                p.note { "There is no picture of single connections: " (visible(why)) }
            }
            @for &(index, path) in told {
                (trouble(path, pictures.of(index), pictures, report))
            }
            (others(listed, &healthy))
            @if report.paths.is_empty() {
                section.verdict.mild {
                    h2 { "There is no TCP connection in it, so there is nothing to judge." }
                }
            }
            (read(report))
        }
    };
    document(&title(report), &body)
}

/// Wraps a body into a page of its own.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// Names the page by what is worst.
fn title(report: &Report) -> String {
    let verdict = report.paths.first().map_or("Nothing to judge.".to_owned(), advice::headline);
    visible(&verdict).into_owned()
}

fn sources(report: &Report) -> Markup {
    let files: Vec<&str> = report.captures.iter().map(|capture| capture.file.as_str()).collect();
    let files = files.into_iter().chain(report.logs.iter().map(|log| log.file.as_str()));
    let all: Vec<&str> = files.collect();
    html! {
        @for file in all.iter().take(3) { code { (visible(file)) } " " }
        @if all.len() > 3 { "and " (all.len() - 3) " more" }
    }
}

/// A path with which something is wrong: the verdict, pictures of it, what shows it, what to do.
fn trouble(path: &Path, picture: Option<&Picture>, all: &Pictures, report: &Report) -> Markup {
    let kind = match path.harm {
        Harm::Failed => "verdict",
        Harm::Masked | Harm::Latent | Harm::None => "verdict mild",
    };
    html! {
        section.path {
            div class=(kind) {
                h2 { (visible(&advice::headline(path))) }
                p { (measured(&sentence(&path.because))) }
            }
            (facts(path))
            (fix(path))
            @if let Some(picture) = picture { (pictures(path, picture, all, report)) }
            (suspects(&path.suspects, report))
            (evidence(&path.evidence, &path.lines, report))
            @for note in &path.notes { p.note { (visible(note)) } }
        }
    }
}

/// What to change: in the client's own words if it is known.
fn fix(path: &Path) -> Markup {
    let own = path.advice.as_ref();
    let general = advice::next(path).filter(|_| own.is_none_or(|own| own.cap_s.is_none()));
    html! {
        @if general.is_some() || own.is_some() {
            div.fix {
                h3 { "What to do" }
                @if let Some(next) = general { p { (measured(&sentence(&next))) } }
                @if let Some(own) = own { (remedy(own)) }
            }
        }
    }
}

pub(super) fn remedy(own: &Advice) -> Markup {
    html! {
        @if let Some(client) = &own.client {
            p.faint { "For " (visible(&client.title)) ", known by " (visible(&client.by)) ":" }
        }
        ol {
            @for step in &own.steps {
                li {
                    p { (measured(&sentence(&step.what))) }
                    @if let Some(setting) = &step.setting { p { code { (visible(setting)) } } }
                    @if let Some(snippet) = &step.snippet { pre { code { (lines(snippet)) } } }
                    @if let Some(note) = &step.note { p.faint { (measured(note)) } }
                    @if let Some(source) = &step.source { p.faint { (visible(source)) } }
                }
            }
        }
        @if !own.warnings.is_empty() { p { strong { "What does not help here" } } }
        ul {
            @for warning in &own.warnings {
                li { (measured(&warning.what)) ": " (measured(&warning.why)) }
            }
        }
    }
}

/// Makes text visible that has several lines.
fn lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(visible).collect();
    lines.join("\n")
}

fn facts(path: &Path) -> Markup {
    let mechanism = path.mechanism.map_or(String::new(), |how| format!(", {how}"));
    html! {
        dl.facts {
            (fact("What it did", &advice::harm(path)))
            @if let Some(limit) = advice::limit(path) { (fact("A connection", &limit)) }
            @if let Some(who) = advice::who(path.culprit) { (fact("Who did it", who)) }
            (fact("Cause", &format!("{}{mechanism}", path.cause)))
        }
    }
}

/// A fact in a box of its own.
pub(super) fn fact(what: &str, words: &str) -> Markup {
    html! { div { dt { (what) } dd { (measured(words)) } } }
}

fn pictures(path: &Path, picture: &Picture, all: &Pictures, report: &Report) -> Markup {
    let drawn = all.drawn(picture, report);
    let mut telling: Vec<_> =
        drawn.iter().copied().filter(|one| !one.lane.packets.is_empty()).collect();
    let named = |one: &super::picture::Drawn<'_>| {
        let first = one.flow.evidence.first().map(|seen| (seen.capture, seen.frame));
        path.evidence.iter().position(|seen| Some((seen.capture, seen.frame)) == first)
    };
    telling.sort_by_key(|one| named(one).unwrap_or(usize::MAX));
    html! {
        @if let Some(chart) = bracket::chart(path, picture, report) {
            h3 { "How long may a connection be idle?" }
            @let fitting = bracket::fitting(path);
            (figure(&chart, &format!("Every pause after which a connection was used again. \
                {}", visible(&fitting))))
        }
        @if let Some(chart) = timelines::chart(&drawn) {
            h3 { "When connections were used" }
            (figure(&chart, &format!("A block is a time with packets, a dashed line a pause, a red \
                line the pause that a connection died of; × is a reset, | a close. The axis is \
                compressed: the longer nothing happens, the less room a second takes.{}",
                left_out(picture.left_out))))
        }
        @for (index, &one) in telling.iter().take(SEQUENCES_MAX).enumerate() {
            @if let Some(chart) = sequence::chart(one) {
                @let caption = "Sequence numbers count from the start of the connection. How far a \
                    packet came is what follows from the evidence; the capture shows one place.";
                @if index < SEQUENCES_OPEN {
                    h3 { "What happened on " (one.flow.key) }
                    (figure(&chart, caption))
                } @else {
                    details {
                        summary { "The same on " (one.flow.key) " (" (one.flow.finding) ")" }
                        (figure(&chart, ""))
                    }
                }
            }
        }
    }
}

fn left_out(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " 1 more connection to this server is not drawn.".to_owned(),
        count => format!(" {count} more connections to this server are not drawn."),
    }
}

pub(super) fn figure(chart: &Markup, caption: &str) -> Markup {
    html! {
        figure {
            div.wide tabindex="0" { (chart) }
            @if !caption.is_empty() { figcaption { (caption) } }
        }
    }
}

/// Who could have done it, and how each stands.
fn suspects(suspects: &[Suspect], report: &Report) -> Markup {
    html! {
        @if !suspects.is_empty() {
            h3 { "Who could have done it" }
            div.wide tabindex="0" {
                table {
                    thead { tr { th { "suspect" } th { "" } th { "why" } } }
                    tbody {
                        @for one in suspects { (suspect(one, report)) }
                    }
                }
            }
        }
    }
}

fn suspect(one: &Suspect, report: &Report) -> Markup {
    html! {
        tr {
            td { (spaced(one.who)) }
            td { span class={ "badge " (one.standing) } { (spaced(one.standing)) } }
            td {
                (visible(&one.why))
                @if !one.evidence.is_empty() || !one.lines.is_empty() {
                    span.faint { " (" (places(&one.evidence, &one.lines, report)) ")" }
                }
                @if let Some(Settles { what, command }) = &one.settles {
                    p.faint { (visible(what)) }
                    @if let Some(command) = command { pre { code { (visible(command)) } } }
                }
            }
        }
    }
}

/// Names frames and lines in few words.
fn places(evidence: &[Evidence], lines: &[Line], report: &Report) -> String {
    let several = report.captures.len() > 1;
    let frame = |seen: &Evidence| {
        if several { format!("{}:{}", seen.capture, seen.frame) } else { seen.frame.to_string() }
    };
    let frames: Vec<String> = evidence.iter().map(frame).collect();
    let line = |seen: &Line| {
        let file = report.logs.get(seen.log).map_or("", |log| log.file.as_str());
        format!("{}:{}", visible(file), seen.number)
    };
    let mut all: Vec<String> = Vec::new();
    if !frames.is_empty() {
        all.push(format!("frames {}", frames.join(", ")));
    }
    all.extend(lines.iter().map(line));
    all.join("; ")
}

/// What shows it, frame by frame and line by line.
fn evidence(evidence: &[Evidence], lines: &[Line], report: &Report) -> Markup {
    let several = report.captures.len() > 1;
    html! {
        @if !evidence.is_empty() || !lines.is_empty() {
            h3 { "What shows it" }
        }
        @if !evidence.is_empty() {
            table {
                thead {
                    tr { th.number { "frame" } th { "time (UTC)" } th { "what it shows" } }
                }
                tbody {
                    @for seen in evidence {
                        tr {
                            td.number { @if several { (seen.capture) ":" } (seen.frame) }
                            td.time { (seen.at) }
                            td { (visible(&seen.fact)) }
                        }
                    }
                }
            }
        }
        @if !lines.is_empty() {
            table {
                thead { tr { th { "line" } th { "time (UTC)" } th { "what it says" } } }
                tbody {
                    @for seen in lines {
                        tr {
                            td { (places(&[], core::slice::from_ref(seen), report)) }
                            td.time { (seen.at) }
                            td { (visible(&seen.fact)) }
                        }
                    }
                }
            }
        }
    }
}

/// Servers that are not told whole: those with less trouble than others, and those without any.
fn others(listed: &[(usize, &Path)], healthy: &[(usize, &Path)]) -> Markup {
    let all: Vec<&Path> = listed.iter().chain(healthy).map(|&(_, path)| path).collect();
    let only = listed.is_empty() && healthy.len() == 1;
    html! {
        @if only {
            section.path { div.verdict.good {
                h2 { (visible(&advice::headline(all[0]))) }
                p { (visible(&advice::well(all[0]))) }
            } }
        } @else if !all.is_empty() {
            section.path {
                h3 { "Other servers" }
                table { tbody {
                    @for path in all.iter().take(LISTED_MAX) {
                        tr {
                            td { (visible(&advice::headline(path))) }
                            td { (visible(&advice::well(path))) }
                        }
                    }
                } }
                @if all.len() > LISTED_MAX {
                    p.faint { (all.len() - LISTED_MAX) " more servers are not listed." }
                }
            }
        }
    }
}

/// What was read, and what should be known of it.
fn read(report: &Report) -> Markup {
    html! {
        section {
            h3 { "What was read" }
            div.wide tabindex="0" { table {
                thead { tr {
                    th.number { "" } th { "file" } th { "" } th { "from (UTC)" } th { "to (UTC)" }
                    th { "clock ahead by" }
                } }
                tbody {
                    @for (index, capture) in report.captures.iter().enumerate() {
                        (captured(index, capture))
                    }
                    @for log in &report.logs { (logged(log)) }
                }
            } }
            @for note in &report.notes { p.note { (visible(note)) } }
            @if report.counts.untracked > 0 {
                p.note { (report.counts.untracked) " packets of connections too many to follow" }
            }
        }
    }
}

fn captured(index: usize, capture: &Capture) -> Markup {
    html! {
        tr {
            td.number { (index) }
            td {
                code { (visible(&capture.file)) }
                @for note in &capture.notes { p.note { (visible(note)) } }
            }
            td { (capture.packets) " packets" }
            td.time { @if let Some(first) = capture.first { (first) } }
            td.time { @if let Some(last) = capture.last { (last) } }
            td.time { @if let Some(clock) = capture.clock { (clock) } }
        }
    }
}

fn logged(log: &Log) -> Markup {
    html! {
        tr {
            td {}
            td {
                code { (visible(&log.file)) }
                @for note in &log.notes { p.note { (visible(note)) } }
            }
            td { (log.lines) " lines, " (log.form) }
            td.time { @if let Some(first) = log.first { (first) } }
            td.time { @if let Some(last) = log.last { (last) } }
            td.time { @if let Some(offset) = log.clock_offset_s { (offset) } }
        }
    }
}

/// Writes a word of a report as words.
fn spaced(word: &str) -> String {
    word.replace('-', " ")
}

/// Makes text visible, and keeps a number and its unit on one line.
pub(super) fn measured(text: &str) -> String {
    let mut kept = String::with_capacity(text.len() + 8);
    let mut after_digit = false;
    for c in visible(text).chars() {
        kept.push(if c == ' ' && after_digit { '\u{a0}' } else { c });
        after_digit = c.is_ascii_digit();
    }
    kept
}

/// Makes a sentence of a clause.
pub(super) fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first: String = chars.next().map_or(String::new(), |c| c.to_uppercase().collect());
    let stop = if clause.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

/// Wraps a drawing; `title` is what is read to those who do not see it.
fn svg((width, height): (f64, f64), title: &str, body: &Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (fixed(width)) " " (fixed(height)) }
            role="img" aria-label=(title) { (body) }
    }
}

/// Writes a coordinate.
fn fixed(number: f64) -> String {
    format!("{number:.1}")
}
