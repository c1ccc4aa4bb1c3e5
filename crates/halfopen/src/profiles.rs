//! Looking up what is known of products.

use core::fmt::Write as _;

use halfopen_core::client::Client;
use halfopen_core::fact::Fact;
use halfopen_core::profile::Profile;
use halfopen_core::server::Server;
use halfopen_core::sheet::Sheet;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::Serialize;

use crate::Outcome;
use crate::cli::profiles::{Look, Profiles};
use crate::failure::Failure;
use crate::output::{self, BOLD, DIM};

/// A product, whichever folder it is from.
#[derive(Debug, Serialize)]
struct Product {
    name: String,
    /// The folder that its file is in, which says what it is.
    folder: &'static str,
    title: String,
    summary: String,
    values: Vec<Value>,
}

/// One value, as programs read it.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are the data's own")]
struct Value {
    key: String,
    value: String,
    confidence: String,
    source: String,
    read: String,
    setting: Option<String>,
    range: Option<String>,
    note: Option<String>,
}

/// Does what the command line asks for.
pub(crate) fn run(order: &Profiles) -> Result<Outcome, Failure> {
    let products = match &order.what {
        Look::List => all(),
        Look::Show { name } => {
            let named: Vec<Product> =
                all().into_iter().filter(|product| product.name == *name).collect();
            if named.is_empty() {
                return Err(Failure::NoProduct(name.clone()));
            }
            named
        }
        Look::Search { words } => search(words),
        Look::Check { today } => old(*today),
    };
    let is_check = matches!(order.what, Look::Check { .. });
    output::print(&printed(order, &products)?)?;
    Ok(if products.is_empty() == is_check { Outcome::Clear } else { Outcome::Found })
}

fn printed(order: &Profiles, products: &[Product]) -> Result<String, Failure> {
    if order.json {
        let json = serde_json::to_string_pretty(products);
        return json.map(|json| json + "\n").map_err(|error| Failure::Write(error.into()));
    }
    Ok(match &order.what {
        Look::List => list(products),
        Look::Search { .. } if products.is_empty() => "Nothing found.\n".to_owned(),
        Look::Show { .. } | Look::Search { .. } => products.iter().map(shown).collect(),
        Look::Check { .. } if products.is_empty() => {
            "No source was read more than a year ago.\n".to_owned()
        }
        Look::Check { .. } => to_read_again(products),
    })
}

/// Returns all that ships, in the order of folders and names.
fn all() -> Vec<Product> {
    let clients = Client::names()
        .filter_map(Client::shipped)
        .map(|client| product("clients", client.name, client.title, client.summary, &client.facts));
    let profiles = Profile::names().filter_map(Profile::shipped).map(|profile| {
        product("profiles", profile.name, profile.title, profile.summary, &profile.facts)
    });
    let servers = Server::names()
        .filter_map(Server::shipped)
        .map(|server| product("servers", server.name, server.title, server.summary, &server.facts));
    let sheets = Sheet::names()
        .filter_map(Sheet::shipped)
        .map(|sheet| product("sheets", sheet.name, sheet.title, sheet.summary, &sheet.facts));
    profiles.chain(clients).chain(servers).chain(sheets).collect()
}

fn product(
    folder: &'static str,
    name: String,
    title: String,
    summary: String,
    facts: &[Fact],
) -> Product {
    Product { name, folder, title, summary, values: facts.iter().map(Value::of).collect() }
}

impl Value {
    fn of(fact: &Fact) -> Self {
        Self {
            key: fact.key.clone(),
            value: fact.value.clone(),
            confidence: fact.confidence.to_string(),
            source: fact.source.url.clone(),
            read: fact.source.read.clone(),
            setting: fact.setting.clone(),
            range: fact.range.as_ref().map(ToString::to_string),
            note: fact.note.clone(),
        }
    }

    fn has(&self, word: &str) -> bool {
        let Self { key, value, confidence, source, read: _, setting, range: _, note } = self;
        let optional = [setting, note].into_iter().flatten();
        let mut texts = [key, value, confidence, source].into_iter().chain(optional);
        texts.any(|text| text.to_lowercase().contains(word))
    }
}

/// Returns the values that have all words, those of the product's own name and title counting for
/// each.
fn search(words: &[String]) -> Vec<Product> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let found = all().into_iter().map(|product| {
        let about = format!("{} {}", product.name, product.title).to_lowercase();
        let others: Vec<&String> = words.iter().filter(|word| !about.contains(*word)).collect();
        let has_all = |value: &Value| others.iter().all(|word| value.has(word));
        let values = product.values.into_iter().filter(has_all).collect();
        Product { values, ..product }
    });
    found.filter(|product| !product.values.is_empty()).collect()
}

/// Returns the values whose source was read more than a year before a day.
fn old(today: Date) -> Vec<Product> {
    let limit = today.saturating_sub(1.year());
    // A date that cannot be read would be a defect of the data: it counts as old.
    let is_old = |value: &Value| value.read.parse::<Date>().map_or(true, |read| read < limit);
    let found = all().into_iter().map(|product| {
        let values = product.values.into_iter().filter(is_old).collect();
        Product { values, ..product }
    });
    found.filter(|product| !product.values.is_empty()).collect()
}

fn list(products: &[Product]) -> String {
    let mut text = String::new();
    let width = products.iter().map(|product| product.name.len()).max().unwrap_or(0);
    let mut folder = "";
    for product in products {
        if product.folder != folder {
            let gap = if folder.is_empty() { "" } else { "\n" };
            folder = product.folder;
            let _ = writeln!(text, "{gap}{BOLD}{}{BOLD:#}", what_is_in(folder));
        }
        let _ = writeln!(text, "  {:width$}  {}", product.name, product.title);
    }
    text
}

fn what_is_in(folder: &str) -> &'static str {
    match folder {
        "profiles" => "Boxes and balancers that can be simulated (profiles/)",
        "clients" => "HTTP clients (clients/)",
        "servers" => "HTTP servers (servers/)",
        _ => "Others, of which timers are known (sheets/)",
    }
}

fn shown(product: &Product) -> String {
    let Product { name, folder, title, summary, values } = product;
    let mut text = format!("{BOLD}{title}{BOLD:#} {DIM}({folder}/{name}.toml){DIM:#}\n");
    let _ = writeln!(text, "{summary}\n");
    for Value { key, value, confidence, source, read, setting, range, note } in values {
        let _ = writeln!(text, "  {BOLD}{key}{BOLD:#} = {value}");
        let range = range.as_ref().map_or(String::new(), |range| format!(", from {range}"));
        if let Some(setting) = setting {
            let _ = writeln!(text, "      set by {setting}{range}");
        }
        if let Some(note) = note {
            let _ = writeln!(text, "      {note}");
        }
        let _ = writeln!(text, "      {DIM}{confidence}, read {read}: {source}{DIM:#}");
    }
    text.push('\n');
    text
}

fn to_read_again(products: &[Product]) -> String {
    let mut text = String::new();
    for Product { name, folder, values, .. } in products {
        for Value { key, read, source, .. } in values {
            let _ = writeln!(text, "{read}  {folder}/{name}.toml {key}  {DIM}{source}{DIM:#}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_words_of_the_product_and_of_the_value_together() {
        let found = search(&["NAT".to_owned(), "gateway".to_owned(), "established".to_owned()]);
        let nat = found.iter().find(|product| product.name == "aws-nat-gateway").unwrap();
        assert!(nat.values.iter().any(|value| value.key == "timers.tcp-established"));
        assert!(search(&["no-such-word".to_owned()]).is_empty());
    }

    #[test]
    fn what_was_read_a_year_ago_is_to_be_read_again() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let values =
            |today| -> usize { old(today).iter().map(|product| product.values.len()).sum() };
        let all: usize = all().iter().map(|product| product.values.len()).sum();
        assert_eq!(values(day("2036-01-01")), all);
        assert_eq!(values(day("2020-01-01")), 0);
        let firewall = old(day("2026-11-22"));
        assert!(firewall.iter().any(|product| product.name == "azure-firewall"));
        assert!(!firewall.iter().any(|product| product.name == "aws-nat-gateway"));
    }
}
