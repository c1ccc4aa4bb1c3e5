use super::*;
use halfopen_core::idle::{IdlePolicy, Told};
use halfopen_core::profile::Profile;

fn config() -> GatewayConfig {
    GatewayConfig::nat("192.0.2.1".parse().unwrap(), IdlePolicy::RFC)
}

fn refused(change: impl FnOnce(&mut GatewayConfig)) -> Inexpressible {
    let mut config = config();
    change(&mut config);
    Netfilter::of(&config, "inside", "outside").unwrap_err()
}

#[test]
fn rules_drop_reset_or_reject_what_is_not_remembered() {
    for (rule, text) in [
        (OnOrphan::Drop, "ct state invalid drop"),
        (OnOrphan::Reset, "meta l4proto tcp reject with tcp reset"),
        (OnOrphan::Unreachable, "reject with icmpx admin-prohibited"),
    ] {
        let mut config = config();
        config.idle.on_orphan_inside = rule;
        let netfilter = Netfilter::of(&config, "inside", "outside").unwrap();
        let rules = netfilter.ruleset();
        let (_, forward) = rules.split_once("on_forward").unwrap();
        assert!(forward.contains(text), "{rules}");
        assert!(rules.contains("oifname \"outside\" masquerade fully-random"), "{rules}");
    }
}

#[test]
fn what_netfilter_has_not_is_refused_with_the_reason() {
    let half = Some(Duration::from_millis(3_500));
    let timer = refused(|config| config.idle.timers.tcp_established = half);
    assert_eq!(timer, Inexpressible::Timer("tcp_timeout_established"));
    let never = refused(|config| config.idle.timers.icmp = None);
    assert_eq!(never, Inexpressible::Timer("icmp_timeout"));
    let tells = refused(|config| config.idle.on_expiry = OnExpiry::Reset(Told::Both));
    assert_eq!(tells, Inexpressible::Tells);
    let both = refused(|config| {
        config.idle.on_orphan_inside = OnOrphan::Reset;
        config.out_of_window = OutOfWindow::Drop;
    });
    assert_eq!(both, Inexpressible::Invalid);
    assert_eq!(
        refused(|config| config.filtering = Dependence::Endpoint),
        Inexpressible::Dependence
    );
    let limited = refused(|config| {
        config.translation.as_mut().unwrap().per_destination = Some(55_000);
    });
    assert_eq!(limited, Inexpressible::Translation);
}

#[test]
fn the_nearest_gateway_remembers_no_shorter() {
    let mut wanted = config();
    wanted.idle.timers.tcp_established = Some(Duration::from_millis(3_500));
    wanted.idle.timers.icmp = Some(Duration::from_millis(3));
    wanted.translation.as_mut().unwrap().per_destination = Some(55_000);
    let nearest = Netfilter::nearest(&wanted);
    assert_eq!(nearest.idle.timers.tcp_established, Some(Duration::from_secs(4)));
    assert_eq!(nearest.idle.timers.icmp, Some(SECOND));
    assert_eq!(nearest.idle.timers.udp, wanted.idle.timers.udp);
    Netfilter::of(&nearest, "inside", "outside").unwrap();
}

#[test]
fn products_that_netfilter_can_be() {
    let can_be = |name: &&str| {
        let external = vec!["192.0.2.1".parse().unwrap()];
        let gateway = Profile::shipped(name).and_then(|profile| profile.gateway(external));
        gateway.is_some_and(|gateway| {
            Netfilter::of(&Netfilter::nearest(&gateway), "inside", "outside").is_ok()
        })
    };
    let products: Vec<&str> = Profile::names().filter(can_be).collect();
    let expected = [
        "aws-nat-gateway",
        "aws-network-firewall",
        "azure-load-balancer",
        "azure-nat-gateway",
        "gcp-cloud-nat",
        "linux-conntrack",
    ];
    assert_eq!(products, expected);
}
