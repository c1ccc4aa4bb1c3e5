use super::*;
use crate::policy::{Hint, Lifetime};

mod random;

/// A connection, and what the kernel says of its quiet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket(pub(super) Option<WireIdle>);

impl Wire for Socket {
    fn wire_idle(&self) -> Option<WireIdle> {
        self.0
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn at(seconds: u64) -> Instant {
    Instant::EPOCH + secs(seconds)
}

fn keeping(change: impl FnOnce(&mut Keep)) -> Policy {
    let mut keep = Keep {
        idle_max: Some(secs(60)),
        hint: Hint::Ignored,
        lifetime: None,
        order: Order::Lifo,
        notice: Notice::AtOnce,
        handover: false,
    };
    change(&mut keep);
    Policy { reuse: Reuse::Kept(keep), limits: Limits::default(), ..Policy::default() }
}

fn payments() -> PathName {
    PathName::to("http://payments.internal:8080")
}

pub(super) fn idle(id: u64, since: u64) -> Idle<Socket> {
    Idle {
        id: ConnectionId(id),
        path: payments(),
        since: at(since),
        born: at(0),
        hint: None,
        connection: Socket(None),
    }
}

fn taken(take: Take<Socket>) -> Option<u64> {
    match take {
        Take::Use(taken) | Take::Validate(taken) => Some(taken.idle.id.0),
        Take::Nothing => None,
    }
}

fn discarded(shelf: &mut Shelf<Socket>) -> Vec<(u64, Discard)> {
    core::iter::from_fn(|| shelf.poll_output()).map(|out| (out.idle.id.0, out.why)).collect()
}

#[test]
fn a_connection_is_used_before_its_limit_and_discarded_at_it() {
    let mut shelf = Shelf::new(&keeping(|_| ()), 1);
    shelf.put(at(10), idle(1, 10), Cap::NONE);
    assert_eq!(shelf.poll_timeout(), Some(at(70)));
    assert_eq!(taken(shelf.take(at(69), &payments())), Some(1));
    shelf.put(at(70), idle(1, 70), Cap::NONE);
    shelf.handle_timeout(at(129));
    assert_eq!(shelf.len_of(&payments()), 1);
    shelf.handle_timeout(at(130));
    assert_eq!(discarded(&mut shelf), [(1, Discard::IdleLimit)]);
    assert_eq!((shelf.poll_timeout(), shelf.is_empty()), (None, true));
}

#[test]
fn a_late_driver_gets_no_connection_past_its_limit() {
    let mut shelf = Shelf::new(&keeping(|_| ()), 1);
    shelf.put(at(10), idle(1, 10), Cap::NONE);
    assert_eq!(taken(shelf.take(at(1_000), &payments())), None);
    assert_eq!(discarded(&mut shelf), [(1, Discard::IdleLimit)]);
}

#[test]
fn the_ledgers_cap_holds_beside_the_policys_limit() {
    let mut shelf = Shelf::new(&keeping(|_| ()), 1);
    shelf.put(at(0), idle(1, 0), Cap { packets: Some(secs(30)), data: None });
    shelf.put(at(0), idle(2, 0), Cap::NONE);
    shelf.handle_timeout(at(30));
    assert_eq!(discarded(&mut shelf), [(1, Discard::LearntCap)]);
    shelf.heed(at(31), &payments(), Cap { packets: None, data: Some(secs(31)) });
    assert_eq!(discarded(&mut shelf), [(2, Discard::LearntCap)]);
}

#[test]
fn probes_keep_a_connection_that_only_the_path_would_forget() {
    let mut shelf = Shelf::new(&keeping(|keep| keep.idle_max = None), 1);
    let probed = WireIdle { since_any_packet: secs(10), since_data: secs(40) };
    let connection = Idle { connection: Socket(Some(probed)), ..idle(1, 0) };
    shelf.put(at(40), connection, Cap { packets: Some(secs(30)), data: None });
    assert_eq!(shelf.poll_timeout(), Some(at(60)));
    // The probes went on meanwhile: the deadline moves.
    shelf.handle_timeout(at(60));
    assert_eq!(shelf.poll_timeout(), Some(at(80)));
    let take = shelf.take(at(70), &payments());
    assert!(matches!(take, Take::Use(Taken { quiet, .. }) if quiet == probed));
}

#[test]
fn last_in_is_first_out_or_last_out() {
    for (order, expected) in [(Order::Lifo, [3, 2, 1]), (Order::Fifo, [1, 2, 3])] {
        let mut shelf = Shelf::new(&keeping(|keep| keep.order = order), 1);
        for id in 1..=3 {
            shelf.put(at(id), idle(id, id), Cap::NONE);
        }
        let out = [(); 3].map(|()| taken(shelf.take(at(9), &payments())));
        assert_eq!(out, expected.map(Some));
    }
}

#[test]
fn a_hint_is_a_limit_of_its_own_connection() {
    let hint = Hint::Heeded { margin: secs(1), max: None };
    let mut shelf = Shelf::new(&keeping(|keep| keep.hint = hint), 1);
    shelf.put(at(0), Idle { hint: Some(secs(5)), ..idle(1, 0) }, Cap::NONE);
    assert_eq!(shelf.poll_timeout(), Some(at(4)));
}

#[test]
fn lifetimes_end_apart_and_always_at_the_same_time() {
    let lifetime = Lifetime { max: secs(100), jitter: secs(50) };
    let policy = keeping(|keep| (keep.idle_max, keep.lifetime) = (None, Some(lifetime)));
    let ends: BTreeSet<_> = (0..100)
        .map(|id| {
            let mut shelf = Shelf::new(&policy, 7);
            shelf.put(at(1), idle(id, 1), Cap::NONE);
            let end = shelf.poll_timeout().expect("it has a lifetime");
            assert!((at(50)..=at(100)).contains(&end), "{end:?}");
            assert_eq!(taken(shelf.take(at(2), &payments())), Some(id));
            shelf.put(at(3), idle(id, 3), Cap::NONE);
            assert_eq!(shelf.poll_timeout(), Some(end));
            end
        })
        .collect();
    assert!(ends.len() > 90, "{}", ends.len());
}

#[test]
fn the_longest_idle_gives_way_to_limits_and_to_new_connections() {
    let mut policy = keeping(|_| ());
    policy.limits =
        Limits { per_host: Some(3), total: Some(3), idle_per_host: Some(2), idle_total: Some(3) };
    let mut shelf = Shelf::new(&policy, 1);
    let elsewhere = PathName::to("http://elsewhere:80").from("eth1");
    for id in 1..=3 {
        shelf.put(at(id), idle(id, id), Cap::NONE);
    }
    assert_eq!(discarded(&mut shelf), [(1, Discard::TooManyIdle)]);
    for id in 4..=5 {
        shelf.put(at(id), Idle { path: elsewhere.clone(), ..idle(id, id) }, Cap::NONE);
    }
    assert_eq!(discarded(&mut shelf), [(2, Discard::TooManyIdle)]);
    shelf.make_room(at(6), &elsewhere, InUse { path: 2, total: 2 });
    let expected = [(4, Discard::MadeRoom), (3, Discard::MadeRoom)];
    assert_eq!(discarded(&mut shelf), expected);
    assert_eq!(shelf.len_of(&elsewhere), 1);
}

#[test]
fn siblings_that_are_no_better_off_are_discarded() {
    let mut shelf = Shelf::new(&keeping(|_| ()), 1);
    for id in 1..=3 {
        shelf.put(at(10 * id), idle(id, 10 * id), Cap::NONE);
    }
    shelf.discard_siblings(at(50), &payments(), Siblings::QuietFor(Clock::Packets, secs(30)));
    assert_eq!(discarded(&mut shelf), [(1, Discard::SiblingDied), (2, Discard::SiblingDied)]);
    shelf.discard_siblings(at(50), &payments(), Siblings::All);
    assert_eq!(discarded(&mut shelf), [(3, Discard::SiblingDied)]);
}

#[test]
fn a_policy_says_which_connections_are_looked_at_before_use() {
    let notice = Notice::WhenTaken { after: secs(2) };
    let mut shelf = Shelf::new(&keeping(|keep| keep.notice = notice), 1);
    shelf.put(at(10), idle(1, 10), Cap::NONE);
    assert!(matches!(shelf.take(at(11), &payments()), Take::Use(_)));
    shelf.put(at(11), idle(1, 11), Cap::NONE);
    assert!(matches!(shelf.take(at(13), &payments()), Take::Validate(_)));
}

#[test]
fn a_connection_that_ended_leaves_the_shelf_with_its_pause() {
    let mut shelf = Shelf::new(&keeping(|_| ()), 1);
    shelf.put(at(10), idle(1, 10), Cap::NONE);
    let ended = shelf.remove(at(40), ConnectionId(1)).expect("it is on the shelf");
    assert_eq!(ended.quiet, WireIdle::unprobed(secs(30)));
    assert_eq!(shelf.remove(at(40), ConnectionId(1)), None);
    assert_eq!((shelf.poll_timeout(), discarded(&mut shelf)), (None, vec![]));
}

#[test]
fn a_policy_without_reuse_keeps_nothing_and_a_pool_that_ends_drains() {
    let never = Policy { reuse: Reuse::Never, ..Policy::default() };
    let mut shelf = Shelf::new(&never, 1);
    shelf.put(at(0), idle(1, 0), Cap::NONE);
    assert_eq!(discarded(&mut shelf), [(1, Discard::NotKept)]);
    let mut shelf = Shelf::new(&keeping(|_| ()), 1);
    shelf.put(at(0), idle(1, 0), Cap::NONE);
    shelf.drain(at(1), None);
    assert_eq!(discarded(&mut shelf), [(1, Discard::Drained)]);
}
