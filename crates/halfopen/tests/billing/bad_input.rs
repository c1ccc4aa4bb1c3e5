//! What a service cannot do: said clearly, with exit code 2, and nothing lost.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use super::service::{Payment, ask, order, pay, run, stdout};

/// Asserts that the command fails, says why, and prints nothing that could be taken for data.
#[track_caller]
pub(super) fn assert_fails(folder: &Path, args: &[&str], why: &[&str]) {
    let output = run(folder, args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    for why in why {
        assert!(stderr.contains(why), "{stderr}");
    }
}

#[test]
fn a_missing_database_is_named_with_how_to_create_it() {
    let folder = tempfile::tempdir().unwrap();
    let hint = "halfopen billing init --database payments.db";
    assert_fails(folder.path(), &["payment"], &["there is no database payments.db", hint]);
    assert!(!folder.path().join("payments.db").exists());
    for args in [&["payments"][..], &["charges"], &["subscriptions", "list"]] {
        assert_fails(folder.path(), args, &["there is no database", "billing init"]);
    }
    let nowhere = ["init", "--database", "nowhere/billing.db"];
    assert_fails(folder.path(), &nowhere, &["there is no file `nowhere`"]);
}

#[test]
fn a_database_that_is_there_is_not_created_anew() {
    let folder = tempfile::tempdir().unwrap();
    stdout(folder.path(), &["init"], 0);
    assert_fails(folder.path(), &["init"], &["billing.db is there already"]);
}

#[test]
fn what_is_no_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("payments.db");
    let text = "the payments of January\n".repeat(100);
    fs::write(&path, &text).unwrap();
    for init in [&["payment"][..], &["payment", "--init"]] {
        assert_fails(folder.path(), init, &["payments.db", "damaged or none"]);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_fails(folder.path(), &["payments", "--database", "."], &["`.` is a directory"]);
}

#[test]
fn a_damaged_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut module = Payment::start(folder.path(), &[]);
    for number in 0..200 {
        let key = format!("k{number}");
        assert_eq!(pay(&module.address, &key, &order(&key)).unwrap(), 201);
    }
    assert_eq!(module.terminate(), Some(0));
    let path = folder.path().join("payments.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(&path, &bytes).unwrap();

    assert_fails(folder.path(), &["payment"], &["damaged", "restore it from a backup"]);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_port_in_use_is_named_with_the_setting_that_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let args = ["payment", "--init", "--listen", &address];
    assert_fails(folder.path(), &args, &[&address, "in use", "--listen"]);
    let nowhere = ["payment", "--init", "--listen", "127.0.0.1"];
    assert_fails(folder.path(), &nowhere, &["such as --listen 127.0.0.1:8080"]);
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for (args, why) in [
        (["--keep-alive", "soon"], "soon"),
        (["--keep-alive", "0s"], "no time at all"),
        (["--hint", "60"], "timeout=60,max=100"),
        (["--slow-work", "2"], "200ms..2s"),
        (["--requests-per-connection", "0"], "0 is not in 1.."),
        (["--connections-max", "0"], "at least 1"),
    ] {
        assert_fails(folder.path(), &["payment", "--init", args[0], args[1]], &[why]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_body_too_long_is_refused_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let module = Payment::start(folder.path(), &["--body-max", "200"]);
    let long = format!("{}{}", order("c1"), " ".repeat(10_000));
    assert_eq!(pay(&module.address, "k1", &long).unwrap(), 413);
    assert_eq!(ask(&module.address, "GET\r\n\r\n").unwrap(), 400);
    assert_eq!(pay(&module.address, "k1", &order("c1")).unwrap(), 201);
    assert_eq!(stdout(folder.path(), &["payments"], 0), "c1  2026-01  1\n");
}

#[test]
fn a_list_with_a_mistake_adds_nobody() {
    let folder = tempfile::tempdir().unwrap();
    stdout(folder.path(), &["init"], 0);
    let good = concat!(
        r#"{"id":"c1","amount":990,"currency":"EUR","cadence":"monthly","#,
        r#""from":"2026-01-31","zone":"Europe/Berlin"}"#
    );
    let list = folder.path().join("list.jsonl");
    for (wrong, right, why) in [
        ("990", "9.9", "invalid type"),
        ("EUR", "EUROS", "no currency"),
        ("monthly", "often", "no cadence"),
        ("2026-01-31", "soon", "no time"),
        ("Europe/Berlin", "Europe/Atlantis", "no time zone"),
        ("c1\"", "c:1\"", "no subscription"),
    ] {
        fs::write(&list, format!("{good}\n\n{}\n", good.replace(wrong, right))).unwrap();
        let import = ["subscriptions", "import", "list.jsonl"];
        assert_fails(folder.path(), &import, &["list.jsonl, line 3", why]);
        assert_eq!(stdout(folder.path(), &["subscriptions", "list"], 0), "");
    }
    fs::write(&list, good).unwrap();
    stdout(folder.path(), &["subscriptions", "import", "list.jsonl"], 0);
    let again = ["subscriptions", "add", "c1", "--price", "9.90 EUR"];
    assert_fails(folder.path(), &again, &["c1 is there already"]);
    let listed = stdout(folder.path(), &["subscriptions", "list"], 0);
    assert!(listed.contains("9.90 EUR") && listed.contains("2026-01-30T23:00:00Z"), "{listed}");
}
