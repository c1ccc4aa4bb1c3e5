use super::*;

fn read(text: &str) -> Result<Ledger, String> {
    Ledger::parse(text, at(HOUR), LedgerConfig::default()).map_err(|error| error.to_string())
}

fn mistake(text: &str) -> String {
    read(text).expect_err(text)
}

#[test]
fn a_ledger_is_written_for_people_and_read_again() {
    let mut story = Story::new();
    story.path = payments().from("eth0");
    story.tell(0, 349, Outcome::Survived);
    story.tell(60, 360, Outcome::ResetOnUse);
    story.tell(120, 60, Outcome::ClosedIdle);
    story.tell(180, 2, Outcome::ResetOnUse);
    let text = story.ledger.to_text();
    assert_eq!(
        text,
        "# What is known of how long paths remember idle connections.\n\
         format = 1\n\
         \n\
         [[path]]\n\
         to = \"http://payments.internal:8080\"\n\
         from = \"eth0\"\n\
         packets = { survived = \"5m 49s\", \
         died = { after = \"6m\", at = \"2026-11-18T11:07:40Z\", is_timer = false }, \
         suspected = { after = \"2s\", at = \"2026-11-18T11:09:40Z\" } }\n\
         data = { survived = \"5m 49s\", \
         ended = { after = \"1m\", at = \"2026-11-18T11:08:40Z\" } }\n"
    );
    let again = read(&text).expect("it is what was written");
    assert_eq!(again.to_text(), text);
    assert_eq!(again.cap(at(200), &story.path), story.ledger.cap(at(200), &story.path));
}

#[test]
fn names_of_any_characters_come_back() {
    let mut ledger = Ledger::new(LedgerConfig::default());
    let path = PathName::to("a \"b\" \\ \u{7f}\n\t\u{85} ü\u{1f600}").from("\u{0}");
    ledger.record(at(0), &path, WireIdle::unprobed(secs(400)), Outcome::ResetOnUse);
    let text = ledger.to_text();
    assert_eq!(read(&text).expect(&text).paths().collect::<Vec<_>>(), [&path]);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    assert_eq!(
        mistake("format = 2\n"),
        "line 1, column 10: format 2 is not known, only 1; remove the file to learn again"
    );
    let entry = |keys: &str| mistake(&format!("format = 1\n[[path]]\nto = \"a\"\n{keys}\n"));
    assert_eq!(
        entry("data = { survived = \"60\" }"),
        "line 4, column 21: `60` is not a duration: time unit needed, for example 60sec or 60ms"
    );
    assert_eq!(
        entry("data = { survived = \"2years\" }"),
        "line 4, column 21: a pause is longer than a year"
    );
    assert_eq!(
        entry(
            "packets = { survived = \"9s\", died = { after = \"9s\", at = \"2026-01-01T00:00Z\" } }"
        ),
        "line 4, column 47: a pause as long or longer was survived: one of the two is wrong"
    );
    assert_eq!(
        entry("packets = { ended = { after = \"9s\", at = \"noon\" } }"),
        "line 4, column 42: `noon` is not a moment such as \"2026-01-17T09:20:00Z\""
    );
    assert_eq!(
        entry("[[path]]\nto = \"a\""),
        "line 5, column 6: the path stands here a second time"
    );
    assert_eq!(entry("from = \"\""), "line 4, column 8: a name is empty");
    let name = "x".repeat(4_000);
    assert!(entry(&format!("from = \"{name}\"")).contains("column 8: a name is longer than"));
    assert!(entry("pakets = {}").contains("unknown field `pakets`"));
    assert!(mistake("").contains("missing field `format`"));
}

#[test]
fn moments_that_have_not_come_are_not_believed() {
    let text = "format = 1\n[[path]]\nto = \"a\"\n\
                packets = { died = { after = \"400s\", at = \"9999-01-01T00:00:00Z\" } }\n";
    let ledger = read(text).expect("it is well formed");
    let path = PathName::to("a");
    assert!(ledger.cap(at(HOUR + DAY - 1), &path).packets.is_some());
    assert_eq!(ledger.cap(at(HOUR + DAY), &path), Cap::NONE);
}

#[test]
fn of_too_many_paths_those_used_last_are_kept() {
    let text = "format = 1\n[[path]]\nto = \"a\"\n[[path]]\nto = \"b\"\n[[path]]\nto = \"c\"\n";
    let config = LedgerConfig { paths_max: 2, ..LedgerConfig::default() };
    let ledger = Ledger::parse(text, at(0), config).expect("it is well formed");
    let names: Vec<_> = ledger.paths().map(|path| path.destination.to_string()).collect();
    assert_eq!(names, ["b", "c"]);
}
