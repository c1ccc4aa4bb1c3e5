use halfopen_core::rng::Rng;

use super::*;
use crate::policy::{Limits, Timeouts};

fn at(seconds: u64) -> Instant {
    Instant::EPOCH + Duration::from_secs(seconds)
}

fn turnstile(per_host: u32, total: u32) -> Turnstile {
    let limits = Limits { per_host: Some(per_host), total: Some(total), ..Limits::default() };
    let timeouts = Timeouts { lease: Some(Duration::from_secs(1)), ..Timeouts::default() };
    Turnstile::new(&Policy { limits, timeouts, ..Policy::default() })
}

fn path(name: &str) -> PathName {
    PathName::to(name)
}

fn waits(asked: Asked) -> Ticket {
    match asked {
        Asked::Wait(ticket) => ticket,
        Asked::Turn => panic!("it is its turn"),
    }
}

#[test]
fn requests_get_turns_in_the_order_in_which_they_asked() {
    let mut turns = turnstile(9, 1);
    assert_eq!(turns.ask(at(0), &path("a")), Asked::Turn);
    let second = waits(turns.ask(at(0), &path("b")));
    let third = waits(turns.ask(at(0), &path("a")));
    turns.done(at(0), &path("a"));
    let call = Call::Turn { ticket: second, waited: Duration::ZERO };
    assert_eq!((turns.poll_output(), turns.poll_output()), (Some(call), None));
    turns.done(at(0), &path("b"));
    let call = Call::Turn { ticket: third, waited: Duration::ZERO };
    assert_eq!(turns.poll_output(), Some(call));
}

#[test]
fn a_busy_destination_does_not_hold_up_the_others() {
    let mut turns = turnstile(1, 2);
    assert_eq!(turns.ask(at(0), &path("a")), Asked::Turn);
    waits(turns.ask(at(0), &path("a")));
    assert_eq!(turns.ask(at(0), &path("b")), Asked::Turn);
    assert_eq!(turns.in_use(&path("a")), InUse { path: 1, total: 2 });
}

#[test]
fn who_waited_for_too_long_is_refused() {
    let mut turns = turnstile(1, 1);
    turns.ask(at(0), &path("a"));
    let ticket = waits(turns.ask(at(5), &path("a")));
    assert_eq!(turns.poll_timeout(), Some(at(6)));
    turns.handle_timeout(at(6));
    let call = Call::Refused { ticket, waited: Duration::from_secs(1) };
    assert_eq!((turns.poll_output(), turns.waiting()), (Some(call), 0));
    turns.done(at(6), &path("a"));
    assert_eq!((turns.poll_output(), turns.in_use(&path("a"))), (None, InUse::default()));
}

#[test]
fn who_leaves_the_queue_is_not_called() {
    let mut turns = turnstile(1, 1);
    turns.ask(at(0), &path("a"));
    let second = waits(turns.ask(at(0), &path("a")));
    let third = waits(turns.ask(at(0), &path("a")));
    assert!(turns.leave(second) && !turns.leave(second));
    turns.done(at(0), &path("a"));
    assert!(matches!(turns.poll_output(), Some(Call::Turn { ticket, .. }) if ticket == third));
    assert!(!turns.leave(third));
}

#[test]
fn turns_stay_within_the_limits_and_nobody_waits_in_vain() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let per_path = 1 + rng.index(4);
        let total = 1 + rng.index(8);
        let limit = |limit| u32::try_from(limit).unwrap();
        let mut turns = turnstile(limit(per_path), limit(total));
        let (mut using, mut waiting) = (Vec::new(), Vec::new());
        let mut now = at(0);
        for _ in 0..600 {
            now = now + Duration::from_millis(rng.below(200));
            let name = *rng.pick(&["a", "b", "c", "d"]);
            if rng.chance(0.6) {
                match turns.ask(now, &path(name)) {
                    Asked::Turn => using.push(name),
                    Asked::Wait(ticket) => waiting.push((ticket, name, now)),
                }
            } else if rng.chance(0.2) && !waiting.is_empty() {
                // Whoever is no longer waiting by now is called below.
                let (ticket, ..) = waiting[rng.index(waiting.len())];
                assert!(turns.leave(ticket), "seed {seed}");
                waiting.retain(|waiter| waiter.0 != ticket);
            } else if !using.is_empty() {
                let name = using.swap_remove(rng.index(using.len()));
                turns.done(now, &path(name));
            }
            while let Some(call) = turns.poll_output() {
                let (Call::Turn { ticket, .. } | Call::Refused { ticket, .. }) = call;
                let place = waiting.iter().position(|waiter| waiter.0 == ticket);
                let (_, name, since) = waiting.remove(place.expect("it waits"));
                let late = now >= since + Duration::from_secs(1);
                assert_eq!(matches!(call, Call::Refused { .. }), late, "seed {seed}");
                if !late {
                    let of_path = |waiter: &&(Ticket, &str, Instant)| waiter.1 == name;
                    assert!(waiting.iter().find(of_path).is_none_or(|it| it.0 > ticket));
                    using.push(name);
                }
            }
            let used = |name: &str| using.iter().filter(|it| **it == name).count();
            assert!(using.len() <= total, "seed {seed}");
            assert!(using.iter().all(|name| used(name) <= per_path), "seed {seed}");
            let could_go = |name| using.len() < total && used(name) < per_path;
            assert!(!waiting.iter().any(|&(_, name, _)| could_go(name)), "seed {seed}");
            assert_eq!(turns.waiting(), waiting.len(), "seed {seed}");
        }
    }
}
