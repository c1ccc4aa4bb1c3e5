//! Any bytes, read as what is known of paths, and taken as a history that a ledger learns from.

use halfopen_core::time::Duration;
use halfopen_pool::idle::{Cap, Clock, WireIdle};
use halfopen_pool::ledger::{Ledger, LedgerConfig, Outcome};
use halfopen_pool::name::PathName;
use jiff::{SignedDuration, Timestamp};

use super::script::Script;

const OUTCOMES: [Outcome; 6] = [
    Outcome::Survived,
    Outcome::ResetOnUse,
    Outcome::SilentOnUse,
    Outcome::ClosedOnUse,
    Outcome::ClosedIdle,
    Outcome::ResetIdle,
];

/// Reads the bytes as a ledger, and has one learn from them.
pub fn run(bytes: &[u8]) {
    let now = Timestamp::new(1_800_000_000, 0).expect("a moment in 2027");
    let config = LedgerConfig { paths_max: 3, ..LedgerConfig::default() };
    let text = String::from_utf8_lossy(bytes);
    match Ledger::parse(&text, now, config) {
        Ok(ledger) => reread(&ledger, now, config),
        Err(error) => assert!(error.line >= 1 && error.column >= 1, "{error}"),
    }
    learn(Script(bytes), now, config);
}

/// Writes a ledger and reads it again, which changes nothing.
fn reread(ledger: &Ledger, now: Timestamp, config: LedgerConfig) {
    let text = ledger.to_text();
    let again = Ledger::parse(&text, now, config).expect("what was written is read");
    assert_eq!(again.to_text(), text);
    for path in ledger.paths() {
        assert_eq!(again.cap(now, path), ledger.cap(now, path));
    }
}

fn learn(mut script: Script<'_>, mut now: Timestamp, config: LedgerConfig) {
    let mut ledger = Ledger::new(config);
    while !script.0.is_empty() {
        now += SignedDuration::from_secs(i64::from(script.byte()) * i64::from(script.byte()));
        let path = PathName::to(script.pick(&["a", "b", "c", "d"]));
        let since_data = pause(&mut script);
        let since_any_packet = pause(&mut script).min(since_data);
        let quiet = WireIdle { since_any_packet, since_data };
        let outcome = script.pick(&OUTCOMES);
        if script.byte() < 8 {
            ledger.refused(now, &path);
            continue;
        }
        let lesson = ledger.record(now, &path, quiet, outcome);
        assert_eq!(lesson.after, ledger.cap(now, &path));
        if lesson.siblings.is_some() && !since_any_packet.is_zero() {
            assert!(!lesson.after.admits(quiet), "{lesson:?} after {quiet:?}");
        }
        for clock in [Clock::Packets, Clock::Data] {
            let bracket = ledger.bracket(&path, clock);
            assert!(bracket.died().is_none() || bracket.survived() < bracket.died());
        }
    }
    let count = ledger.paths().count();
    assert!(count <= config.paths_max);
    assert!(ledger.cap(now, &PathName::to("never seen")) == Cap::NONE);
    reread(&ledger, now, config);
}

fn pause(script: &mut Script<'_>) -> Duration {
    Duration::from_millis(1 << (script.byte() % 24)) + Duration::from_millis(script.byte().into())
}
