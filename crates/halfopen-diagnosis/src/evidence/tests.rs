use halfopen_core::rng::Rng;

use super::*;

const HOUR_NS: u64 = 3_600_000_000_000;

fn place(host: &str, zone: &str, server: &str) -> Place {
    Place { host: host.into(), labels: format!("zone={zone}").into(), server: server.into() }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Rows of a few hosts, zones and servers; the limit of a zone is its own.
fn random_rows(rng: &mut Rng, count: usize) -> Vec<(Key, Tally)> {
    (0..count)
        .map(|_| {
            let zone = *rng.pick(&["a", "b"]);
            let host = format!("h{}", rng.below(4));
            let place = place(&host, zone, rng.pick::<&str>(&["s:1", "s:2"]));
            let limit = if zone == "a" { 350 } else { 60 };
            let idle = Duration::from_micros(rng.below(2 * limit * 1_000_000));
            let at = Instant::from_nanos(rng.below(30) * HOUR_NS + rng.below(HOUR_NS));
            let died = Kind::Died(Some(Mechanism::ResetOnReuse), Harm::Failed);
            let kind = if idle < secs(limit) { Kind::Survived } else { died };
            if rng.chance(0.2) {
                let judged = Kind::Judged(Cause::IdleExpiry, None, Harm::Failed);
                let tally = Tally { idle: None, requests: rng.below(9), ..Tally::pause(idle) };
                return (Key::new(place, at, judged, None), tally);
            }
            (Key::new(place, at, kind, Some(idle)), Tally::pause(idle))
        })
        .collect()
}

fn learned(rows: &[(Key, Tally)]) -> Learned {
    let mut learned = Learned::default();
    for (key, tally) in rows {
        learned.add(key.clone(), *tally);
    }
    learned
}

fn merged(mut one: Learned, other: Learned) -> Learned {
    one.merge(other);
    one
}

#[test]
fn it_does_not_matter_who_merges_what_first() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let [a, b, c] = [(); 3].map(|()| learned(&random_rows(&mut rng, 40)));
        let left = merged(merged(a.clone(), b.clone()), c.clone());
        let right = merged(a.clone(), merged(b.clone(), c.clone()));
        assert_eq!(left, right, "seed {seed}: associative");
        assert_eq!(left, merged(merged(c, a), b), "seed {seed}: commutative");
    }
}

#[test]
fn a_fleet_says_the_same_of_rows_in_any_order_and_of_what_was_merged_before() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let mut rows = random_rows(&mut rng, 300);
        let judge = |rows: &mut dyn Iterator<Item = (&Key, &Tally)>, sharing: Sharing| {
            let mut fleet = Fleet::new(sharing);
            rows.for_each(|(key, tally)| fleet.add(key, tally));
            format!("{:?}", fleet.judge())
        };
        for sharing in [Sharing::None, Sharing::Labels(vec!["zone".to_owned()])] {
            let pairs = |rows: &[(Key, Tally)]| rows.to_vec();
            let before = pairs(&rows);
            let one = judge(&mut before.iter().map(|(key, tally)| (key, tally)), sharing.clone());
            for index in (1..rows.len()).rev() {
                rows.swap(index, rng.index(index + 1));
            }
            let other = judge(&mut rows.iter().map(|(key, tally)| (key, tally)), sharing.clone());
            assert_eq!(one, other, "seed {seed}");
            let learned = learned(&rows);
            assert_eq!(one, judge(&mut learned.rows(), sharing), "seed {seed}: merged before");
        }
    }
}

/// One host learns that it is not `limit`; another that it is not more.
fn two_hosts(zones: [&str; 2]) -> Vec<(Key, Tally)> {
    let at = Instant::from_nanos(HOUR_NS);
    let pause =
        |place: Place, kind, idle| (Key::new(place, at, kind, Some(idle)), Tally::pause(idle));
    let judged = |place: Place, cause, harm| {
        let tally = Tally { idle: None, connections: 1, requests: 2, ..Tally::pause(secs(0)) };
        (Key::new(place, at, Kind::Judged(cause, None, harm), None), tally)
    };
    let [one, two] = [place("h1", zones[0], "s:1"), place("h2", zones[1], "s:1")];
    let died = Kind::Died(Some(Mechanism::ResetOnReuse), Harm::Failed);
    vec![
        pause(one.clone(), Kind::Survived, secs(340)),
        judged(one, Cause::None, Harm::None),
        pause(two.clone(), died, secs(351)),
        judged(two, Cause::IdleExpiry, Harm::Failed),
    ]
}

fn judge(rows: &[(Key, Tally)], sharing: Sharing) -> Vec<PathVerdict> {
    let mut fleet = Fleet::new(sharing);
    for (key, tally) in rows {
        fleet.add(key, tally);
    }
    fleet.judge()
}

fn by_zone() -> Sharing {
    Sharing::Labels(vec!["zone".to_owned()])
}

#[test]
fn hosts_that_share_a_path_bracket_its_limit_together() {
    let [verdict] = judge(&two_hosts(["a", "a"]), by_zone()).try_into().unwrap();
    assert_eq!((verdict.cause, verdict.harm, verdict.hosts), (Cause::IdleExpiry, Harm::Failed, 2));
    assert_eq!((verdict.survived, verdict.died), (Some(secs(340)), Some(secs(351))));
    assert_eq!(verdict.deaths_by_hour[1], 1);
    assert_eq!(verdict.mechanism, Some(Mechanism::ResetOnReuse));
    assert!(!verdict.limits()[0].fits.is_empty());
}

#[test]
fn hosts_are_not_put_together_unless_they_share_a_path() {
    for (rows, sharing) in
        [(two_hosts(["a", "a"]), Sharing::None), (two_hosts(["a", "b"]), by_zone())]
    {
        let [worse, better] = judge(&rows, sharing).try_into().unwrap();
        assert_eq!((worse.cause, worse.survived), (Cause::IdleExpiry, None));
        assert_eq!((better.cause, better.died), (Cause::None, None));
    }
    let nobody = Sharing::Labels(vec!["rack".to_owned()]);
    assert_eq!(judge(&two_hosts(["a", "a"]), nobody).len(), 2);
}

#[test]
fn hosts_that_contradict_each_other_accuse_nobody() {
    let mut rows = two_hosts(["a", "a"]);
    let idle = secs(1_700);
    let key = Key::new(rows[0].0.place.clone(), Instant::EPOCH, Kind::Survived, Some(idle));
    rows.push((key, Tally::pause(idle)));
    let [verdict] = judge(&rows, by_zone()).try_into().unwrap();
    assert_eq!((verdict.cause, verdict.mechanism), (Cause::Inconclusive, None));
    assert!(verdict.because.contains("do not share a path"), "{}", verdict.because);
    assert!(verdict.limits().is_empty());
}

#[test]
fn pauses_that_are_counted_together_are_within_a_ninth_of_each_other() {
    let mut rng = Rng::new(5);
    for _ in 0..10_000 {
        let idle = Duration::from_micros(rng.below(1 << 45));
        let next = idle.mul_f64(1.0 + 1.0 / 8.0) + Duration::from_micros(8);
        assert!(part(idle) < part(next), "{idle:?}");
        assert!(part(idle) <= part(idle + Duration::from_micros(1)), "{idle:?}");
    }
    assert!(part(Duration::MAX) < 64 * PARTS);
}

#[cfg(feature = "parquet")]
mod files {
    use std::io::Cursor;

    use halfopen_logs::table::Table;

    use super::*;
    use crate::evidence::file;

    fn written(learned: &Learned) -> Vec<u8> {
        let mut bytes = Vec::new();
        file::write(learned, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read_again() {
        for count in [0, 1, 500] {
            let before =
                learned(&random_rows(&mut Rng::new(count), usize::try_from(count).unwrap()));
            let table = Table::open(Cursor::new(written(&before))).unwrap();
            assert!(file::is_evidence(&table));
            assert!(!halfopen_logs::flows::parquet::is_flow_log(&table));
            let mut after = Learned::default();
            file::read(&table, |key, tally| after.add(key, tally)).unwrap();
            assert_eq!(before, after);
        }
    }

    #[test]
    fn damaged_evidence_is_an_error_and_no_panic() {
        let whole = written(&learned(&two_hosts(["a", "b"])));
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            if let Ok(table) = Table::open(Cursor::new(bytes)) {
                let _ = file::read(&table, |_, _| {});
            }
        }
    }
}
