use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn record(text: &str) -> Record {
    Record::read(text.as_bytes()).unwrap()
}

fn why(bytes: &[u8]) -> String {
    Record::read(bytes).unwrap_err().to_string()
}

fn seconds(record: &Record) -> Vec<f64> {
    let arrivals = record.arrivals(Duration::from_hours(9_999));
    arrivals.map(|it| it.at.saturating_since(Instant::EPOCH).as_secs_f64()).collect()
}

/// A line as the documentation has it, with 33 fields.
fn alb(answered: &str, client: &str, received: &str) -> String {
    format!(
        "https {answered} app/pay-alb/50dc6c495c0c9188 {client} 10.0.0.1:80 0.086 0.048 0.037 200 \
         200 0 57 \"POST https://pay.example:443/a b HTTP/1.1\" \"curl/7.46.0\" \
         ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:tg/73e2d6bc24d8a067 \"Root=1-58337281\" \
         \"pay.example\" \"arn:aws:acm:us-east-2:123456789012:certificate/12345678\" 1 {received} \
         \"authenticate,forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_1234abcd \
         \"-\" \"-\" \"-\"\n"
    )
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn seconds_count_from_the_first() {
    let record =
        record("# from the service's own log\n1700000000.5\n\n1700000001\r\n1700001200.25\n");
    assert_eq!((record.form, record.unreadable, record.unsorted), (Form::Seconds, 0, 0));
    assert_eq!(seconds(&record), [0.0, 0.5, 1199.75]);
}

#[test]
fn moments_may_have_offsets_or_none() {
    let text = "2024-01-06T18:00:00+09:00\n2024-01-06T09:20:00Z\n2024-01-06 09:40:00.5\n";
    let record = record(text);
    assert_eq!((record.form, seconds(&record)), (Form::Iso, vec![0.0, 1200.0, 2400.5]));
}

#[test]
fn a_balancers_log_tells_when_it_received_a_request() {
    let received = alb("2024-01-06T09:00:03.0Z", "10.0.0.7:4711", "2024-01-06T09:00:00.000000Z");
    let unknown = alb("2024-01-06T09:00:05.25Z", "[2001:db8::7]:4711", "-");
    let record = record(&(received + &unknown));
    assert_eq!((record.form, record.clients), (Form::Alb, 2));
    assert_eq!(seconds(&record), [0.0, 5.25]);
}

#[test]
fn lines_in_disorder_are_put_in_order_and_counted() {
    let record = record("30\n10\n20\n5\n");
    assert_eq!((record.unsorted, seconds(&record)), (2, vec![0.0, 5.0, 15.0, 25.0]));
}

#[test]
fn what_is_no_time_is_counted_and_named() {
    let record = record("10\nlunch\u{7}\n20\n2024-01-06T09:00:00Z\n-5\n1e3\n");
    assert_eq!((record.len(), record.unreadable), (2, 4));
    assert_eq!(record.examples[0], (2, "no time in `lunch\\u{7}`".to_owned()));
    assert_eq!(record.examples.len(), UNREADABLE_TOLD);
}

#[test]
fn hostile_lines_are_not_kept() {
    let mut text = vec![b'x'; 1 << 20];
    text.extend_from_slice(b"\n\xff\xfe\n7\n99999999999999999999999\n9999999999.9999999999\n");
    let record = Record::read(text.as_slice()).unwrap();
    assert_eq!((record.len(), record.unreadable), (1, 4));
    assert_eq!(record.examples[0].1, "longer than 64 KiB");
    assert_eq!(record.examples[1].1, "not UTF-8");
}

#[test]
fn every_cut_of_a_balancers_line_is_read_or_refused() {
    let line = alb("2024-01-06T09:00:03.0Z", "10.0.0.7:4711", "2024-01-06T09:00:00.000000Z");
    for end in 0..line.len() {
        let _either = Record::read(&line.as_bytes()[..end]);
    }
}

#[test]
fn gzip_is_read_and_one_that_was_cut_is_refused() {
    let bytes = gzip("0\n60\n");
    assert_eq!(seconds(&Record::read(bytes.as_slice()).unwrap()), [0.0, 60.0]);
    let several = [gzip("0\n"), gzip("60\n")].concat();
    assert_eq!(seconds(&Record::read(several.as_slice()).unwrap()), [0.0, 60.0]);
    assert!(why(&bytes[..bytes.len() - 6]).contains("cannot be read to its end"));
}

#[test]
fn what_holds_no_time_is_refused_with_the_reason() {
    assert_eq!(why(b""), "it is empty");
    assert_eq!(why(b"\n# nothing\n"), "it is empty");
    assert_eq!(why(b"a\nb\n"), "none of its 2 lines has a time; line 1: no time in `a`");
    assert!(why(b"0\n9000000000\n").contains("104166 days apart"));
}
