//! Flow logs as AWS writes them to S3 in Parquet: the same fields, with underscores in their names.

use std::io::{self, Read, Seek};

use super::row::{Field, Row};
use crate::reader::Summary;
use crate::record::Record;
use crate::table::{Error, Table, Value};

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
    summary.broken = read.err().map(|error| match error {
        Error::Read(error) => error,
        error @ (Error::Parquet(_) | Error::Shape | Error::Damaged) => {
            io::Error::new(io::ErrorKind::InvalidData, error)
        }
    });
    summary
}

fn fields<R: Read + Seek + Send + 'static>(table: &Table<R>) -> Vec<Field> {
    table.columns().iter().map(|name| Field::named(name)).collect()
}

#[cfg(test)]
mod tests;
