//! Holds the tables of docs/matrix.md against the clients and the profiles that ship.
//!
//! `UPDATE_DOCS=1 cargo test -p halfopen --test matrix` writes them anew.

use std::path::Path;
use std::{env, fs};

use halfopen_core::client::Client;
use halfopen_core::profile::Profile;
use halfopen_lab::matrix::{lane, worst};
use halfopen_pool::policy::Policy;

#[path = "tables/advised.rs"]
mod advised;

use advised::advised;

#[test]
fn the_matrix_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/matrix.md");
    let text = fs::read_to_string(&page).expect("docs/matrix.md");
    let mut current = text.clone();
    for (part, method) in [("post", "POST"), ("get", "GET")] {
        current = replaced(&current, part, &table(method));
    }
    current = replaced(&current, "advised", &set_up());
    if env::var("UPDATE_DOCS").is_ok() {
        fs::write(&page, &current).expect("docs/matrix.md");
        return;
    }
    assert!(
        text == current,
        "docs/matrix.md is out of date: UPDATE_DOCS=1 cargo test -p halfopen --test matrix"
    );
}

/// Returns `text` with what stands between the marks of `part` replaced by `table`.
fn replaced(text: &str, part: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let (before, rest) = text.split_once(&begin).expect("the mark of the beginning");
    let (_, after) = rest.split_once(&end).expect("the mark of the end");
    format!("{before}{begin}\n{table}\n{end}{after}")
}

/// Returns a table of the clients' rows with their defaults.
fn table(method: &str) -> String {
    let clients: Vec<Client> = clients().collect();
    let own = ["**halfopen-pool**", "halfopen-pool, `Policy::learning()`"].map(str::to_owned);
    let titles: Vec<String> = clients.iter().map(title).chain(own).collect();
    write(&titles, method, |_| {
        let own = [Policy::default(), Policy::learning()];
        clients.iter().map(Policy::from).chain(own).collect()
    })
}

/// Returns the same for POST, of the clients that change if they are set up as advised for the
/// product.
fn set_up() -> String {
    let changes = |client: &Client| {
        let mut products = Profile::names().map(|name| Profile::shipped(name).expect(name));
        products.any(|product| advised(client, &product) != client.behaviour)
    };
    let clients: Vec<Client> = clients().filter(changes).collect();
    let titles: Vec<String> = clients.iter().map(title).collect();
    write(&titles, "POST", |product| {
        clients.iter().map(|client| Policy::from(&advised(client, product))).collect()
    })
}

fn clients() -> impl Iterator<Item = Client> {
    Client::names().map(|name| Client::shipped(name).expect(name))
}

fn title(client: &Client) -> String {
    format!("[{}](../clients/{}.toml)", client.title, client.name)
}

/// Returns a table with a row for each of the policies that there are on a path through a product.
/// Products that no client can tell apart share a column.
fn write(titles: &[String], method: &str, policies: impl Fn(&Profile) -> Vec<Policy>) -> String {
    let mut columns: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for name in Profile::names() {
        let profile = Profile::shipped(name).expect("it ships, and runs");
        let lane = lane(&profile).expect("it ships, and runs").asking(method);
        let cell = |policy| {
            worst(&lane.clone().with_policy(policy)).expect("it ships, and runs").to_string()
        };
        let cells = policies(&profile).into_iter().map(cell).collect();
        match columns.iter_mut().find(|(_, known)| *known == cells) {
            Some((names, _)) => names.push(name),
            None => columns.push((vec![name], cells)),
        }
    }
    let heads = columns.iter().map(|(names, _)| names.join("<br>"));
    let mut table = row("client", heads);
    table.push_str(&row("---", columns.iter().map(|_| "---".to_owned())));
    for (line, title) in titles.iter().enumerate() {
        table.push_str(&row(title, columns.iter().map(|(_, cells)| cells[line].clone())));
    }
    table
}

fn row(head: &str, cells: impl Iterator<Item = String>) -> String {
    format!("| {head} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}
