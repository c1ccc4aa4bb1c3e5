//! The services as programs over a server's database. The server is private to the test.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use super::bad_input::assert_fails;
use super::server::Server;
use super::service::{Payment, billing, stdout};

const SUBSCRIPTIONS: usize = 40;

/// Returns the URL of an address, as the command takes it. The host is the folder of a socket.
fn url(address: &str) -> String {
    let part = |key| address.split(' ').find_map(|part| part.strip_prefix(key)).unwrap();
    let [folder, name] = ["host=", "dbname="].map(part);
    format!("postgres://postgres@{}/{name}", folder.replace('/', "%2F"))
}

/// Creates an empty database and returns its URL.
fn create(server: &Server) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    url(&runtime.block_on(server.create_database()))
}

fn subscribe(folder: &Path, database: &str) {
    let line = |number| {
        let when = r#""cadence":"every 36500d","from":"2026-01-31","zone":"UTC""#;
        format!(r#"{{"id":"c{number:02}","amount":990,"currency":"EUR",{when}}}"#)
    };
    let list: Vec<String> = (0..SUBSCRIPTIONS).map(line).collect();
    fs::write(folder.join("list.jsonl"), list.join("\n")).unwrap();
    stdout(folder, &["init", "--database", database], 0);
    stdout(folder, &["subscriptions", "import", "list.jsonl", "--database", database], 0);
}

#[test]
fn schedulers_that_share_a_servers_database_charge_everyone_once() {
    let server = Server::shared();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let database = create(&server);
    subscribe(folder, &database);
    let module = Payment::start(folder, &["--database", &database, "--slow-work", "20ms"]);
    let to = format!("http://{}", module.address);
    let scheduler = |name: &str| -> Child {
        let args = ["scheduler", "--once", "--shared", "--log", "off", "--name", name];
        let rest = ["--to", &to, "--database", &database, "--parallel", "2"];
        let mut command = billing(folder, &[&args[..], &rest[..]].concat());
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let made = ["one", "two"].map(scheduler).map(|child| {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().count()
    });

    assert_eq!(made.iter().sum::<usize>(), SUBSCRIPTIONS, "{made:?}");
    let charged = stdout(folder, &["payments", "--database", &database], 0);
    assert_eq!(charged.lines().filter(|line| line.ends_with("  1")).count(), SUBSCRIPTIONS);
    let known = stdout(folder, &["charges", "--database", &database], 0);
    assert_eq!(known.matches("  paid ").count(), SUBSCRIPTIONS, "{known}");
}

#[test]
fn a_server_that_is_not_there_and_a_database_that_is_not_are_named() {
    let server = Server::shared();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nowhere = "postgres://postgres@127.0.0.1:1/billing";
    assert_fails(folder, &["charges", "--database", nowhere], &["127.0.0.1:1/billing"]);
    let missing = url(&server.address("missing"));
    assert_fails(folder, &["init", "--database", &missing], &["missing"]);
    let empty = create(&server);
    assert_fails(folder, &["charges", "--database", &empty], &["billing init"]);
}
