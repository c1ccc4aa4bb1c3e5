use halfopen_capture::{Limits, Patience};
use halfopen_core::cause::{Cause, Culprit, Harm};
use halfopen_core::flow::FlowKey;
use halfopen_core::verdict::Verdict;
use prometheus_client::encoding::text::encode;

use super::*;

fn text(registry: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    text
}

fn server(number: u16) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 9], number))
}

fn ended(server: SocketAddr) -> News {
    let flow = FlowKey::tcp(SocketAddr::from(([10, 0, 0, 7], 40_000)), server);
    let verdict = Verdict {
        flow,
        finding: Finding::ResetOnReuse,
        mechanism: None,
        idle: Some(Duration::from_secs(351)),
        harm: Harm::Failed,
        culprit: Culprit::Hop,
        evidence: Vec::new(),
    };
    News::Ended { verdict, cause: Cause::IdleExpiry }
}

#[test]
fn a_death_after_a_pause_and_its_path_can_be_read_from_the_metrics() {
    let mut registry = Registry::default();
    let mut metrics = Metrics::register(&mut registry);
    let (server, idle) = (server(443), Duration::from_secs(340));
    metrics.count(&News::Survived { server, idle });
    metrics.count(&ended(server));
    let died = Duration::from_secs(351);
    metrics.count(&News::Narrowed { server, survived: Some(idle), died });
    metrics.show_at_risk(Risk::NoKeepalive, [(server, 3)].into_iter());
    let text = text(&registry);
    let to = "destination=\"203.0.113.9:443\"";
    for line in [
        format!("halfopen_reset_after_idle_seconds_sum{{{to},cause=\"idle-expiry\"}} 351.0\n"),
        format!("halfopen_pause_survived_seconds_count{{{to}}} 1\n"),
        format!("halfopen_idle_limit_seconds{{{to},bound=\"died\"}} 351.0\n"),
        format!("halfopen_idle_limit_seconds{{{to},bound=\"survived\"}} 340.0\n"),
        format!("halfopen_at_risk_connections{{{to},reason=\"no_keepalive\"}} 3\n"),
    ] {
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
}

#[test]
fn connections_that_are_no_longer_at_risk_are_not_shown() {
    let mut registry = Registry::default();
    let mut metrics = Metrics::register(&mut registry);
    metrics.show_at_risk(Risk::NoKeepalive, [(server(443), 3), (server(444), 1)].into_iter());
    metrics.show_at_risk(Risk::NoKeepalive, [(server(444), 2)].into_iter());
    let text = text(&registry);
    assert!(text.contains("9:443\",reason=\"no_keepalive\"} 0\n"), "{text}");
    assert!(text.contains("9:444\",reason=\"no_keepalive\"} 2\n"), "{text}");
}

#[test]
fn no_number_of_servers_makes_more_labels_than_there_may_be() {
    let mut registry = Registry::default();
    let mut metrics = Metrics::register(&mut registry);
    for number in 1..=1_000 {
        metrics.count(&ended(server(number)));
        let (server, died) = (server(number), Duration::from_secs(351));
        metrics.count(&News::Narrowed { server, survived: None, died });
        metrics.count(&News::Survived { server, idle: died });
        metrics.show_at_risk(Risk::PastLimit, [(server, 1)].into_iter());
    }
    let monitor = Monitor::new(Limits::default(), Patience::default(), 0);
    metrics.show(&monitor, Statistics { packets: 7, ..Statistics::default() });
    let text = text(&registry);
    let findings = text.lines().filter(|line| line.starts_with("halfopen_findings_total{"));
    assert_eq!(findings.count(), 65);
    assert!(text.contains("halfopen_findings_total{destination=\"other\""), "{text}");
    assert!(text.contains("halfopen_packets_total 7\n"), "{text}");
    assert!(text.lines().count() < 65 * 80, "{} lines", text.lines().count());
}
