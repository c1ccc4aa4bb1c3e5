use std::sync::LazyLock;

use super::*;

static INCIDENT: LazyLock<(Hunt, Outcome)> = LazyLock::new(|| {
    let hunt = hunt(Hunt::text("incident").unwrap()).unwrap();
    let outcome = hunt.run(0).unwrap();
    (hunt, outcome)
});

fn hunt(text: &str) -> Result<Hunt, DocumentError> {
    Hunt::parse("mine", text, None)
}

/// Returns what a term came to in a step of the incident.
fn seen(step: usize, term: &str) -> Amount {
    let (_, term) = Term::find(term).unwrap();
    INCIDENT.1.experiments[step - 1].seen.amount(term)
}

fn seconds(seconds: u64) -> Amount {
    Amount::Time(Duration::from_secs(seconds))
}

fn word(word: &str) -> Amount {
    Amount::Word(word.to_owned())
}

#[test]
fn every_prediction_of_the_incident_holds_and_the_gateway_is_left() {
    let (hunt, outcome) = &*INCIDENT;
    assert!(outcome.held(), "{outcome:?}");
    let left: Vec<&str> = outcome.remaining(hunt).iter().map(|it| it.name.as_str()).collect();
    assert_eq!(left, ["nat"]);
}

#[test]
fn of_the_ten_requests_of_a_run_the_balancer_logs_nine() {
    assert_eq!(seen(2, "failed"), Amount::Each(vec![0, 1, 1]));
    assert_eq!(seen(2, "logged"), Amount::Each(vec![10, 9, 9]));
    assert_eq!(seen(2, "received"), Amount::Each(vec![10, 9, 9]));
}

#[test]
fn a_balancer_below_the_limit_says_so_with_a_fin_and_the_next_run_opens_a_connection() {
    for (step, timeout) in [(3, 180), (4, 300)] {
        assert_eq!(seen(step, "fin-after"), seconds(timeout));
        assert_eq!(seen(step, "connections"), Amount::Count(3));
        assert_eq!(seen(step, "failures"), Amount::Count(0));
    }
}

#[test]
fn the_connection_is_established_until_the_request_that_is_answered_with_a_reset() {
    assert_eq!(seen(5, "sockets"), word("ESTABLISHED"));
    assert_eq!(seen(5, "fin-after"), Amount::None);
    let run = &INCIDENT.1.experiments[4].seen;
    let resets: Vec<&Farewell> = run.client.resets().collect();
    assert_eq!(resets.len(), 2);
    for (reset, lost) in resets.iter().zip(&run.lost) {
        assert!(reset.at.saturating_since(lost.at) < Duration::from_millis(1), "{reset:?}");
        assert!(Some(reset.ttl) > run.client.server_ttl, "it comes from nearer than the server");
    }
    let log = run.wire_log_of_failure().unwrap().join("\n");
    for told in ["Stale check", ">> \"POST /payments", "connection reset", "leased: [id: 1][new]"] {
        assert!(log.contains(told), "{told}:\n{log}");
    }
}

#[test]
fn the_gateway_forgot_at_its_limit_told_nobody_and_counted_it() {
    assert_eq!(seen(6, "forgot-after"), seconds(350));
    assert_eq!(seen(6, "answer"), word("reset"));
    assert_eq!(seen(6, "idle-timeouts"), Amount::Count(3));
}

#[test]
fn the_fixes_cost_what_they_cost() {
    let (hunt, outcome) = &*INCIDENT;
    let costs = |title: &str| {
        let index = hunt.fixes.iter().position(|fix| fix.title.contains(title)).unwrap();
        &outcome.fixes[index].costs
    };
    // A day has 72 runs of ten, and all but the first meet the gateway.
    assert_eq!((outcome.before.costs.failures, outcome.before.costs.connections), (71, 72));
    assert_eq!(costs("a new connection for each request").connections, 720);
    // An hour is the balancer's limit on a connection's age.
    assert_eq!(costs("TCP keepalive").connections, 24);
    assert_eq!(costs("a pool that learns").failures, 1);
    let extra = |title| costs(title).extra_mean(outcome.floor);
    assert!(extra("a new connection for each request") > extra("cap idle connections"));
    assert!(extra("cap idle connections") > extra("TCP keepalive"));
    for (fix, trial) in hunt.fixes.iter().zip(&outcome.fixes) {
        let is_hazard = fix.title.contains("retry without keys");
        let Costs { failures, duplicates, .. } = &trial.costs;
        assert_eq!(*duplicates > 0, is_hazard, "{}: {duplicates} charged twice", fix.title);
        assert!(!is_hazard || failures < duplicates, "few are seen: that is the hazard");
    }
}

#[test]
fn the_99th_percentile_leaves_out_a_hundredth_and_needs_a_hundred_answers() {
    let (_, outcome) = &*INCIDENT;
    let costs = &outcome.before.costs;
    assert!(costs.extra_p99(outcome.floor) < costs.extra_max(outcome.floor));
    assert!(costs.extra_p99(outcome.floor) > costs.extra_mean(outcome.floor));
    let short = &outcome.experiments[0].costs;
    assert!(short.requests < 100 && short.extra_p99(outcome.floor).is_none());
}

#[test]
fn the_same_seed_has_the_same_outcome() {
    let (hunt, outcome) = &*INCIDENT;
    assert_eq!(format!("{:?}", hunt.run(0).unwrap()), format!("{outcome:?}"));
}

const SMALL: &str = r#"
title = "A hunt"
about = "It is small."
scenario = "incident"

[[suspect]]
name = "payment module"
why = "it answers"

[[experiment]]
step = "1"
title = "Count"
hypothesis = "All of them are logged."
predicts = { logged = [10, 9, 9], failures = 2 }
rules-out = [{ suspect = "payment module", because = "it saw none of them" }]
"#;

#[test]
fn a_prediction_that_fails_is_shown_as_such_and_rules_out_nobody() {
    let right = hunt(SMALL).unwrap();
    let outcome = right.run(0).unwrap();
    assert!(outcome.held() && outcome.remaining(&right).is_empty());

    let wrong = hunt(&SMALL.replace("[10, 9, 9]", "[10, 10, 10]")).unwrap();
    let outcome = wrong.run(0).unwrap();
    let failed: Vec<&Check> =
        outcome.experiments[0].checks.iter().filter(|check| !check.held()).collect();
    let [check] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((check.prediction.term.key, &check.seen), ("logged", &Amount::Each(vec![10, 9, 9])));
    assert!(!outcome.held());
    assert_eq!(outcome.remaining(&wrong).len(), 1);
}

#[test]
fn a_change_says_what_was_and_what_is() {
    let change = "change = { path = { alb = { idle-timeout = \"180s\" }, nat = false } }\nstep";
    let changed = hunt(&SMALL.replacen("step", change, 1)).unwrap();
    let variant = &changed.experiments[0].variant;
    let alb = Change {
        place: "alb".to_owned(),
        key: Some("idle-timeout".to_owned()),
        before: Some("\"1800s\"".to_owned()),
        after: Some("\"180s\"".to_owned()),
    };
    let nat = Change { place: "nat".to_owned(), key: None, before: None, after: None };
    assert_eq!(variant.changes, [alb, nat]);
    assert_eq!(variant.scenario.path.len() + 1, changed.scenario.path.len());
}

#[test]
fn a_mistake_is_an_error_with_its_place() {
    let cases = [
        ("title = \"Count\"", "titel = \"Count\"", "unknown field `titel`", 12),
        ("logged =", "lodged =", "nothing is called so, only failures", 14),
        ("failures = 2", "failures = -2", "a number that is not negative", 14),
        ("[10, 9, 9]", "\"9\"", "a list of numbers", 14),
        ("suspect = \"payment", "suspect = \"paymint", "no such suspect", 15),
        ("\"incident\"", "\"incidnt\"", "there is no scenario `incidnt`", 4),
        ("\"incident\"", "\"incident\"\ncosts-over = \"1\"", "a duration with its unit", 5),
    ];
    for (right, wrong, message, line) in cases {
        let error = hunt(&SMALL.replacen(right, wrong, 1)).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert_eq!(error.line, line, "{error}");
    }
    let cases = [
        ("{ client.idle-kap = \"1s\" }", "unknown field `idle-kap`"),
        ("{ client.idle-cap = 7 }", "expected a duration with its unit"),
        ("{ path.gnat = false }", "is called `gnat`"),
        ("{ path.nat = 7 }", "`nat` is a table of values, or `false`"),
        ("{ path = [] }", "`path` is a table of stations by their names"),
        ("{ title.of = 7 }", "`title` of the scenario is no table"),
    ];
    for (change, message) in cases {
        let error = hunt(&SMALL.replacen("step", &format!("change = {change}\nstep"), 1));
        let error = error.unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert_eq!((error.line, error.column), (11, 10), "{error}");
    }
}

#[test]
fn a_hunt_can_be_made_over_another_scenario() {
    let text = Scenario::text("incident-balancer-180").unwrap();
    let over = Hunt::parse("mine", SMALL, Some(("incident-balancer-180", text))).unwrap();
    assert_eq!(over.scenario.name, "incident-balancer-180");
    assert!(!over.run(0).unwrap().held());
}

#[test]
fn what_can_be_predicted_is_documented() {
    let page = include_str!("../../../../docs/hunt.md");
    for term in TERMS {
        let line = format!("| `{}` | {} |", term.key, term.about);
        assert!(page.contains(&line), "docs/hunt.md lacks {line}");
    }
}
