use super::*;
use crate::recognise;
use crate::record::SocketState::Established;
use crate::record::Timer;

fn read_all(text: &str, written: Option<Instant>) -> (Vec<Record>, Summary) {
    let mut source = text.as_bytes();
    let mut lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    if let Some(at) = written {
        lines = lines.written(at);
    }
    let mut records = Vec::new();
    let summary = read(lines, &mut |record| records.push(record));
    (records, summary)
}

/// Each table as its second, its dating, and the states of its sockets.
fn tables(text: &str) -> Vec<(u64, Dating, Vec<SocketState>)> {
    let mut tables = Vec::new();
    for record in read_all(text, None).0 {
        if let What::Snapshot(dating) = record.what {
            tables.push((record.at.as_nanos() / 1_000_000_000, dating, Vec::new()));
        } else if let What::Socket(socket) = record.what {
            tables.last_mut().unwrap().2.push(socket.state);
        }
    }
    tables
}

const ROW: &str = "ESTAB 0 0 10.78.2.1:37930 10.78.3.2:80 timer:(keepalive,28sec,0)\n";
const INFO: &str = "\t ts rto:204 bytes_sent:328 bytes_received:212 lastsnd:1000 lastrcv:992\n";
const HEADER: &str = "State Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess\n";

#[test]
fn a_table_begins_at_its_time_and_one_without_rows_is_a_table() {
    let text = format!("# 1000000000.5\n{HEADER}# 1000000001\n{HEADER}{ROW}{INFO}{ROW}");
    let expected = [
        (1_000_000_000, Dating::Stated, vec![]),
        (1_000_000_001, Dating::Stated, vec![Established; 2]),
    ];
    assert_eq!(tables(&text), expected);
    let (records, summary) = read_all(&text, None);
    assert_eq!((records.len(), summary.records, summary.unread), (4, 4, 0));
    assert_eq!(records.iter().map(|record| record.line).collect::<Vec<_>>(), [2, 4, 5, 7]);
    let What::Socket(with_info) = &records[2].what else { panic!() };
    assert_eq!(with_info.bytes, Some((328, 212)));
    let What::Socket(without) = &records[3].what else { panic!() };
    assert_eq!((without.last, without.timer.unwrap().timer), (None, Timer::Keepalive));
}

#[test]
fn without_headers_a_time_that_nothing_follows_but_another_is_an_empty_table() {
    let text = format!("1000000000\n1000000001\n{ROW}1000000002\n");
    let expected = [
        (1_000_000_000, Dating::Stated, vec![]),
        (1_000_000_001, Dating::Stated, vec![Established]),
    ];
    assert_eq!(tables(&text), expected);
}

#[test]
fn a_time_before_each_line_dates_the_table_that_its_header_begins() {
    let text = format!(
        "2001-09-09T01:46:40Z {HEADER}2001-09-09T01:46:40Z {ROW}2001-09-09T01:46:40Z {INFO}\
         2001-09-09T01:46:41Z {ROW}2001-09-09T01:46:42Z {HEADER}",
    );
    let expected = [
        (1_000_000_000, Dating::Stated, vec![Established; 2]),
        (1_000_000_002, Dating::Stated, vec![]),
    ];
    assert_eq!(tables(&text), expected);
}

#[test]
fn a_table_without_a_time_is_no_later_than_its_file() {
    let written = Instant::from_nanos(7);
    let (records, _) = read_all(ROW, Some(written));
    assert_eq!(records[0].what, What::Snapshot(Dating::Before));
    assert!(records.iter().all(|record| record.at == written));

    let (records, summary) = read_all(ROW, None);
    assert_eq!(records[0].what, What::Snapshot(Dating::Unknown));
    assert_eq!((records.len(), summary.span), (2, None));
}

#[test]
fn a_time_serves_one_table_only() {
    let text = format!("1000000000\n{HEADER}{ROW}{HEADER}{ROW}");
    let datings: Vec<Dating> = tables(&text).iter().map(|table| table.1).collect();
    assert_eq!(datings, [Dating::Stated, Dating::Unknown]);
}

#[test]
fn each_program_is_recognised() {
    let netstat = "Active Internet connections (w/o servers)\n\
                   Proto Recv-Q Send-Q Local Address           Foreign Address         State\n\
                   tcp        0      0 10.0.0.1:52341          10.0.0.2:443           ESTABLISHED\n\
                   Active UNIX domain sockets (w/o servers)\n\
                   Proto RefCnt Flags       Type       State         I-Node   Path\n\
                   unix  2      [ ]         DGRAM                    12345    /run/x\n";
    let proc = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n\
                0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n";
    for (text, name) in [
        (format!("# 1795333528.900\n{HEADER}"), "ss"),
        (format!("Sun Nov 22 17:36:58 UTC 2026\n{ROW}"), "ss"),
        (netstat.to_owned(), "netstat"),
        (format!("$ netstat -nat\n{netstat}"), "netstat"),
        (proc.to_owned(), "proc-net-tcp"),
    ] {
        assert_eq!(recognise(text.as_bytes()).map(|form| form.name), Some(name), "{text}");
    }
    assert_eq!(tables(netstat), [(0, Dating::Unknown, vec![Established])]);
    let dated = format!("1000000000\n{netstat}");
    assert_eq!(tables(&dated), [(1_000_000_000, Dating::Stated, vec![Established])]);
    assert_eq!(tables(proc), [(0, Dating::Unknown, vec![SocketState::Listen])]);
    for text in ["", "CLOSED the case\n", "1: one\n2: two\n", "Active users\n", "\0\u{1}\u{2}\n"] {
        assert!(recognise(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn lines_that_make_no_sense_are_counted() {
    let text = format!("{HEADER}ESTAB 0 0 a:b c:d\n{INFO}{ROW}");
    let (records, summary) = read_all(&text, None);
    assert_eq!((records.len(), summary.unread, summary.unread_first), (2, 2, Some(2)));
}
