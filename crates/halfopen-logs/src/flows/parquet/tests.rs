use std::io::Cursor;
use std::sync::Arc;

use ::parquet::basic::{Compression, GzipLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;
use crate::record::{Traffic, What};

/// Two rows, of which the second has nothing recorded, as AWS writes them: gzip within.
fn file() -> Vec<u8> {
    let schema = "message flow { REQUIRED INT32 version; OPTIONAL BYTE_ARRAY srcaddr (UTF8); \
                  OPTIONAL BYTE_ARRAY dstaddr (UTF8); OPTIONAL INT32 srcport; \
                  REQUIRED INT64 start; REQUIRED INT64 end; REQUIRED BYTE_ARRAY log_status (UTF8); \
                  OPTIONAL INT32 tcp_flags; OPTIONAL BYTE_ARRAY pkt_dstaddr (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let gzip = Compression::GZIP(GzipLevel::default());
    let properties = Arc::new(WriterProperties::builder().set_compression(gzip).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let first = Some(&[1_i16, 0][..]);
    let text = |values: &[&str], levels| {
        let values: Vec<ByteArray> = values.iter().map(|&text| text.into()).collect();
        (values, levels)
    };
    let texts = [
        (1, text(&["10.0.1.5"], first)),
        (2, text(&["203.0.113.9"], first)),
        (6, text(&["OK", "SKIPDATA"], None)),
        (8, text(&["::ffff:203.0.113.9"], first)),
    ];
    for index in 0..9 {
        let mut column = group.next_column().unwrap().unwrap();
        if let Some((_, (values, levels))) = texts.iter().find(|(at, _)| *at == index) {
            column.typed::<ByteArrayType>().write_batch(values, *levels, None).unwrap();
        } else if index == 4 || index == 5 {
            let times = [1_700_000_000 + index, 1_700_000_060];
            column.typed::<Int64Type>().write_batch(&times, None, None).unwrap();
        } else {
            let (values, levels): (&[i32], _) = match index {
                0 => (&[5, 5], None),
                3 => (&[37_930], first),
                _ => (&[4], first),
            };
            column.typed::<Int32Type>().write_batch(values, levels, None).unwrap();
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn read_all(bytes: Vec<u8>) -> (Vec<Record>, Summary) {
    let table = Table::open(Cursor::new(bytes)).unwrap();
    assert!(is_flow_log(&table));
    let mut records = Vec::new();
    let summary = read(&table, &mut |record| records.push(record));
    (records, summary)
}

#[test]
fn rows_say_what_lines_of_text_say() {
    let (records, summary) = read_all(file());
    assert_eq!((records.len(), summary.lines, summary.unread), (2, 2, 0));
    let What::Traffic(Traffic { source, destination, packet_destination, tcp_flags, .. }) =
        &records[0].what
    else {
        panic!("{:?}", records[0])
    };
    assert_eq!(*source, ("10.0.1.5".parse().unwrap(), 37_930));
    assert_eq!(*destination, ("203.0.113.9".parse().unwrap(), 0));
    assert_eq!(*packet_destination, Some(destination.0));
    assert_eq!(*tcp_flags, Some(4));
    assert_eq!(records[0].at.as_nanos(), 1_700_000_004_000_000_000);
    assert!(matches!(&records[1].what, What::Blank(blank) if blank.skipped));
}

#[test]
fn a_table_is_recognised_and_read_as_a_stream() {
    let bytes = file();
    let form = crate::recognise(&bytes[..64]).unwrap();
    assert_eq!(form.name, "vpc-flow-parquet");
    for (bytes, records) in [(&bytes[..], 2), (&bytes[..bytes.len() - 9], 0)] {
        let mut source = bytes;
        let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
        let summary = (form.read)(lines, &mut |_| {});
        assert_eq!((summary.records, summary.broken.is_none()), (records, records > 0));
    }
}

#[test]
fn a_damaged_table_is_an_error_and_no_panic() {
    let whole = file();
    for len in 0..whole.len() {
        assert!(Table::open(Cursor::new(whole[..len].to_vec())).is_err(), "{len}");
    }
    for at in (0..whole.len()).step_by(5) {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(table) = Table::open(Cursor::new(bytes)) {
                let _ = read(&table, &mut |_| {});
            }
        }
    }
}
