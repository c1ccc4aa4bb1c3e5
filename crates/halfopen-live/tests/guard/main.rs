//! The guard, in the kernel: what it does to the options of sockets, what it leaves alone, and what
//! is left of it.
//!
//! It takes root, and a cgroup file system of version 2; each test makes a cgroup of its own. The
//! clients are Python's sockets, started inside.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod client;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use client::{Client, Group, listen};
use halfopen_live::guard::heal::heal;
use halfopen_live::guard::limits::{Destination, Limits, Rules};
use halfopen_live::guard::{Counts, Guard, Mode, status};

fn limits(idle_s: u64) -> Limits {
    Limits::new(Duration::from_secs(idle_s)).unwrap()
}

fn everywhere(idle_s: u64) -> Rules {
    Rules { guarded: vec![(Destination::ANY, limits(idle_s))], spared: Vec::new() }
}

fn only(destination: &str, idle_s: u64) -> (Destination, Limits) {
    (destination.parse().unwrap(), limits(idle_s))
}

/// What the kernel has on, and after how many seconds, if nobody says otherwise.
const UNGUARDED: &str = "0 7200 75 9 0";

#[test]
fn a_connection_is_guarded_from_its_beginning() {
    let group = Group::new();
    let guard = Guard::attach(&everywhere(40), Mode::Change, group.cgroup()).unwrap();
    for address in ["127.0.0.1", "::1"] {
        let server = listen(address);
        assert_eq!(Client::outside("", server, "").options(), UNGUARDED);
        assert_eq!(group.start("", server, "").options(), "1 40 5 3 55000", "{address}");
    }
    let counts = guard.counts().unwrap();
    assert_eq!(counts, Counts { opened: 2, changed: 2, ..Counts::default() });
    assert_eq!(guard.destinations().unwrap().len(), 2);
}

#[test]
fn a_socket_of_ipv6_to_an_ipv4_address_is_found_by_that() {
    let group = Group::new();
    let rules = Rules { guarded: vec![only("127.0.0.0/8", 40)], spared: Vec::new() };
    let _guard = Guard::attach(&rules, Mode::Change, group.cgroup()).unwrap();
    let server = listen("127.0.0.1");
    let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), server.port()));
    assert_eq!(group.start("", mapped, "").options(), "1 40 5 3 55000");
    assert_eq!(group.start("", listen("::1"), "").options(), UNGUARDED);
}

#[test]
fn what_a_process_set_shorter_by_itself_stays() {
    let group = Group::new();
    let guard = Guard::attach(&everywhere(50), Mode::Change, group.cgroup()).unwrap();
    let server = listen("127.0.0.1");
    let own = "s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1); s.setsockopt(6, TCP_KEEPIDLE, 11); \
               s.setsockopt(6, TCP_KEEPINTVL, 2); s.setsockopt(6, TCP_KEEPCNT, 2); \
               s.setsockopt(6, TCP_USER_TIMEOUT, 9000)";
    assert_eq!(group.start(own, server, "").options(), "1 11 2 2 9000");
    assert_eq!(group.start("", server, own).options(), "1 11 2 2 9000");
    let counts = guard.counts().unwrap();
    assert_eq!((counts.kept, counts.changed, counts.held), (1, 1, 0));
}

#[test]
fn what_a_process_sets_later_is_held_to_the_limit() {
    let group = Group::new();
    let guard = Guard::attach(&everywhere(50), Mode::Change, group.cgroup()).unwrap();
    let server = listen("127.0.0.1");
    let later = "s.setsockopt(6, TCP_KEEPIDLE, 7200); s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 0); \
                 s.setsockopt(6, TCP_KEEPINTVL, 75); s.setsockopt(6, TCP_KEEPCNT, 100); \
                 s.setsockopt(6, TCP_USER_TIMEOUT, 0); s.setsockopt(6, TCP_NODELAY, 1)";
    assert_eq!(group.start("", server, later).options(), "1 50 6 100 68000");
    assert_eq!(guard.counts().unwrap().held, 4);
    let before = "s.setsockopt(6, TCP_KEEPIDLE, 7200); s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)";
    assert_eq!(group.start(before, server, "").options(), "1 50 6 3 68000");
}

#[test]
fn a_process_that_notices_a_dead_peer_sooner_still_does() {
    let group = Group::new();
    let guard = Guard::attach(&everywhere(60), Mode::Change, group.cgroup()).unwrap();
    let server = listen("127.0.0.1");
    // As Node.js does, whose peer is given up after 11 s; a user timeout would hold that off.
    let node = "s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1); s.setsockopt(6, TCP_KEEPIDLE, 1); \
                s.setsockopt(6, TCP_KEEPINTVL, 1); s.setsockopt(6, TCP_KEEPCNT, 10)";
    assert_eq!(group.start("", server, node).options(), "1 1 1 10 11000");
    assert_eq!(group.start(node, server, "").options(), "1 1 1 10 11000");
    // As Go does: 150 s are more than the limit, which is 60 + 3 * 7.
    let go = "s.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1); s.setsockopt(6, TCP_KEEPIDLE, 15); \
              s.setsockopt(6, TCP_KEEPINTVL, 15); s.setsockopt(6, TCP_KEEPCNT, 9)";
    assert_eq!(group.start("", server, go).options(), "1 15 15 9 81000");
    assert_eq!(group.start(go, server, "").options(), "1 15 15 9 81000");
    // One that has a user timeout of its own keeps that.
    let both = format!("s.setsockopt(6, TCP_USER_TIMEOUT, 30000); {node}");
    assert_eq!(group.start("", server, &both).options(), "1 1 1 10 30000");
    assert_eq!(guard.counts().unwrap().held, 0);
}

#[test]
fn a_rule_for_a_port_goes_first_and_what_is_spared_is_left_alone() {
    let group = Group::new();
    let [one, other, spared] = [listen("127.0.0.1"), listen("127.0.0.1"), listen("127.0.0.1")];
    let rules = Rules {
        guarded: vec![
            only("127.0.0.1", 60),
            only(&format!("*:{}", one.port()), 16),
            only(&format!("127.0.0.0/8:{}", spared.port()), 24),
        ],
        spared: vec![format!("127.0.0.0/30:{}", spared.port()).parse().unwrap()],
    };
    let guard = Guard::attach(&rules, Mode::Change, group.cgroup()).unwrap();
    assert_eq!(group.start("", one, "").options(), "1 16 2 3 22000");
    assert_eq!(group.start("", other, "").options(), "1 60 7 3 81000");
    assert_eq!(group.start("", spared, "").options(), UNGUARDED);
    assert_eq!(group.start("", listen("::1"), "").options(), UNGUARDED);
    let counts = guard.counts().unwrap();
    assert_eq!((counts.changed, counts.spared, counts.others), (2, 1, 1));
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    let group = Group::new();
    let guard = Guard::attach(&everywhere(50), Mode::DryRun, group.cgroup()).unwrap();
    let later = "s.setsockopt(6, TCP_KEEPIDLE, 99)";
    assert_eq!(group.start("", listen("127.0.0.1"), later).options(), "0 99 75 9 0");
    let counts = guard.counts().unwrap();
    assert_eq!(counts, Counts { opened: 1, changed: 1, held: 1, ..Counts::default() });
}

#[test]
fn a_server_that_accepts_is_guarded_too() {
    let group = Group::new();
    let guard = Guard::attach(&everywhere(40), Mode::Change, group.cgroup()).unwrap();
    assert_eq!(group.accept().options(), "1 40 5 3 55000");
    assert_eq!(guard.counts().unwrap().accepted, 1);
}

#[test]
fn an_open_connection_is_healed_and_others_are_not() {
    let [server, other] = [listen("127.0.0.1"), listen("127.0.0.1")];
    let mut open = Client::outside("", server, "");
    let mut left = Client::outside("", other, "");
    let rules =
        Rules { guarded: vec![(Destination::from(server), limits(40))], spared: Vec::new() };
    assert_eq!([open.options_now(), left.options_now()], [UNGUARDED; 2]);
    let found = heal(&rules, Mode::DryRun).unwrap();
    assert_eq!(open.options_now(), UNGUARDED);
    let clients: Vec<_> = found.iter().filter(|one| one.remote == server).collect();
    assert_eq!(clients.len(), 1, "{found:?}");
    assert!(clients[0].changed && !clients[0].before.keepalive);
    assert_eq!(clients[0].before.idle, Duration::from_hours(2));

    assert!(heal(&rules, Mode::Change).unwrap().iter().all(|one| !one.failed));
    assert_eq!(open.options_now(), "1 40 5 3 55000");
    assert_eq!(left.options_now(), UNGUARDED);
    let again = heal(&rules, Mode::Change).unwrap();
    assert!(again.iter().all(|one| !one.changed), "{again:?}");
}

#[test]
fn nothing_is_attached_once_a_guard_is_gone() {
    let group = Group::new();
    let guard = Guard::attach(&everywhere(40), Mode::Change, group.cgroup()).unwrap();
    assert_eq!(status::of(group.cgroup()).unwrap().len(), 1);
    drop(guard);
    assert_eq!(status::of(group.cgroup()).unwrap(), Vec::<u32>::new());
}
