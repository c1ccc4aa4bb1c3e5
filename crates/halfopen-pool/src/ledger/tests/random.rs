//! Ledgers with random histories, and on paths whose truth is known.

use halfopen_core::rng::Rng;

use super::*;

const OUTCOMES: [Outcome; 6] = [
    Outcome::Survived,
    Outcome::ResetOnUse,
    Outcome::SilentOnUse,
    Outcome::ClosedOnUse,
    Outcome::ClosedIdle,
    Outcome::ResetIdle,
];

/// A time between a millisecond and three hours; as often short as long.
fn pause(rng: &mut Rng) -> Duration {
    let longest = 1 << (1 + rng.below(23));
    Duration::from_millis(1 + rng.below(longest))
}

fn quiet(rng: &mut Rng) -> WireIdle {
    let since_data = pause(rng);
    let since_any_packet = if rng.chance(0.3) { since_data.min(pause(rng)) } else { since_data };
    WireIdle { since_any_packet, since_data }
}

/// A ledger that has seen much, and the time it is then.
fn history(seed: u64, mut check: impl FnMut(&Ledger, i64, &PathName)) -> (Ledger, i64) {
    let rng = &mut Rng::new(seed);
    let config = LedgerConfig { paths_max: 3, ..LedgerConfig::default() };
    let mut ledger = Ledger::new(config);
    let mut now = 0;
    for _ in 0..200 {
        now += i64::try_from(pause(rng).as_secs()).unwrap();
        let path = PathName::to(rng.pick::<&str>(&["a", "b", "c", "d"]));
        if rng.chance(0.05) {
            ledger.refused(at(now), &path);
        } else {
            let (quiet, outcome) = (quiet(rng), *rng.pick(&OUTCOMES));
            let lesson = ledger.record(at(now), &path, quiet, outcome);
            let died = matches!(
                outcome,
                Outcome::ResetOnUse | Outcome::SilentOnUse | Outcome::ClosedOnUse
            );
            assert_eq!(lesson.siblings.is_some(), died, "seed {seed}");
            if died {
                assert!(
                    !lesson.after.admits(quiet),
                    "seed {seed}: {outcome:?} {quiet:?} {lesson:?}"
                );
            }
            if outcome == Outcome::Survived {
                let clocks = [Clock::Packets, Clock::Data];
                let kept = clocks
                    .map(|clock| ledger.bracket(&path, clock).survived() >= Some(quiet.on(clock)));
                assert_eq!(kept, [true, true], "seed {seed}");
            }
        }
        check(&ledger, now, &path);
    }
    (ledger, now)
}

#[test]
fn whatever_happens_what_survived_is_shorter_than_what_was_fatal() {
    for seed in 0..200 {
        history(seed, |ledger, _, path| {
            assert!(ledger.paths().count() <= 3, "seed {seed}");
            for clock in [Clock::Packets, Clock::Data] {
                let bracket = ledger.bracket(path, clock);
                let survived = bracket.survived().filter(|_| bracket.died().is_some());
                assert!(
                    survived.is_none() || survived < bracket.died(),
                    "seed {seed}: {bracket:?}"
                );
            }
        });
    }
}

#[test]
fn what_is_written_is_read_again_and_means_the_same() {
    for seed in 0..100 {
        let (ledger, now) = history(seed, |_, _, _| ());
        let text = ledger.to_text();
        let again = Ledger::parse(&text, at(now), ledger.config).expect("what was written is read");
        assert_eq!(again.to_text(), text, "seed {seed}");
        for path in ledger.paths() {
            for later in [0, 10, 1_000, DAY, 40 * DAY] {
                let when = at(now + later);
                assert_eq!(again.cap(when, path), ledger.cap(when, path), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_damaged_text_is_an_error_or_a_ledger_and_never_a_panic() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let (ledger, now) = history(seed, |_, _, _| ());
        let mut text: Vec<char> = ledger.to_text().chars().collect();
        for _ in 0..=rng.below(3) {
            let place = rng.index(text.len());
            let other = *rng.pick(&['"', '\n', '9', '-', 'y', '{', '[', '\u{1f600}', '\0']);
            match rng.below(3) {
                0 => text[place] = other,
                1 => text.insert(place, other),
                _ => drop(text.drain(place..(place + 9).min(text.len()))),
            }
        }
        let text: String = text.into_iter().collect();
        match Ledger::parse(&text, at(now), ledger.config) {
            Err(error) => {
                assert!(text.is_char_boundary(error.span.start), "seed {seed}: {error}");
            }
            Ok(damaged) => {
                let text = damaged.to_text();
                let again = Ledger::parse(&text, at(now), ledger.config);
                assert_eq!(again.map(|it| it.to_text()), Ok(text), "seed {seed}");
            }
        }
    }
}

/// A path as it is, which the ledger is not told.
struct Truth {
    /// When a box forgets, by the clock of packets. Whoever sends then is met with a reset.
    forgets_after: Duration,
    /// When the far end closes, by the clock of data, without being noticed before use.
    closes_after: Duration,
    /// How often the client probes.
    probes_every: Option<Duration>,
}

impl Truth {
    fn quiet(&self, pause: Duration) -> WireIdle {
        let since_last_probe = |every: Duration| {
            let rest = pause.as_millis() % every.as_millis();
            Duration::from_millis(u64::try_from(rest).expect("less than a period"))
        };
        let probed = self.probes_every.filter(|&every| every <= pause);
        let since_any_packet = probed.map_or(pause, since_last_probe);
        WireIdle { since_any_packet, since_data: pause }
    }

    /// Returns what becomes of a connection in a pause, and after how long that was known.
    fn outcome(&self, pause: Duration) -> (Outcome, WireIdle) {
        let probe = self.probes_every.filter(|&every| every <= pause);
        if let Some(first) = probe.filter(|&first| first >= self.forgets_after) {
            return (Outcome::ResetIdle, WireIdle::unprobed(first));
        }
        let outcome = if probe.is_none() && pause >= self.forgets_after {
            Outcome::ResetOnUse
        } else if pause >= self.closes_after {
            Outcome::ClosedOnUse
        } else {
            Outcome::Survived
        };
        (outcome, self.quiet(pause))
    }

    /// Returns how many of `requests` fail after random pauses within half a day.
    fn failures(&self, rng: &mut Rng, requests: u32) -> usize {
        let mut ledger = Ledger::new(LedgerConfig::default());
        let (mut failures, mut now) = (0, 0);
        for _ in 0..requests {
            let pause = Duration::from_secs(1 + rng.below(120));
            now += i64::try_from(pause.as_secs()).unwrap();
            let quiet = self.quiet(pause);
            if ledger.cap(at(now), &payments()).admits(quiet) {
                let (outcome, quiet) = self.outcome(pause);
                let failed = matches!(outcome, Outcome::ResetOnUse | Outcome::ClosedOnUse);
                failures += usize::from(failed);
                ledger.record(at(now), &payments(), quiet, outcome);
            }
        }
        assert!(now < DAY / 2, "a death counts for all of the test");
        failures
    }
}

#[test]
fn a_path_with_two_limits_costs_one_failure() {
    let failures = (0..300).map(|seed| {
        let mut rng = Rng::new(seed);
        let truth = Truth {
            forgets_after: secs(12 + rng.below(120)),
            closes_after: secs(12 + rng.below(120)),
            probes_every: rng.chance(0.5).then(|| secs(5 + rng.below(40))),
        };
        let failures = truth.failures(&mut rng, 600);
        assert!(failures <= 1, "seed {seed}: {failures} failures");
        failures
    });
    let failures: usize = failures.sum();
    assert!(failures > 200, "only {failures} of 300 paths showed a limit");
}
