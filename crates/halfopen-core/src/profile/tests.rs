use std::net::IpAddr;

use super::*;
use crate::gateway::Dependence;
use crate::idle::{OnExpiry, OnOrphan, Told};
use crate::time::Duration;

const EXTERNAL: [u8; 4] = [203, 0, 113, 1];

fn gateway(name: &str) -> GatewayConfig {
    Profile::shipped(name).expect(name).gateway(vec![IpAddr::from(EXTERNAL)]).expect(name)
}

/// Returns the message about the AWS NAT gateway's text after `change` is made to it.
fn message(from: &str, to: &str) -> String {
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == "aws-nat-gateway").unwrap();
    assert!(text.contains(from), "{from}");
    Profile::parse("changed", &text.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn every_profile_that_ships_makes_a_gateway_or_a_balancer() {
    for name in Profile::names() {
        let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap();
        let profile =
            Profile::parse(name, text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
        assert_eq!(profile.balancer().is_some(), profile.kind == Kind::ApplicationBalancer);
        if let Some(config) = profile.balancer() {
            assert_eq!(config.check(), Ok(()), "{name}");
        } else {
            let config = profile.gateway(vec![IpAddr::from(EXTERNAL)]).expect(name);
            assert_eq!(config.check(), Ok(()), "{name}");
            assert_eq!(config.translation.is_some(), profile.kind == Kind::Nat, "{name}");
        }
        assert_eq!(profile.facts.len(), text.matches("\nvalue = ").count(), "{name}");
    }
}

#[test]
fn the_aws_nat_gateway_forgets_in_silence_and_resets_the_next_packet() {
    let config = gateway("aws-nat-gateway");
    assert_eq!(config.idle.timers.tcp_established, Some(Duration::from_secs(350)));
    assert_eq!(config.idle.on_expiry, OnExpiry::Silent);
    assert_eq!(config.idle.on_orphan_inside, OnOrphan::Reset);
    let translation = config.translation.unwrap();
    assert_eq!(translation.per_destination, Some(55_000));
    assert_eq!(translation.ports, 1024..=65535);
    assert_eq!(translation.mapping, Dependence::AddressAndPort);
    assert_eq!(translation.external, [IpAddr::from(EXTERNAL)]);
}

#[test]
fn the_aws_application_balancer_waits_a_minute_for_a_byte() {
    let profile = Profile::shipped("aws-alb").unwrap();
    assert!(profile.gateway(Vec::new()).is_none());
    let config = profile.balancer().unwrap();
    assert_eq!(config.idle_timeout, Duration::from_mins(1));
    assert_eq!(config.client_keep_alive, Some(Duration::from_hours(1)));
    assert_eq!(config.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.limits.request_head, 64 << 10);
    assert_eq!(config.health.unwrap().interval, Duration::from_secs(30));
}

#[test]
fn a_balancer_that_cannot_be_made_does_not_load() {
    let (_, text) = SHIPPED.iter().find(|(name, _)| *name == "aws-alb").unwrap();
    let message = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Profile::parse("changed", &text.replacen(from, to, 1)).unwrap_err().message
    };
    assert!(message("value = \"60s\"", "value = \"0s\"").contains("must be longer than zero"));
    assert!(message("value = \"5s\"", "value = \"30s\"").contains("shorter than its interval"));
    assert!(message("[connect-timeout]", "[conect-timeout]").contains("unknown field"));
    assert!(message("\"route-to-all\"", "\"panic\"").contains("`panic`"));
}

#[test]
fn products_differ_in_what_they_do_at_expiry_and_after() {
    let behaviour = |name| {
        let idle = gateway(name).idle;
        (idle.on_expiry, idle.on_orphan_inside)
    };
    assert_eq!(behaviour("aws-gwlb"), (OnExpiry::Silent, OnOrphan::Drop));
    assert_eq!(behaviour("aws-nat-instance"), (OnExpiry::Fin(Told::Inside), OnOrphan::Adopt));
    assert_eq!(behaviour("azure-load-balancer"), (OnExpiry::Silent, OnOrphan::Drop));
    assert_eq!(
        behaviour("azure-load-balancer-tcp-reset"),
        (OnExpiry::Reset(Told::Both), OnOrphan::Drop)
    );
    assert_eq!(behaviour("linux-conntrack"), (OnExpiry::Silent, OnOrphan::Adopt));
}

#[test]
fn a_value_tells_its_source_date_and_confidence() {
    let profile = Profile::shipped("aws-nat-gateway").unwrap();
    let established = profile.fact("timers.tcp-established").unwrap();
    assert_eq!(established.value, "350s");
    assert_eq!(established.confidence, Confidence::Documented);
    assert_eq!(established.source.read, "2026-04-13");
    assert!(established.source.url.ends_with("nat-gateway-troubleshooting.html"));
    let outside = profile.fact("on-orphan.outside").unwrap();
    assert_eq!(outside.confidence, Confidence::Unconfirmed);
}

#[test]
fn the_values_keep_the_order_of_the_text() {
    let profile = Profile::shipped("azure-load-balancer-tcp-reset").unwrap();
    let keys: Vec<&str> = profile.facts.iter().map(|fact| fact.key.as_str()).collect();
    assert_eq!(keys[..3], ["translates", "filtering", "timers.tcp-opening"]);
    assert_eq!(profile.fact("on-expiry").unwrap().value, "{ reset = \"both\" }");
}

#[test]
fn a_value_without_source_or_confidence_does_not_load() {
    let established = "value = \"350s\"\nsource = \"troubleshooting\"\nconfidence = \"documented\"";
    let bare = "value = \"350s\"";
    assert!(message(established, bare).contains("missing field `source`"));
    let sure = "value = \"350s\"\nsource = \"troubleshooting\"";
    assert!(message(established, sure).contains("missing field `confidence`"));
    let elsewhere = established.replace("troubleshooting", "hearsay");
    assert!(message(established, &elsewhere).contains("no source `hearsay` in this file"));
}

#[test]
fn a_source_without_a_date_does_not_load() {
    assert!(message("read = 2026-04-13\n", "").contains("missing field `read`"));
    assert!(message("read = 2026-04-13", "read = 10:30:00").contains("`10:30:00` is not a date"));
    assert!(message("\"https://docs", "\"docs").contains("is not the address of a page"));
}

#[test]
fn a_key_that_is_not_known_is_named_with_its_place() {
    let misspelled = message("kind = \"nat\"", "kind = \"nat\"\ncolour = 1");
    assert!(misspelled.starts_with("line 4, column 1: unknown field `colour`"), "{misspelled}");
    assert!(message("[timers.tcp-reset]", "[timers.tcp-rst]").contains("unknown field `tcp-rst`"));
    assert!(message("[mtu]", "[mru]").contains("unknown field `mru`"));
    assert!(message("note = \"it does", "remark = \"it does").contains("unknown field `remark`"));
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    assert!(message("\"350s\"", "350").contains("expected a duration with its unit"));
    assert!(message("\"1024-65535\"", "\"9-1\"").contains("`9-1` is not a range of ports"));
    assert!(message("value = 55000", "value = -1").contains("integer `-1`"));
    assert!(message("value = \"silent\"", "value = \"quiet\"").contains("`quiet`"));
}

#[test]
fn a_range_holds_its_value() {
    let ranged = |range: &str| format!("setting = \"none\"\nrange = {range}");
    let message = |range| message("setting = \"none: the time is fixed\"", &ranged(range));
    assert!(message("[\"1s\", \"349s\"]").contains("`350s` is not from 1s to 349s"));
    assert!(message("[\"351s\", \"1h\"]").contains("`350s` is not from 351s to 1h"));
    assert!(message("[\"350s\"]").contains("length"));
    assert!(message("[1, 400]").contains("expected a duration with its unit"));
    assert!(message("[\"1s\", \"soon\"]").contains("`soon` is not a duration"));
}

#[test]
fn every_product_that_can_be_set_says_to_what() {
    let alb = Profile::shipped("aws-alb").unwrap();
    let fact = alb.fact("idle-timeout").unwrap();
    let how = "idle_timeout.timeout_seconds, from 1s to 4000s";
    assert_eq!(fact.how_to_set().as_deref(), Some(how));
    let range = fact.range.as_ref().unwrap();
    assert!(range.admits("1s") && range.admits("66min") && range.admits("4000s"));
    assert!(!range.admits("4001s") && !range.admits("60") && !range.admits("long"));
    let thresholds = alb.fact("health.healthy-after").unwrap().range.clone().unwrap();
    assert!(thresholds.admits("2") && !thresholds.admits("11"));
}

#[test]
fn mapping_and_translation_go_together() {
    assert!(
        message("[translates]\nvalue = true", "[translates]\nvalue = false").contains("mapping")
    );
}

#[test]
fn a_name_that_does_not_ship_is_not_found() {
    assert!(Profile::shipped("aws").is_none());
}
