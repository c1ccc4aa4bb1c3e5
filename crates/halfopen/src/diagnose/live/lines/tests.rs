use halfopen_core::flow::FlowKey;
use halfopen_core::verdict::Evidence;

use super::*;

const SERVER: ([u8; 4], u16) = ([203, 0, 113, 9], 443);

fn refused(secs: u64) -> News {
    let at = Instant::EPOCH + Duration::from_secs(1_700_000_000 + secs);
    let client = SocketAddr::from(([10, 0, 0, 7], 40_000));
    let fact = "a reset answers".to_owned();
    let verdict = Verdict {
        flow: FlowKey::tcp(client, SERVER.into()),
        finding: Finding::Refused,
        mechanism: None,
        idle: None,
        harm: Harm::Failed,
        culprit: Culprit::Peer,
        evidence: vec![Evidence { at, frame: 7, fact }],
    };
    News::Ended { verdict, cause: Cause::Refused }
}

#[test]
fn many_findings_alike_are_counted_and_not_told_one_by_one() {
    let mut lines = Lines::new(Format::Text);
    let told: Vec<String> = (0..50).flat_map(|_| lines.of(&refused(0))).collect();
    assert_eq!(told.len(), 20);
    let later = lines.of(&refused(61));
    assert_eq!(later[0], "203.0.113.9:443: 30 more refused within a minute");
    assert_eq!(later.len(), 2, "and the one that is new");
}

#[test]
fn a_line_for_programs_is_one_line_of_json() {
    let mut lines = Lines::new(Format::Json);
    let line = lines.of(&refused(0)).remove(0);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(!line.contains('\n'));
    assert_eq!(value["type"], "finding");
    assert_eq!(value["at"], "2023-11-14T22:13:20Z");
    assert_eq!(value["finding"], "refused");
    assert_eq!(value["idle_s"], serde_json::Value::Null);
    assert_eq!(value["evidence"][0]["fact"], "a reset answers");

    let (server, died) = (SERVER.into(), Duration::from_secs(351));
    let limit = lines.of(&News::Narrowed { server, survived: None, died }).remove(0);
    let value: serde_json::Value = serde_json::from_str(&limit).unwrap();
    assert_eq!((&value["type"], &value["died_s"]), (&"limit".into(), &351.0.into()));
}
