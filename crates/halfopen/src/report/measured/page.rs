//! The answer as one page with a picture: no script, nothing from elsewhere.

use halfopen_measure::answer::Fate;
use maud::{Markup, html};

use super::super::html::{document, fact, figure, measured as spaced, pauses, remedy, sentence};
use super::super::untrusted::visible;
use super::{Measured, pauses as of, words};
use crate::report::html::pauses::{Mark, Pauses, Row};
use crate::report::remedy::Limit;

/// Prints an answer as a page.
pub(crate) fn page(measured: &Measured) -> String {
    let headline = words::headline(measured);
    let kind = match measured.outcome {
        "limit" => "verdict",
        "at-least" => "verdict good",
        _ => "verdict mild",
    };
    let body = html! {
        h1 { "halfopen measure " code { (visible(&measured.target)) } }
        main {
            section.path {
                div class=(kind) {
                    h2 { (spaced(&headline)) }
                    @if let Some(why) = &measured.because { p { (spaced(&sentence(why))) } }
                    @if let Some(how) = words::shows(measured) { p { (spaced(&sentence(how))) } }
                }
                (facts(measured))
                @if let Some(advice) = &measured.advice {
                    div.fix { h3 { "What to do" } (remedy(advice)) }
                }
                h3 { "What became of connections after each pause" }
                (figure(&pauses::chart(&picture(measured)), &caption(measured)))
                (open(measured))
                (evidence(measured))
                h3 { "What it took" }
                p { (spaced(&sentence(&words::effort(measured)))) " It began at "
                    (measured.began) " UTC, and asked " (visible(&measured.address)) "." }
            }
        }
    };
    document(&headline, &body)
}

fn facts(measured: &Measured) -> Markup {
    html! {
        dl.facts {
            @if let Some(died) = measured.limit.died_s {
                (fact("A pause that is fatal", &died.exact()))
            }
            @if let Some(survived) = measured.limit.survived_s {
                (fact("A pause that is survived", &survived.exact()))
            }
            @if let Some(who) = words::who(measured) { (fact("Who ends it", who)) }
            @if let Some(class) = words::class(measured) { (fact("What keeps it", class)) }
        }
    }
}

fn picture(measured: &Measured) -> Pauses {
    let row = |label, mark, words, fates: &[Fate], probed| Row {
        label,
        mark,
        words,
        pauses: of(measured, |sample| sample.probed == probed && fates.contains(&sample.fate)),
    };
    let all = [
        row("reset", Mark::Cross, "reset after", &[Fate::Reset], false),
        row("silence", Mark::Cross, "silent after", &[Fate::Silent, Fate::EndedSilent], false),
        row("idle: reset", Mark::Cross, "reset while idle, after", &[Fate::EndedReset], false),
        row("idle: FIN", Mark::Bar, "closed while idle, after", &[Fate::EndedClosed], false),
        row("closed", Mark::Bar, "closed after", &[Fate::Closed], false),
        row("survived", Mark::Dot, "survived", &[Fate::Survived], false),
        row("with probes", Mark::Dot, "survived with TCP keepalive,", &[Fate::Survived], true),
        row(
            "with probes",
            Mark::Cross,
            "died with TCP keepalive, after",
            &[
                Fate::Reset,
                Fate::Silent,
                Fate::Closed,
                Fate::EndedReset,
                Fate::EndedClosed,
                Fate::EndedSilent,
            ],
            true,
        ),
    ];
    let fits = measured.limits.iter().flat_map(|limit| &limit.fits);
    Pauses {
        rows: all.into_iter().filter(|row| !row.pauses.is_empty()).collect(),
        survived: measured.limit.survived_s.map(|pause| pause.0),
        died: measured.limit.died_s.map(|pause| pause.0),
        title: words::limit(measured.limit),
        timers: fits.map(|fit| (fit.timer_s.0, fit.title.clone())).collect(),
    }
}

fn caption(measured: &Measured) -> String {
    let fits = measured.limits.iter().filter_map(Limit::sentence).map(|it| sentence(&it));
    let fits: Vec<String> = fits.collect();
    if fits.is_empty() {
        return "Each mark is a connection.".to_owned();
    }
    format!("Each mark is a connection. Blue lines are timers of products: {}", fits.join(" "))
}

/// What is open, and what else should be known.
fn open(measured: &Measured) -> Markup {
    html! {
        @if !measured.unknown.is_empty() {
            h3 { "What could not be known" }
            ul { @for unknown in &measured.unknown { li { (spaced(&sentence(unknown))) } } }
        }
        @for remark in &measured.remarks { p.note { (spaced(&sentence(remark))) } }
    }
}

fn evidence(measured: &Measured) -> Markup {
    let packets = &measured.packets;
    html! {
        @if let Some(says) = &packets.says {
            h3 { "What the packets say" }
            p { (spaced(&sentence(says))) }
        }
        @if !packets.evidence.is_empty() {
            div.wide tabindex="0" { table {
                thead { tr { th { "time (UTC)" } th { "what it shows" } } }
                tbody {
                    @for super::Fact { at, fact } in &packets.evidence {
                        tr { td.time { (at) } td { (visible(fact)) } }
                    }
                }
            } }
        }
    }
}
