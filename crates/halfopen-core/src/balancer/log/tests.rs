use super::*;

fn unix(seconds: u64, micros: u64) -> Duration {
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// The example of an HTTP entry in AWS's documentation, as far as it goes, and what it says.
fn documented() -> AccessEntry {
    AccessEntry {
        time: unix(1_530_570_180, 186_641),
        balancer: "app/my-loadbalancer/50dc6c495c0c9188".into(),
        client: "192.168.131.39:2817".parse().unwrap(),
        target: Some("10.0.0.1:80".parse().unwrap()),
        request_processing: Some(Duration::ZERO),
        target_processing: Some(Duration::from_micros(1_900)),
        response_processing: Some(Duration::from_micros(999)),
        status: 200,
        target_status: Some(200),
        received_bytes: 34,
        sent_bytes: 366,
        request: "GET http://www.example.com:80/ HTTP/1.1".into(),
        user_agent: Some("curl/7.46.0".into()),
        target_group: Some("arn:aws:elasticloadbalancing:us-east-2:1:targetgroup/t/73e2".into()),
        trace_id: Some("Root=1-58337262-36d228ad5d99923122bbe354".into()),
        created: unix(1_530_570_168, 364_000),
        connection_trace: "TID_1234abcd5678ef90".into(),
    }
}

/// Splits a line at spaces that are not in quotes, as a reader of these logs must.
fn fields(line: &str) -> Vec<String> {
    let mut quoted = false;
    let split = line.split(|character| {
        quoted ^= character == '"';
        character == ' ' && !quoted
    });
    split.map(str::to_owned).collect()
}

#[test]
fn a_served_request_is_the_line_of_33_fields_that_aws_documents() {
    let line = documented().to_string();
    let expected = [
        "http",
        "2018-07-02T22:23:00.186641Z",
        "app/my-loadbalancer/50dc6c495c0c9188",
        "192.168.131.39:2817",
        "10.0.0.1:80",
        "0.000",
        "0.001",
        "0.000",
        "200",
        "200",
        "34",
        "366",
        r#""GET http://www.example.com:80/ HTTP/1.1""#,
        r#""curl/7.46.0""#,
        "-",
        "-",
        "arn:aws:elasticloadbalancing:us-east-2:1:targetgroup/t/73e2",
        r#""Root=1-58337262-36d228ad5d99923122bbe354""#,
        r#""-""#,
        r#""-""#,
        "0",
        "2018-07-02T22:22:48.364000Z",
        r#""forward""#,
        r#""-""#,
        r#""-""#,
        r#""10.0.0.1:80""#,
        r#""200""#,
        r#""-""#,
        r#""-""#,
        "TID_1234abcd5678ef90",
        r#""-""#,
        r#""-""#,
        r#""-""#,
    ];
    assert_eq!(fields(&line), expected);
    assert_eq!(expected.len(), 33);
}

#[test]
fn a_request_that_could_not_be_read_has_neither_target_nor_times() {
    let entry = AccessEntry {
        target: None,
        request_processing: None,
        target_processing: None,
        response_processing: None,
        status: 400,
        target_status: None,
        request: "- http://203.0.113.80:80- -".into(),
        user_agent: None,
        target_group: None,
        trace_id: None,
        ..documented()
    };
    assert_eq!(
        entry.to_string(),
        "http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 \
         192.168.131.39:2817 - -1 -1 -1 400 - 34 366 \"- http://203.0.113.80:80- -\" \"-\" - - - \
         \"-\" \"-\" \"-\" - 2018-07-02T22:22:48.364000Z \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" \
         TID_1234abcd5678ef90 \"-\" \"-\" \"-\""
    );
}

#[test]
fn what_a_client_says_cannot_break_the_line() {
    let user_agent = Some("a\" - - \"b\n\\".to_owned() + &"é".repeat(9_000));
    let line = AccessEntry { user_agent, ..documented() }.to_string();
    let fields = fields(&line);
    assert_eq!((fields.len(), line.lines().count()), (33, 1));
    assert!(fields[13].starts_with(r#""a\x22 - - \x22b\x0A\x5Cé"#), "{:.40}", fields[13]);
    assert!(fields[13].len() < (8 << 10) + 32, "{}", fields[13].len());
}

#[test]
fn a_connection_is_a_line_of_its_own() {
    let entry = ConnectionEntry {
        time: unix(1_530_570_180, 186_641),
        client: "[2001:db8::7]:2817".parse().unwrap(),
        listener_port: 80,
        connection_trace: "TID_1234abcd5678ef90".into(),
    };
    assert_eq!(
        entry.to_string(),
        "2018-07-02T22:23:00.186641Z 2001:db8::7 2817 80 - - - \"-\" - - - TID_1234abcd5678ef90 -"
    );
}

#[test]
fn records_have_room_for_so_many_and_count_the_rest() {
    let mut records = Records::new(2);
    for _ in 0..5 {
        records.request(documented());
    }
    assert_eq!((records.requests().len(), records.missed()), (2, 3));
}
