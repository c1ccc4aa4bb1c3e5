//! Holds the tables of docs/clients.md against the clients that ship.
//!
//! `UPDATE_DOCS=1 cargo test -p halfopen --test clients` writes them anew.

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use halfopen_core::client::{
    Behaviour, Client, Ending, Hint, Measured, Notice, Order, Resend, Retry,
};

#[test]
fn the_tables_of_the_clients_are_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/clients.md");
    let text = fs::read_to_string(&page).expect("docs/clients.md");
    let current = replaced(&replaced(&text, "defaults", &defaults()), "measured", &measured());
    if env::var("UPDATE_DOCS").is_ok() {
        fs::write(&page, &current).expect("docs/clients.md");
    }
    assert!(
        text == current || env::var("UPDATE_DOCS").is_ok(),
        "docs/clients.md is out of date: UPDATE_DOCS=1 cargo test -p halfopen --test clients"
    );
}

/// Returns `text` with what stands between the marks of `part` replaced by `table`.
fn replaced(text: &str, part: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let (before, rest) = text.split_once(&begin).expect("the mark of the beginning");
    let (_, after) = rest.split_once(&end).expect("the mark of the end");
    format!("{before}{begin}\n{table}\n{end}{after}")
}

fn clients() -> impl Iterator<Item = Client> {
    Client::names().map(|name| Client::shipped(name).expect(name))
}

fn defaults() -> String {
    let mut table = concat!(
        "| client | idle limit | `Keep-Alive` hint | taken first | an ending is noticed ",
        "| idle connections kept | TCP keepalive | sent again |\n",
        "|---|---|---|---|---|---|---|---|\n",
    )
    .to_owned();
    for client in clients() {
        let link = format!("[{}](../clients/{}.toml)", client.title, client.name);
        table.push_str(&row(&link, &client.behaviour));
        for (version, behaviour) in &client.earlier {
            table.push_str(&row(&format!("{}, before {version}", client.title), behaviour));
        }
    }
    table
}

fn row(name: &str, behaviour: &Behaviour) -> String {
    if !behaviour.reuse {
        return format!(
            "| {name} | not reused | – | – | – | – | – | {} |\n",
            retry(behaviour.retry)
        );
    }
    let keepalive = behaviour.keepalive.map_or_else(
        || "off".to_owned(),
        |probes| format!("{} / {} / {}", time(probes.idle), time(probes.interval), probes.count),
    );
    let order = match behaviour.order {
        Order::Lifo => "used last",
        Order::Fifo => "idle longest",
    };
    format!(
        "| {name} | {} | {} | {order} | {} | {} | {keepalive} | {} |\n",
        behaviour.idle_max.map_or_else(|| "none".to_owned(), time),
        hint(behaviour.hint),
        notice(behaviour.notice),
        kept(behaviour),
        retry(behaviour.retry),
    )
}

fn hint(hint: Hint) -> String {
    match hint {
        Hint::Ignored => "ignored".to_owned(),
        Hint::Heeded { margin, max } => {
            let most = max.map_or_else(String::new, |max| format!(", at most {}", time(max)));
            format!("replaces the limit{}{most}", less(margin))
        }
        Hint::Shortens { margin } => format!("shortens the limit{}", less(margin)),
    }
}

fn less(margin: Duration) -> String {
    if margin.is_zero() { String::new() } else { format!(", less {}", time(margin)) }
}

fn notice(notice: Notice) -> String {
    match notice {
        Notice::AtOnce => "at once".to_owned(),
        Notice::WhenTaken { after: Duration::ZERO } => "when taken".to_owned(),
        Notice::WhenTaken { after } => format!("when taken, after {} idle", time(after)),
        Notice::Never => "never".to_owned(),
    }
}

/// Returns how many idle connections a client keeps, which the limits of all of them bound too.
fn kept(behaviour: &Behaviour) -> String {
    let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
    let limits = behaviour.limits;
    let per_host = least(limits.per_host, limits.idle_per_host);
    let total = least(limits.total, limits.idle_total);
    match (per_host, total) {
        (None, None) => "any number".to_owned(),
        (Some(per_host), None) => format!("{per_host} a host"),
        (None, Some(total)) => total.to_string(),
        (Some(per_host), Some(total)) => format!("{per_host} a host, {total} in all"),
    }
}

fn retry(retry: Retry) -> String {
    if retry.attempts == Some(0) {
        return "nothing".to_owned();
    }
    let what = match retry.written {
        Resend::None => "what was never written",
        Resend::GetAndHead => "GET, HEAD",
        Resend::Safe => "safe methods",
        Resend::Idempotent => "idempotent methods",
        Resend::WithoutBody => "what has no body",
        Resend::All => "**all, also POST**",
    };
    let key = if retry.heeds_key { ", what has a key" } else { "" };
    let often = retry.attempts.map_or_else(String::new, |attempts| format!(", {attempts}×"));
    let when = if retry.reused_only { ", if reused" } else { "" };
    format!("{what}{key}{often}{when}")
}

fn measured() -> String {
    let head: Vec<String> = Ending::ALL.iter().map(|ending| format!(" `{ending}` |")).collect();
    let mut table = format!("| client |{}\n|---|---|---|---|---|\n", head.concat());
    let mut notes = String::new();
    for client in clients().filter(|client| !client.measured.is_empty()) {
        let cells: Vec<String> = client.measured.values().map(cell).collect();
        table.extend(["| ", &client.title, " | ", &cells.join(" | "), " |\n"]);
        for why in client.measured.values().filter_map(|seen| seen.differs.as_deref()) {
            notes.extend(["\n\\* ", &client.title, ": ", why, ".\n"]);
        }
    }
    table + &notes
}

fn cell(seen: &Measured) -> String {
    let mark = if seen.differs.is_some() { " \\*" } else { "" };
    if seen.get == seen.post {
        format!("{}{mark}", seen.get)
    } else {
        format!("GET {}, POST {}{mark}", seen.get, seen.post)
    }
}

fn time(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    if minutes > 0 && time == Duration::from_mins(minutes) {
        format!("{minutes}min")
    } else {
        format!("{time:?}")
    }
}
