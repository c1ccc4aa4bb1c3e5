//! The shelf against a plain list of connections.

use halfopen_core::rng::Rng;

use super::*;
use crate::policy::Hint;

const PATHS: [&str; 3] = ["http://a", "http://b", "http://c"];

/// What a test knows of a connection on the shelf.
#[derive(Clone, Debug)]
struct Known {
    id: u64,
    path: PathName,
    since: Instant,
    end: Instant,
    limit: Duration,
    cap: Cap,
}

impl Known {
    fn may_be_used(&self, now: Instant) -> bool {
        let quiet = WireIdle::unprobed(now.saturating_since(self.since));
        quiet.since_data < self.limit && self.cap.admits(quiet) && now < self.end
    }
}

fn some_cap(rng: &mut Rng) -> Cap {
    let mut limit = || rng.chance(0.5).then(|| secs(rng.below(80)));
    Cap { packets: limit(), data: limit() }
}

fn policy(rng: &mut Rng) -> Policy {
    let mut policy = keeping(|keep| {
        keep.order = *rng.pick(&[Order::Lifo, Order::Fifo]);
        keep.hint = Hint::Shortens { margin: secs(1) };
        keep.lifetime = Some(Lifetime { max: secs(150), jitter: Duration::ZERO });
    });
    let mut limit = || Some(u32::try_from(3 + rng.below(20)).unwrap());
    policy.limits = Limits { idle_per_host: limit(), idle_total: limit(), ..Limits::default() };
    policy
}

/// Takes from the list what the shelf discarded, and checks that it had a reason.
fn follow(shelf: &mut Shelf<Socket>, list: &mut Vec<Known>, now: Instant, seed: u64) {
    while let Some(out) = shelf.poll_output() {
        let place = list.iter().position(|known| known.id == out.idle.id.0);
        let known = list.remove(place.unwrap_or_else(|| panic!("seed {seed}: {out:?} twice")));
        let overdue =
            matches!(out.why, Discard::IdleLimit | Discard::LearntCap | Discard::Lifetime);
        assert_eq!(overdue, !known.may_be_used(now), "seed {seed}: {out:?}");
        if out.why == Discard::TooManyIdle {
            let older = list.iter().any(|it| it.path == known.path && it.since < known.since);
            assert!(!older, "seed {seed}: {out:?} was not idle longest");
        }
    }
}

#[test]
fn the_shelf_hands_out_what_a_plain_list_would() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let policy = policy(&mut rng);
        let (per_path, total) = (policy.limits.idle_per_host, policy.limits.idle_total);
        let Reuse::Kept(keep) = policy.reuse.clone() else { unreachable!("it keeps") };
        let mut shelf = Shelf::new(&policy, seed);
        let mut list: Vec<Known> = Vec::new();
        let mut now = at(100);
        for id in 0..800 {
            now = now + Duration::from_millis(rng.below(4_000));
            let path = PathName::to(rng.pick::<&str>(&PATHS));
            match rng.below(10) {
                0..5 => put(&mut shelf, &mut list, &mut rng, &keep, (now, id, path)),
                5..8 => take(&mut shelf, &mut list, keep.order, (now, path), seed),
                8 => {
                    let cap = some_cap(&mut rng);
                    shelf.handle_timeout(now);
                    follow(&mut shelf, &mut list, now, seed);
                    list.iter_mut().filter(|it| it.path == path).for_each(|it| it.cap = cap);
                    shelf.heed(now, &path, cap);
                }
                _ => {
                    let pause = secs(rng.below(60));
                    shelf.handle_timeout(now);
                    follow(&mut shelf, &mut list, now, seed);
                    shelf.discard_siblings(now, &path, Siblings::QuietFor(Clock::Data, pause));
                    let alive = |it: &Known| it.path != path || now < it.since + pause;
                    let expected = list.iter().filter(|it| alive(it)).count();
                    assert_eq!(shelf.len(), expected, "seed {seed}");
                }
            }
            follow(&mut shelf, &mut list, now, seed);
            assert_eq!(shelf.len(), list.len(), "seed {seed}");
            assert!(list.iter().all(|known| known.may_be_used(now)), "seed {seed}");
            assert!(list.len() <= to_usize(total.unwrap()), "seed {seed}");
            for path in PATHS.map(PathName::to) {
                assert!(shelf.len_of(&path) <= to_usize(per_path.unwrap()), "seed {seed}");
            }
        }
    }
}

fn put(
    shelf: &mut Shelf<Socket>,
    list: &mut Vec<Known>,
    rng: &mut Rng,
    keep: &Keep,
    (now, id, path): (Instant, u64, PathName),
) {
    let hint = rng.chance(0.3).then(|| secs(1 + rng.below(70)));
    let born = Instant::from_nanos(now.as_nanos() - rng.below(99_000_000_000));
    let since = Instant::from_nanos(now.as_nanos() - rng.below(3_000_000_000));
    let cap = some_cap(rng);
    let limit = keep.idle_limit(hint).expect("it has a limit");
    let end = born + secs(150);
    list.push(Known { id, path: path.clone(), since, end, limit, cap });
    shelf.put(now, Idle { path, since, born, hint, ..idle(id, 0) }, cap);
}

fn take(
    shelf: &mut Shelf<Socket>,
    list: &mut Vec<Known>,
    order: Order,
    (now, path): (Instant, PathName),
    seed: u64,
) {
    let take = taken(shelf.take(now, &path));
    follow(shelf, list, now, seed);
    let of_path = list.iter().filter(|known| known.path == path);
    let expected = match order {
        Order::Lifo => of_path.max_by_key(|known| (known.since, known.id)),
        Order::Fifo => of_path.min_by_key(|known| (known.since, known.id)),
    };
    let expected = expected.map(|known| known.id);
    assert_eq!(take, expected, "seed {seed}");
    list.retain(|known| Some(known.id) != expected);
}
