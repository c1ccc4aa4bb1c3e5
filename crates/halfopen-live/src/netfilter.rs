//! Linux's own gateway, netfilter, set up as a [`GatewayConfig`] says: what holds the project's
//! gateway against another one.
//!
//! What netfilter does differently even so is told in `docs/conformance.md`. How many flows it
//! remembers is not set here: the limit is the host's (`net.netfilter.nf_conntrack_max`).

mod hop;
mod router;

use core::fmt::Write as _;
use core::time::Duration;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use halfopen_core::gateway::{
    Dependence, FragmentRule, Fragments, GatewayConfig, OutOfWindow, Translation,
};
use halfopen_core::idle::{IdleTimers, OnExpiry, OnOrphan};

pub use self::hop::KernelGateway;
pub use self::router::{Router, RouterError};

/// The rules and settings that make a network namespace with two interfaces a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netfilter {
    settings: Vec<(String, String)>,
    ruleset: String,
}

/// Why netfilter cannot be such a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inexpressible {
    /// It tells the ends when it forgets their connection.
    #[error("netfilter tells nobody when it forgets a connection")]
    Tells,
    /// It makes a difference between packets that start a timer again and such that do not.
    #[error("with netfilter any packet of a connection starts its timer again")]
    Refresh,
    /// A timer does not end, or not at a whole number of seconds.
    #[error("netfilter's timers last whole seconds, at least one: {0} does not")]
    Timer(&'static str),
    /// Its mapping or filtering does not depend on the remote address and port.
    #[error("netfilter maps and filters by address and port, and in no other way")]
    Dependence,
    /// It has several addresses to translate to, ports of its own choice, or loops back.
    #[error("netfilter's masquerading has one address, no limit by destination and no way back in")]
    Translation,
    /// It treats what it does not remember in one way and what is out of window in another.
    #[error(
        "to netfilter a packet out of window and one of a flow that it does not remember are \
         alike: it cannot answer the one and drop the other"
    )]
    Invalid,
    /// It takes up flows of packets from outside, or answers them in a way that netfilter has not.
    #[error(
        "netfilter drops what comes from outside and is not remembered, or resets it if it came \
         to the address that it translates to"
    )]
    Stranger,
}

/// Why a gateway could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program that loads rules is missing.
    #[error("`nft` is not installed; Debian's package is nftables")]
    NoNft,
    /// The rules were not taken.
    #[error("`nft` did not take the rules: {0}")]
    Rules(String),
    /// It could not be run.
    #[error("cannot run `nft`: {0}")]
    Run(io::Error),
    /// A setting could not be written.
    #[error("cannot set `{0}`: {1}")]
    Setting(String, io::Error),
}

impl Netfilter {
    /// Returns the configuration nearest to this one in what a few connections do not notice:
    /// timers rounded up to whole seconds, and no limit by destination.
    #[must_use]
    pub fn nearest(config: &GatewayConfig) -> GatewayConfig {
        let mut config = config.clone();
        let timers = &mut config.idle.timers;
        for timer in [
            &mut timers.tcp_opening,
            &mut timers.tcp_established,
            &mut timers.tcp_half_closed,
            &mut timers.tcp_closing,
            &mut timers.tcp_time_wait,
            &mut timers.tcp_reset,
            &mut timers.udp,
            &mut timers.udp_stream,
            &mut timers.icmp,
        ] {
            *timer = timer.map(|timer| {
                let up = u64::from(timer.subsec_nanos() > 0);
                Duration::from_secs(timer.as_secs() + up).max(SECOND)
            });
        }
        if let Some(translation) = &mut config.translation {
            translation.per_destination = None;
        }
        config
    }

    /// Returns netfilter as the gateway that `config` describes, between these two interfaces.
    pub fn of(config: &GatewayConfig, inside: &str, outside: &str) -> Result<Self, Inexpressible> {
        check(config)?;
        let mut settings = timers(&config.idle.timers)?;
        let adopts = config.idle.on_orphan_inside == OnOrphan::Adopt;
        let liberal = config.out_of_window == OutOfWindow::Pass;
        let flag = |on: bool| String::from(if on { "1" } else { "0" });
        for (name, value) in [
            ("netfilter/nf_conntrack_tcp_loose", flag(adopts)),
            ("netfilter/nf_conntrack_tcp_be_liberal", flag(liberal)),
            ("ipv4/ip_default_ttl", config.ttl.to_string()),
            ("ipv4/ip_forward", flag(true)),
            ("ipv4/conf/all/rp_filter", flag(false)),
            // The project's gateway answers every packet.
            ("ipv4/icmp_ratelimit", flag(false)),
            ("ipv6/conf/all/forwarding", flag(true)),
        ] {
            settings.push((name.into(), value));
        }
        settings.push((format!("ipv4/conf/{inside}/rp_filter"), flag(false)));
        settings.push((format!("ipv4/conf/{outside}/rp_filter"), flag(false)));
        Ok(Self { settings, ruleset: ruleset(config, inside, outside) })
    }

    /// Sets the calling thread's network namespace up. Its interfaces must be there.
    pub fn apply(&self) -> Result<(), Error> {
        // The rules come first: with them comes connection tracking, which has the settings.
        self.load()?;
        for (name, value) in &self.settings {
            let path = Path::new("/proc/sys/net").join(name);
            std::fs::write(&path, value)
                .map_err(|error| Error::Setting(path.display().to_string(), error))?;
        }
        Ok(())
    }

    /// Returns the rules, as nft(8) reads them.
    #[must_use]
    pub fn ruleset(&self) -> &str {
        &self.ruleset
    }

    fn load(&self) -> Result<(), Error> {
        let failed = |error: io::Error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            if missing { Error::NoNft } else { Error::Run(error) }
        };
        let mut nft = Command::new("nft");
        nft.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut nft = nft.spawn().map_err(failed)?;
        let mut input = nft.stdin.take().expect("it is piped");
        let written = input.write_all(self.ruleset.as_bytes());
        drop(input);
        let output = nft.wait_with_output().map_err(failed)?;
        if output.status.success() {
            written.map_err(failed)
        } else {
            Err(Error::Rules(String::from_utf8_lossy(&output.stderr).trim().into()))
        }
    }
}

fn check(config: &GatewayConfig) -> Result<(), Inexpressible> {
    let idle = &config.idle;
    if idle.on_expiry != OnExpiry::Silent {
        return Err(Inexpressible::Tells);
    }
    if !(idle.refresh.by_outside && idle.refresh.by_empty_segments) {
        return Err(Inexpressible::Refresh);
    }
    if config.filtering != Dependence::AddressAndPort {
        return Err(Inexpressible::Dependence);
    }
    if let Some(translation) = &config.translation {
        if translation.mapping != Dependence::AddressAndPort {
            return Err(Inexpressible::Dependence);
        }
        let limited = translation.per_destination.is_some() || translation.hairpinning;
        if limited || translation.external.len() != 1 {
            return Err(Inexpressible::Translation);
        }
    }
    let answers = matches!(idle.on_orphan_inside, OnOrphan::Reset | OnOrphan::Unreachable);
    if answers && config.out_of_window == OutOfWindow::Drop {
        return Err(Inexpressible::Invalid);
    }
    match idle.on_orphan_outside {
        OnOrphan::Drop => Ok(()),
        // It comes to the address of the gateway, whose own TCP resets it.
        OnOrphan::Reset if config.translation.is_some() => Ok(()),
        OnOrphan::Reset | OnOrphan::Adopt | OnOrphan::Unreachable => Err(Inexpressible::Stranger),
    }
}

/// The timer that each state of `net/netfilter/nf_conntrack_proto_tcp.c` has, by the phase of the
/// project's gateway that it belongs to.
fn timers(timers: &IdleTimers) -> Result<Vec<(String, String)>, Inexpressible> {
    let named = [
        ("tcp_timeout_syn_sent", timers.tcp_opening),
        ("tcp_timeout_syn_recv", timers.tcp_opening),
        ("tcp_timeout_established", timers.tcp_established),
        ("tcp_timeout_fin_wait", timers.tcp_half_closed),
        ("tcp_timeout_close_wait", timers.tcp_half_closed),
        ("tcp_timeout_last_ack", timers.tcp_closing),
        ("tcp_timeout_time_wait", timers.tcp_time_wait),
        ("tcp_timeout_close", timers.tcp_reset),
        ("udp_timeout", timers.udp),
        ("udp_timeout_stream", timers.udp_stream),
        ("icmp_timeout", timers.icmp),
        ("icmpv6_timeout", timers.icmp),
    ];
    let mut settings = Vec::new();
    let mut longest = 0;
    for (name, timer) in named {
        let whole = timer.filter(|timer| timer.subsec_nanos() == 0 && *timer >= SECOND);
        let seconds = whole.ok_or(Inexpressible::Timer(name))?.as_secs();
        longest = seconds.max(longest);
        settings.push((format!("netfilter/nf_conntrack_{name}"), seconds.to_string()));
    }
    // These cut the others short, in states that the project's gateway does not tell apart.
    for name in ["tcp_timeout_max_retrans", "tcp_timeout_unacknowledged"] {
        settings.push((format!("netfilter/nf_conntrack_{name}"), longest.to_string()));
    }
    Ok(settings)
}

const SECOND: Duration = Duration::from_secs(1);

fn ruleset(config: &GatewayConfig, inside: &str, outside: &str) -> String {
    let mut rules = String::from("table inet halfopen {\n");
    let mut chain = |kind: &str, hook: &str, priority: &str, body: &[String]| {
        let head = format!("type {kind} hook {hook} priority {priority};");
        let _ = writeln!(rules, "chain on_{hook} {{\n{head}\n{}\n}}", body.join("\n"));
    };
    // Before defragmentation (include/uapi/linux/netfilter_ipv4.h, NF_IP_PRI_CONNTRACK_DEFRAG).
    chain("filter", "prerouting", "-450", &fragments(config.fragments));
    let invalid = match config.idle.on_orphan_inside {
        OnOrphan::Reset => "reject with tcp reset",
        OnOrphan::Unreachable => "reject with icmpx admin-prohibited",
        OnOrphan::Drop | OnOrphan::Adopt => "drop",
    };
    let reset = invalid.contains("tcp");
    let protocol = if reset { "meta l4proto tcp " } else { "" };
    let mut forward = vec![
        format!("iifname \"{inside}\" ct state invalid {protocol}{invalid}"),
        "ct state invalid drop".into(),
        format!("iifname \"{outside}\" ct state new drop"),
    ];
    forward.extend(config.mtu.map(|mtu| format!("meta length > {mtu} drop")));
    chain("filter", "forward", "filter", &forward);
    chain("filter", "input", "filter", &strangers(config.idle.on_orphan_outside, outside));
    if let Some(translation) = &config.translation {
        let masquerade = format!("oifname \"{outside}\" {}", masquerade(translation));
        chain("nat", "postrouting", "srcnat", &[masquerade]);
    }
    rules.push('}');
    rules
}

/// What does not belong to a flow is the gateway's own, and its TCP resets what it does not know.
fn strangers(rule: OnOrphan, outside: &str) -> Vec<String> {
    let dropped: &[&str] = match rule {
        OnOrphan::Reset => {
            &["meta l4proto != tcp", "tcp flags & (syn | ack) == syn", "ct state invalid"]
        }
        OnOrphan::Drop | OnOrphan::Adopt | OnOrphan::Unreachable => &[""],
    };
    dropped.iter().map(|which| format!("iifname \"{outside}\" {which} drop")).collect()
}

fn masquerade(translation: &Translation) -> String {
    let ports = &translation.ports;
    let order = if translation.preserve_port { "" } else { " fully-random" };
    if *ports == (1024..=u16::MAX) {
        return format!("masquerade{order}");
    }
    format!("meta l4proto {{ tcp, udp }} masquerade to :{}-{}{order}", ports.start(), ports.end())
}

fn fragments(rules: Fragments) -> Vec<String> {
    let protocols = [("tcp", rules.tcp), ("udp", rules.udp), ("icmp", rules.icmp)];
    let dropped = protocols.into_iter().filter(|(_, rule)| *rule == FragmentRule::Drop);
    dropped.map(|(name, _)| format!("ip frag-off & 0x3fff != 0 ip protocol {name} drop")).collect()
}

#[cfg(test)]
mod tests;
