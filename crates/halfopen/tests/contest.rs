//! Holds the tables of docs/pool.md against the pool, the clients and the profiles that ship.
//!
//! `UPDATE_DOCS=1 cargo test -p halfopen --test contest` writes them anew.

use std::path::Path;
use std::{env, fs, thread};

use halfopen_core::client::Client;
use halfopen_core::profile::Profile;
use halfopen_lab::contest::{Order, Score, meet};
use halfopen_lab::matrix::lane;
use halfopen_lab::sweep::words::Span;
use halfopen_pool::policy::Policy;

#[path = "tables/advised.rs"]
mod advised;

use advised::advised;

/// The series that a client meets on each path.
const ORDERS: [Order; 2] = [Order::Growing, Order::Shuffled(1)];

#[test]
fn the_tables_of_the_pool_are_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pool.md");
    let text = fs::read_to_string(&page).expect("docs/pool.md");
    let tables = [("contest", contest()), ("advised", set_up()), ("paths", paths())];
    let replace = |text: String, (part, table): &(&str, String)| replaced(&text, part, table);
    let current = tables.iter().fold(text.clone(), replace);
    if env::var("UPDATE_DOCS").is_ok() {
        fs::write(&page, &current).expect("docs/pool.md");
        return;
    }
    assert!(
        text == current,
        "docs/pool.md is out of date: UPDATE_DOCS=1 cargo test -p halfopen --test contest"
    );
}

/// Returns `text` with what stands between the marks of `part` replaced by `table`.
fn replaced(text: &str, part: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let (before, rest) = text.split_once(&begin).expect("the mark of the beginning");
    let (_, after) = rest.split_once(&end).expect("the mark of the end");
    format!("{before}{begin}\n{table}\n{end}{after}")
}

/// Returns a row for each client with its defaults, over all paths.
fn contest() -> String {
    let own = [("**halfopen-pool**", Policy::default()), (LEARNING, Policy::learning())];
    let own = own.map(|(title, policy)| Row { title: title.to_owned(), policies: same(&policy) });
    let clients = clients()
        .map(|client| Row { title: title(&client), policies: same(&Policy::from(&client)) });
    table(&own.into_iter().chain(clients).collect::<Vec<_>>())
}

/// Returns a row for each client that is not as by default once it is set up as advised for each
/// path.
fn set_up() -> String {
    let rows = clients().filter_map(|client| {
        let policies = profiles().map(|profile| Policy::from(&advised(&client, &profile)));
        let policies: Vec<_> = profiles().zip(policies).collect();
        let default = Policy::from(&client);
        let differs = policies.iter().any(|(_, policy)| *policy != default);
        differs.then(|| Row { title: title(&client), policies })
    });
    table(&rows.collect::<Vec<_>>())
}

const LEARNING: &str = "halfopen-pool, `Policy::learning()`";

/// A client, and the policy that it has on each path.
struct Row {
    title: String,
    policies: Vec<(Profile, Policy)>,
}

fn same(policy: &Policy) -> Vec<(Profile, Policy)> {
    profiles().map(|profile| (profile, policy.clone())).collect()
}

fn clients() -> impl Iterator<Item = Client> {
    Client::names().map(|name| Client::shipped(name).expect(name))
}

fn title(client: &Client) -> String {
    format!("[{}](../clients/{}.toml)", client.title, client.name)
}

fn table(rows: &[Row]) -> String {
    let rows: Vec<String> = thread::scope(|scope| {
        let halves = rows
            .chunks(rows.len().div_ceil(2))
            .map(|half| scope.spawn(|| half.iter().map(row).collect()));
        let halves: Vec<_> = halves.collect();
        let done = halves.into_iter().map(|half| half.join().expect("its row"));
        done.flat_map(|half: Vec<String>| half).collect()
    });
    let head = "| client | errors | on paths | with a key | doubled | connections | slowest |\n\
                |---|---|---|---|---|---|---|\n";
    head.to_owned() + &rows.concat()
}

fn row(Row { title, policies }: &Row) -> String {
    let (mut sum, mut keyed, mut failing) = (Score::default(), Score::default(), 0);
    for (profile, policy) in policies {
        let score = on(profile, policy, false);
        failing += u32::from(score.errors > 0);
        sum.add(&score);
        // A key changes nothing for a client that does not look at it.
        let heeds = policy.retry.heeds_key;
        keyed.add(&if heeds { on(profile, policy, true) } else { score });
    }
    let Score { requests, errors, doubled, opened, slowest } = sum;
    format!(
        "| {title} | {errors} | {failing} | {} | {} | {opened} of {requests} | {} |\n",
        keyed.errors,
        doubled + keyed.doubled,
        Span(slowest)
    )
}

/// Returns a row for each path, for the pool that learns.
fn paths() -> String {
    let mut table = "| path | errors, growing | shuffled | with a key | doubled | connections \
                     | slowest |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    let policy = Policy::learning();
    for profile in profiles() {
        let [growing, shuffled] = ORDERS.map(|order| series(&profile, &policy, false, order));
        let (mut sum, keyed) = (growing, on(&profile, &policy, true));
        sum.add(&shuffled);
        let Score { requests, doubled, opened, slowest, .. } = sum;
        let row = format!(
            "| [{name}](../profiles/{name}.toml) | {} | {} | {} | {} | {opened} of {requests} \
             | {} |\n",
            growing.errors,
            shuffled.errors,
            keyed.errors,
            doubled + keyed.doubled,
            Span(slowest),
            name = profile.name,
        );
        table.push_str(&row);
    }
    table
}

fn profiles() -> impl Iterator<Item = Profile> {
    Profile::names().map(|name| Profile::shipped(name).expect(name))
}

fn on(profile: &Profile, policy: &Policy, key: bool) -> Score {
    let mut sum = Score::default();
    for order in ORDERS {
        sum.add(&series(profile, policy, key, order));
    }
    sum
}

fn series(profile: &Profile, policy: &Policy, key: bool, order: Order) -> Score {
    let lane = lane(profile).expect("a path through a product");
    meet(&lane.with_policy(policy.clone()).with_key(key), order).expect("it can be run")
}
