use super::*;

mod random;
mod text;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Seconds after a Sunday in 2026.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_795_000_000 + seconds, 0).expect("within range")
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

pub(super) fn payments() -> PathName {
    PathName::to("http://payments.internal:8080")
}

/// A ledger, and the path that is asked about.
struct Story {
    ledger: Ledger,
    path: PathName,
}

impl Story {
    fn new() -> Self {
        Self { ledger: Ledger::new(LedgerConfig::default()), path: payments() }
    }

    fn tell(&mut self, when: i64, quiet: u64, outcome: Outcome) -> Lesson {
        self.ledger.record(at(when), &self.path, WireIdle::unprobed(secs(quiet)), outcome)
    }

    fn cap(&self, when: i64) -> Option<Duration> {
        self.ledger.cap(at(when), &self.path).strictest()
    }
}

#[test]
fn without_a_death_there_is_no_cap() {
    let mut story = Story::new();
    let lesson = story.tell(0, 1_200, Outcome::Survived);
    assert_eq!((lesson.changed(), lesson.siblings, story.cap(1)), (false, None, None));
}

#[test]
fn after_one_death_only_what_survived_is_used_again() {
    let mut story = Story::new();
    story.tell(0, 64, Outcome::Survived);
    let lesson = story.tell(10, 1_200, Outcome::ResetOnUse);
    assert_eq!(lesson.siblings, Some(Siblings::QuietFor(Clock::Packets, secs(1_200))));
    assert_eq!((lesson.before, lesson.after.packets), (Cap::NONE, Some(secs(65))));
    assert_eq!(lesson.after.data, None);
}

#[test]
fn the_cap_stays_clear_of_what_was_fatal() {
    let mut story = Story::new();
    story.tell(0, 340, Outcome::Survived);
    story.tell(10, 360, Outcome::SilentOnUse);
    assert_eq!(story.cap(11), Some(secs(315)));
}

#[test]
fn short_pauses_are_trusted_until_one_dies() {
    let mut story = Story::new();
    story.tell(10, 1_200, Outcome::ResetOnUse);
    assert_eq!(story.cap(11), Some(secs(10)));
    story.tell(12, 8, Outcome::ResetOnUse);
    assert_eq!(story.cap(13), Some(secs(7)));
}

#[test]
fn a_path_that_was_mended_is_learnt_again() {
    let mut story = Story::new();
    story.tell(0, 1_200, Outcome::ResetOnUse);
    assert!(story.cap(DAY - 1).is_some());
    assert_eq!(story.cap(DAY), None);
    story.tell(DAY, 1_200, Outcome::Survived);
    story.tell(DAY + 10, 2_400, Outcome::ResetOnUse);
    assert!(story.cap(2 * DAY + 9).is_some());
    assert_eq!(story.cap(2 * DAY + 10), None);
}

#[test]
fn a_path_that_was_not_mended_is_tried_less_and_less_often() {
    let mut story = Story::new();
    let mut now = 0;
    let mut counted_for = Vec::new();
    for _ in 0..8 {
        story.tell(now, 1_200, Outcome::ResetOnUse);
        let days = (1..99).find(|days| story.cap(now + days * DAY).is_none()).expect("it ends");
        counted_for.push(days);
        now += days * DAY;
    }
    assert_eq!(counted_for, [1, 2, 4, 8, 16, 32, 32, 32]);
}

#[test]
fn a_restart_of_the_server_does_not_teach_a_tiny_cap_for_long() {
    let mut story = Story::new();
    story.tell(0, 300, Outcome::Survived);
    let lesson = story.tell(10, 2, Outcome::ResetOnUse);
    assert_eq!(lesson.siblings, Some(Siblings::All), "no pause saves the others");
    assert_eq!(story.cap(11), Some(secs(1)));
    assert_eq!(story.cap(10 + 200), None, "a hundred times two seconds later");
    // The next pause that is survived clears the suspicion, so the next restart is a first one.
    story.tell(300, 5, Outcome::Survived);
    story.tell(DAY, 2, Outcome::ResetOnUse);
    assert_eq!(story.cap(DAY + 200), None);
    assert_eq!(story.ledger.bracket(&story.path, Clock::Packets).survived(), Some(secs(300)));
}

#[test]
fn a_restart_before_anything_was_survived_is_soon_forgotten() {
    let mut story = Story::new();
    story.tell(0, 3, Outcome::ClosedOnUse);
    assert_eq!(story.cap(1), Some(secs(2)));
    assert_eq!(story.cap(300), None);
}

#[test]
fn a_refusal_excuses_the_deaths_before_it() {
    let mut story = Story::new();
    story.tell(0, 1_200, Outcome::ResetOnUse);
    story.tell(HOUR, 400, Outcome::ResetOnUse);
    story.ledger.refused(at(HOUR + 5), &story.path);
    let bracket = story.ledger.bracket(&story.path, Clock::Packets);
    assert_eq!(bracket.died(), Some(secs(1_200)));
    story.ledger.refused(at(2 * HOUR), &story.path);
    assert!(story.cap(2 * HOUR).is_some(), "a refusal does not excuse what was long before");
}

#[test]
fn a_second_death_that_a_survived_pause_contradicts_is_no_accident() {
    let mut story = Story::new();
    story.tell(0, 1_200, Outcome::Survived);
    story.tell(HOUR, 400, Outcome::ResetOnUse);
    assert_eq!(story.cap(HOUR), Some(secs(350)));
    let lapsed = HOUR + 40_000;
    assert_eq!(story.cap(lapsed), None);
    let lesson = story.tell(lapsed, 400, Outcome::ResetOnUse);
    assert_eq!(lesson.siblings, Some(Siblings::QuietFor(Clock::Packets, secs(400))));
    let bracket = story.ledger.bracket(&story.path, Clock::Packets);
    assert_eq!((bracket.survived(), bracket.died()), (None, Some(secs(400))));
    assert!(story.cap(lapsed + DAY - 1).is_some());
}

#[test]
fn one_end_of_an_idle_connection_teaches_nothing_and_two_alike_a_timer() {
    let mut story = Story::new();
    story.tell(0, 60, Outcome::ClosedIdle);
    assert_eq!(story.cap(1), None);
    story.tell(5, 61, Outcome::ClosedIdle);
    assert_eq!(story.cap(6), None, "they went quiet together");
    story.tell(200, 90, Outcome::Survived);
    story.tell(210, 60, Outcome::ClosedIdle);
    assert_eq!(story.cap(211), None, "a longer pause was survived since");
    story.tell(300, 60, Outcome::ClosedIdle);
    assert_eq!(story.cap(301), Some(Duration::from_millis(52_500)));
    assert_eq!(story.ledger.cap(at(301), &story.path).packets, None, "a FIN is not a box's");
}

#[test]
fn ends_of_idle_connections_that_differ_are_no_timer() {
    let mut story = Story::new();
    for (day, quiet) in (0..5).zip([17, 44, 3, 90, 61]) {
        story.tell(day * DAY, quiet, Outcome::ClosedIdle);
    }
    assert_eq!(story.cap(9 * DAY), None);
}

#[test]
fn a_race_with_the_far_ends_timer_teaches_at_once() {
    let mut story = Story::new();
    story.tell(0, 30, Outcome::Survived);
    let lesson = story.tell(100, 60, Outcome::ClosedOnUse);
    assert_eq!(lesson.siblings, Some(Siblings::QuietFor(Clock::Data, secs(60))));
    assert!(lesson.after.data < Some(secs(31)) && lesson.after.packets.is_none());
}

#[test]
fn what_dies_though_it_was_probed_died_by_the_clock_of_data() {
    let mut story = Story::new();
    let quiet = WireIdle { since_any_packet: secs(20), since_data: secs(4_000) };
    story.ledger.record(at(0), &payments(), quiet, Outcome::ResetOnUse);
    let cap = story.ledger.cap(at(1), &payments());
    assert_eq!((cap.packets, cap.data), (None, Some(secs(10))));
}

#[test]
fn the_path_used_longest_ago_is_forgotten_when_there_are_too_many() {
    let config = LedgerConfig { paths_max: 2, ..LedgerConfig::default() };
    let mut ledger = Ledger::new(config);
    for name in ["a", "b", "a", "c"] {
        let quiet = WireIdle::unprobed(secs(400));
        ledger.record(at(0), &PathName::to(name), quiet, Outcome::ResetOnUse);
    }
    let names: Vec<_> = ledger.paths().map(|path| path.destination.to_string()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(ledger.cap(at(1), &PathName::to("b")), Cap::NONE);
    ledger.forget(&PathName::to("a"));
    assert_eq!(ledger.paths().count(), 1);
}
