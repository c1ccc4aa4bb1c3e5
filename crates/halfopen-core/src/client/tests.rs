use super::*;
use crate::tcp::Keepalive;
use crate::time::Duration;

fn shipped(name: &str) -> Client {
    Client::shipped(name).expect(name)
}

fn text(name: &str) -> &'static str {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).expect(name).1
}

/// Returns the message about Go's text after `change` is made to it.
fn message(from: &str, to: &str) -> String {
    let text = text("go-net-http");
    assert!(text.contains(from), "{from}");
    Client::parse("changed", &text.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn every_client_that_ships_can_be_read() {
    for (name, text) in SHIPPED {
        let client =
            Client::parse(name, text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
        assert_eq!(client.facts.len(), text.matches("\nvalue = ").count(), "{name}");
        assert!(!client.cures.is_empty(), "{name} names nothing that helps");
    }
}

#[test]
fn every_page_that_a_client_names_is_the_source_of_something() {
    for (name, text) in SHIPPED {
        let document: Document = read(text).unwrap();
        for source in document.sources.keys() {
            assert!(text.contains(&format!("\nsource = \"{source}\"\n")), "{name}: {source}");
        }
    }
}

#[test]
fn what_was_tried_was_tried_for_all_endings_and_is_called_measured() {
    let mut tried = 0;
    for name in Client::names() {
        let client = shipped(name);
        if client.measured.is_empty() {
            continue;
        }
        tried += 1;
        let endings: Vec<Ending> = client.measured.keys().copied().collect();
        assert_eq!(endings, Ending::ALL, "{name}");
        for ending in endings {
            let fact = client.fact(&format!("measured.{ending}")).expect(name);
            assert_eq!(fact.confidence, Confidence::Measured, "{name}");
            let how = fact.source.note.as_deref().unwrap_or_default();
            assert!(how.starts_with("tried with "), "{name}: {how}");
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn a_default_that_changed_is_told_by_the_version_that_changed_it() {
    let jdk = shipped("jdk-http-client");
    assert_eq!(jdk.behaviour.idle_max, Some(Duration::from_secs(30)));
    let before = &jdk.earlier["20"];
    assert_eq!(before.idle_max, Some(Duration::from_mins(20)));
    assert_eq!(before.retry, jdk.behaviour.retry);
    assert!(!shipped("node-http-agent").earlier["19"].reuse);
}

#[test]
fn the_client_of_the_incident_keeps_for_ever_and_looks_after_two_seconds() {
    let client = shipped("apache-httpclient-4").behaviour;
    assert_eq!(client.idle_max, None);
    assert_eq!(client.hint, Hint::Heeded { margin: Duration::ZERO, max: None });
    assert_eq!(client.notice, Notice::WhenTaken { after: Duration::from_secs(2) });
    assert_eq!(client.retry.written, Resend::WithoutBody);
    assert_eq!(client.limits.per_host, Some(2));
}

#[test]
fn a_quantity_may_have_no_end() {
    let go = shipped("go-net-http").behaviour;
    assert_eq!(go.limits.total, None);
    assert_eq!(go.retry.attempts, None);
    assert_eq!(go.timeouts.read, None);
    let probes =
        Keepalive { idle: Duration::from_secs(30), interval: Duration::from_secs(30), count: 9 };
    assert_eq!(go.keepalive, Some(probes));
}

#[test]
fn an_error_tells_how_the_connection_ended() {
    let node = shipped("node-http-agent");
    assert_eq!(node.errors[&Ending::ResetOnData], ["read ECONNRESET"]);
    assert_eq!(node.errors[&Ending::FinOnData], ["socket hang up"]);
}

#[test]
fn a_cure_names_its_setting() {
    let go = shipped("go-net-http");
    let limit = go.cures.iter().find(|cure| cure.name == "idle-limit").unwrap();
    assert_eq!(limit.setting, "Transport.IdleConnTimeout");
    assert!(limit.snippet.as_ref().unwrap().contains("IdleConnTimeout = "));
}

#[test]
fn a_value_without_source_does_not_load() {
    let idle = "value = \"90s\"\nsource = \"transport\"\nconfidence = \"source-read\"";
    assert!(message(idle, "value = \"90s\"").contains("missing field `source`"));
    let elsewhere = idle.replace("transport", "hearsay");
    assert!(message(idle, &elsewhere).contains("no source `hearsay` in this file"));
    assert!(message("[idle-max]", "[unmodelled.x]").contains("missing field `idle-max`"));
}

#[test]
fn a_key_that_is_not_known_is_named_with_its_place() {
    let odd = message("language = \"Go\"", "language = \"Go\"\ncolour = 1");
    assert!(odd.starts_with("line 3, column 1: unknown field `colour`"), "{odd}");
    assert!(message("[limits.total]", "[limits.all]").contains("unknown field `all`"));
    assert!(message("[measured.fin-on-data]", "[measured.fin]").contains("`fin`"));
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_where_it_stands() {
    let bare = message("value = \"90s\"", "value = 90");
    assert!(bare.contains("expected a duration with its unit"), "{bare}");
    assert!(message("value = 100", "value = \"many\"").contains("\"many\""));
    assert!(message("value = 100", "value = -1").contains("`-1`"));
    assert!(message("value = 100", "value = true").contains("\"never\" or \"any\""));
    assert!(message("value = \"at-once\"", "value = \"soon\"").contains("`soon`"));
    assert!(message("post = \"fails\"", "post = \"sighs\"").contains("`sighs`"));
}

#[test]
fn a_name_that_does_not_ship_is_not_found() {
    assert!(Client::shipped("netscape").is_none());
}

#[test]
fn a_snippet_is_written_with_the_limit_in_it() {
    let client = shipped("apache-httpclient-4");
    let cure = client.cures.iter().find(|cure| cure.name == "idle-limit").unwrap();
    let text = cure.written(Duration::from_millis(280_900)).unwrap();
    assert!(text.contains("return hint < 0 ? 280000 : Math.min(hint, 280000);"), "{text}");
}

#[test]
fn a_cure_that_sets_a_limit_leaves_its_place_in_the_snippet_open() {
    for name in Client::names() {
        for cure in shipped(name).cures {
            let sets = ["idle-limit", "keepalive", "lifetime", "eviction"];
            let Some(snippet) = cure.snippet.filter(|_| sets.contains(&cure.name.as_str())) else {
                continue;
            };
            assert!(
                snippet.contains(LIMIT_SECS) || snippet.contains(LIMIT_MILLIS),
                "{name}: {snippet}"
            );
        }
    }
}

#[test]
fn a_cure_changes_what_it_is_for_and_nothing_else() {
    let limit = Duration::from_mins(4);
    let client = shipped("reactor-netty");
    let capped = client.cured("idle-limit", limit).unwrap();
    assert_eq!(capped, Behaviour { idle_max: Some(limit), ..client.behaviour });
    let probing = client.cured("keepalive", limit).unwrap();
    assert_eq!(probing.keepalive, Some(Keepalive { idle: limit, ..Keepalive::LINUX }));
    assert_eq!(probing, Behaviour { keepalive: probing.keepalive, ..client.behaviour });
    assert!(!shipped("python-http-client").cured("close", limit).unwrap().reuse);
}

#[test]
fn a_cure_that_a_client_lacks_or_that_keeps_no_connection_otherwise_changes_nothing() {
    let limit = Duration::from_mins(4);
    assert_eq!(shipped("python-requests").cured("idle-limit", limit), None);
    assert_eq!(shipped("python-requests").cured("retry", limit), None);
}
