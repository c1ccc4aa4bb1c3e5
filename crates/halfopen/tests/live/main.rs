//! Watching an interface, in a network namespace that each test makes for itself.
//!
//! A test starts itself again inside the namespace (unshare(1), of util-linux), as root without and
//! else with a user namespace, so that it needs no privileges where those are allowed. Nothing that
//! it sends leaves the namespace, which ends with it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod collector;
mod namespace;
mod traffic;
mod watcher;

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use namespace::{inside, ip};
use watcher::Watcher;

#[test]
fn a_box_that_forgets_is_found_on_a_live_interface_and_shows_in_the_metrics() {
    inside("a_box_that_forgets_is_found_on_a_live_interface_and_shows_in_the_metrics", || {
        let mut watcher = Watcher::start(&["--filter-port", "443,8443", "--json"]);
        assert!(watcher.get("/healthz").starts_with("HTTP/1.1 200"), "packets are being read");
        traffic::idle_death("203.0.113.9:443", Duration::from_millis(1_300));
        traffic::idle_death("203.0.113.9:80", Duration::from_millis(1_300));
        let finding = watcher.line("\"type\":\"finding\"");
        let limit = watcher.line("\"type\":\"limit\"");
        for word in
            ["\"reset-on-reuse\"", "\"idle-expiry\"", "\"hop\"", "\"masked\"", "203.0.113.9:443"]
        {
            assert!(finding.contains(word), "no {word} in {finding}");
        }
        assert!(limit.contains("\"died_s\":1.3"), "{limit}");

        let metrics = watcher.get("/metrics");
        let of = "{destination=\"203.0.113.9:443\",cause=\"idle-expiry\"}";
        for line in [
            &format!("halfopen_reset_after_idle_seconds_count{of} 1"),
            "halfopen_idle_limit_seconds{destination=\"203.0.113.9:443\",bound=\"died\"} 1.3",
            "halfopen_connections_seen_total 2",
            "halfopen_packets_dropped_total 0",
        ] {
            assert!(metrics.contains(line), "no {line} in\n{metrics}");
        }
        assert!(!metrics.contains("203.0.113.9:80\""), "port 80 is not asked for");

        let (code, report) = watcher.terminate();
        assert_eq!(code, Some(1), "something was found: {report}");
        assert!(report.contains("\"type\":\"report\""), "{report}");
        assert!(report.contains("\"masked\":1"), "{report}");
    });
}

#[test]
fn all_interfaces_are_watched_together_and_loopback_is_seen_once() {
    inside("all_interfaces_are_watched_together_and_loopback_is_seen_once", || {
        let [one, any] = ["lo", "any"].map(|interface| {
            let arguments = ["--filter-port", "443", "--json"];
            let mut watcher = Watcher::start_on(interface, &arguments);
            traffic::idle_death("203.0.113.9:443", Duration::from_millis(1_300));
            let finding = watcher.line("\"type\":\"finding\"");
            assert!(finding.contains("\"reset-on-reuse\""), "{interface}: {finding}");
            let report = watcher.terminate().1;
            let packets = report.split_once("\"packets\":").map(|(_, rest)| rest);
            let digits = |rest: &str| rest.split([',', '}']).next().map(str::to_owned);
            packets.and_then(digits).unwrap_or_else(|| panic!("{report}"))
        });
        assert_eq!(one, any);
    });
}

#[test]
fn a_reset_of_the_kernel_itself_on_an_idle_connection_is_found() {
    inside("a_reset_of_the_kernel_itself_on_an_idle_connection_is_found", || {
        let mut watcher = Watcher::start(&[]);
        let (server, client) = traffic::connection();
        traffic::abort_when_idle(server, client, Duration::from_millis(1_300));
        let finding = watcher.line("peer-abort");
        assert!(finding.contains("peer-abort after 1.3 s"), "{finding}");
        let (code, report) = watcher.terminate();
        assert_eq!(code, Some(1), "{report}");
        assert!(report.contains("the server itself reset a connection"), "{report}");
    });
}

#[test]
fn a_collector_is_pushed_metrics_and_findings() {
    inside("a_collector_is_pushed_metrics_and_findings", || {
        let collector = collector::Collector::start();
        let arguments = ["--filter-port", "443", "--otlp", &collector.address, "--otlp-findings"];
        let mut watcher = Watcher::start(&arguments);
        traffic::idle_death("203.0.113.9:443", Duration::from_millis(1_300));
        watcher.line("reset-on-reuse");
        let findings = collector.message("/v1/logs");
        for word in ["\"reset-on-reuse\"", "\"203.0.113.9\"", "\"idle-expiry\"", "\"lo\""] {
            assert!(findings.contains(word), "no {word} in {findings}");
        }
        let (code, report) = watcher.terminate();
        assert_eq!(code, Some(1), "{report}");
        let metrics = collector.message("/v1/metrics");
        assert!(metrics.contains("\"halfopen_reset_after_idle_seconds\""), "{metrics}");
    });
}

#[test]
fn nothing_is_left_of_the_privileges_once_the_interface_is_open() {
    inside("nothing_is_left_of_the_privileges_once_the_interface_is_open", || {
        let watcher = Watcher::start(&[]);
        let status = watcher.status();
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
        }
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        if namespace::may_change_user() {
            assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
        }
        let (code, report) = watcher.terminate();
        assert_eq!(code, Some(0), "nothing was found: {report}");
    });
}

#[test]
fn it_ends_by_itself_after_the_time_that_it_is_given() {
    inside("it_ends_by_itself_after_the_time_that_it_is_given", || {
        let watcher = Watcher::start(&["--for", "1s"]);
        let (_server, _client) = traffic::connection();
        sleep(Duration::from_millis(300));
        let (code, report) = watcher.wait();
        assert_eq!(code, Some(0), "{report}");
        assert!(report.contains("lo: watched for 1."), "{report}");
        assert!(report.contains("Nothing is wrong with 127.0.0.1:"), "{report}");
    });
}

#[test]
fn an_interface_that_goes_down_is_waited_for_and_one_that_is_gone_is_not() {
    inside("an_interface_that_goes_down_is_waited_for_and_one_that_is_gone_is_not", || {
        ip("link add near type veth peer name far");
        ip("link set near up");
        ip("link set far up");
        let watcher = Watcher::start_on("near", &[]);
        ip("link set near down");
        watcher.await_trouble();
        ip("link set near up");
        sleep(Duration::from_millis(300));
        ip("link delete near");
        let (code, report) = watcher.wait();
        assert_eq!(code, Some(2), "{report}");
    });
}

#[test]
fn who_lacks_the_privilege_is_told_how_to_get_it() {
    // In a user namespace of its own a process has no rights over the network outside.
    let output = Command::new("unshare")
        .args(["--user", env!("CARGO_BIN_EXE_halfopen"), "diagnose", "--interface", "lo"])
        .output()
        .expect("unshare is there: install util-linux");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no permission to see the packets of `lo`"), "{said}");
    assert!(said.contains("sudo setcap cap_net_raw+ep"), "{said}");
}

#[test]
fn a_collector_that_cannot_be_one_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_halfopen"))
        .args(["diagnose", "--interface", "lo", "--otlp", "https://collector:4318"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`https://collector:4318` is no http:// address"), "{said}");
}

#[test]
fn an_interface_that_is_not_there_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_halfopen"))
        .args(["diagnose", "--interface", "nosuchthing0"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no interface `nosuchthing0`"), "{said}");
}
