//! Flow logs as AWS writes them to S3 in Parquet: the same fields, with underscores in their names.

use std::io::{self, Cursor, Read, Seek};

use super::row::{Field, Row};
use crate::lines::Lines;
use crate::reader::{Form, Summary};
use crate::record::Record;
use crate::table::{Error, MAGIC, Table, Value};

/// A flow log in Parquet.
pub const TABLE: Form = Form {
    name: "vpc-flow-parquet",
    title: "VPC flow log in Parquet",
    recognises: |head| head.starts_with(MAGIC),
    read: read_stream,
};

/// A larger file is not read as a stream: a table's index stands at its end.
pub const STREAM_MAX: usize = 512 << 20;

fn read_stream(mut lines: Lines<&mut dyn Read>, out: &mut dyn FnMut(Record)) -> Summary {
    let broken = |error| Summary { broken: Some(error), ..Summary::default() };
    let table = match lines.rest(STREAM_MAX) {
        Ok(Some(bytes)) => Table::open(Cursor::new(bytes)),
        Ok(None) => {
            let text = format!("a table of more than {} MiB: split it", STREAM_MAX >> 20);
            return broken(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Err(error) => return broken(error),
    };
    match table {
        Ok(table) if is_flow_log(&table) => read(&table, out),
        Ok(_) => {
            let text = "a table that has not the columns of a flow log";
            broken(io::Error::new(io::ErrorKind::InvalidData, text))
        }
        Err(error) => broken(into_io(error)),
    }
}

/// Tells whether a table has the columns of a flow log.
#[must_use]
pub fn is_flow_log<R: Read + Seek + Send + 'static>(table: &Table<R>) -> bool {
    Row::is_whole(&fields(table))
}

/// Reads a flow log; a record's line is the number of its row.
pub fn read<R: Read + Seek + Send + 'static>(
    table: &Table<R>,
    out: &mut dyn FnMut(Record),
) -> Summary {
    let fields = fields(table);
    let mut summary = Summary::default();
    let read = table.rows(|number, values| {
        summary.lines = number;
        let mut row = Row::default();
        let set = fields.iter().zip(values).try_for_each(|(&field, &value)| match value {
            Value::Text(text) => row.set(field, text.as_bytes()),
            Value::Number(number) => row.set_number(field, number.try_into().ok()?),
            Value::Time(at) => row.set_number(field, at.as_nanos() / 1_000_000_000),
            Value::None => Some(()),
        });
        match set.and_then(|()| row.finish()) {
            Some((at, what)) => {
                summary.count(at);
                out(Record { at, line: number, what });
            }
            None => summary.pass_over(number),
        }
    });
    summary.broken = read.err().map(into_io);
    summary
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Read(error) => error,
        error @ (Error::Parquet(_) | Error::Shape | Error::Damaged) => {
            io::Error::new(io::ErrorKind::InvalidData, error)
        }
    }
}

fn fields<R: Read + Seek + Send + 'static>(table: &Table<R>) -> Vec<Field> {
    table.columns().iter().map(|name| Field::named(name)).collect()
}

#[cfg(test)]
mod tests;
