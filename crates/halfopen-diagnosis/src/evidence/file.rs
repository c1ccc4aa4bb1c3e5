//! Evidence as a Parquet file, one row a key.
//!
//! Columns are found by their names, in any order and of any width, so that what a database has
//! merged and written again is read as well; a column that is not known is passed over.

use std::io::{Read, Seek, Write};
use std::sync::Arc;

use halfopen_core::cause::{Cause, Harm, Mechanism};
use halfopen_core::time::Duration;
use halfopen_logs::table::{self, Table, Value};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{FORMAT, Key, Kind, Learned, Place, Tally};

/// The columns, as docs/fleet.md describes them.
const SCHEMA: &str = "message halfopen_evidence {
    REQUIRED INT32 format;
    REQUIRED BYTE_ARRAY host (UTF8);
    REQUIRED BYTE_ARRAY labels (UTF8);
    REQUIRED BYTE_ARRAY server (UTF8);
    REQUIRED INT64 hour (TIMESTAMP(MILLIS, true));
    REQUIRED BYTE_ARRAY kind (UTF8);
    OPTIONAL BYTE_ARRAY cause (UTF8);
    OPTIONAL BYTE_ARRAY mechanism (UTF8);
    OPTIONAL BYTE_ARRAY harm (UTF8);
    REQUIRED INT64 count;
    OPTIONAL INT64 idle_min_us;
    OPTIONAL INT64 idle_max_us;
    REQUIRED INT64 connections;
    REQUIRED INT64 requests;
    REQUIRED INT64 failures;
    REQUIRED INT64 masked;
}";
/// Rows that are written at once.
const GROUP_ROWS: usize = 100_000;

/// Why evidence could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// The table cannot be written.
    #[error("it cannot be written: {0}")]
    Write(#[from] ParquetError),
    /// It was written by a later version, whose rows may mean something else.
    #[error("it is evidence of format {0}, and this program reads up to {FORMAT}: use a later one")]
    Later(i64),
    /// A column is missing.
    #[error("it has no column `{0}`: see docs/fleet.md for the columns of evidence")]
    Column(&'static str),
    /// A row makes no sense.
    #[error("row {0} has values that mean nothing: see docs/fleet.md for the columns of evidence")]
    Row(u64),
}

/// Tells whether a table is evidence, and not some other.
#[must_use]
pub fn is_evidence<R: Read + Seek + Send + 'static>(table: &Table<R>) -> bool {
    let has = |name: &str| table.columns().iter().any(|column| column == name);
    ["format", "server", "kind", "idle_min_us"].into_iter().all(has)
}

/// Reads the rows of a table, and hands them out.
pub fn read<R: Read + Seek + Send + 'static>(
    table: &Table<R>,
    mut out: impl FnMut(Key, Tally),
) -> Result<(), Error> {
    let columns = Columns::of(table)?;
    let mut wrong = None;
    table.rows(|number, values| {
        if wrong.is_some() {
            return;
        }
        match number_in(values, columns.format) {
            Some(format) if format > FORMAT => wrong = Some(Error::Later(format)),
            _ => match columns.row(values) {
                Some((key, tally)) => out(key, tally),
                None => wrong = Some(Error::Row(number)),
            },
        }
    })?;
    wrong.map_or(Ok(()), Err)
}

/// Where each column stands.
struct Columns {
    format: usize,
    texts: [usize; 7],
    hour: usize,
    counts: [usize; 7],
}

impl Columns {
    fn of<R: Read + Seek + Send + 'static>(table: &Table<R>) -> Result<Self, Error> {
        let at = |name: &'static str| {
            let place = table.columns().iter().position(|column| column == name);
            place.ok_or(Error::Column(name))
        };
        Ok(Self {
            format: at("format")?,
            texts: [
                at("host")?,
                at("labels")?,
                at("server")?,
                at("kind")?,
                at("cause")?,
                at("mechanism")?,
                at("harm")?,
            ],
            hour: at("hour")?,
            counts: [
                at("count")?,
                at("idle_min_us")?,
                at("idle_max_us")?,
                at("connections")?,
                at("requests")?,
                at("failures")?,
                at("masked")?,
            ],
        })
    }

    fn row(&self, values: &[Value<'_>]) -> Option<(Key, Tally)> {
        let text = |column: usize| match values.get(column) {
            Some(Value::Text(text)) => Some(*text),
            Some(Value::None | Value::Number(_) | Value::Time(_)) | None => None,
        };
        let [host, labels, server, kind, cause, mechanism, harm] = self.texts.map(text);
        let count = |column| number_in(values, column)?.try_into().ok();
        let [count, least, most, connections, requests, failures, masked] = self.counts.map(count);
        let hour = match values.get(self.hour)? {
            Value::Time(at) => *at,
            Value::None | Value::Text(_) | Value::Number(_) => return None,
        };
        let mechanism = match mechanism {
            Some(word) => Some(named(Mechanism::ALL, word, Mechanism::as_str)?),
            None => None,
        };
        let harm = || named(Harm::ALL, harm?, Harm::as_str);
        let kind = match kind? {
            "survived" => Kind::Survived,
            "died" => Kind::Died(mechanism, harm()?),
            "judged" => Kind::Judged(named(Cause::ALL, cause?, Cause::as_str)?, mechanism, harm()?),
            _ => return None,
        };
        let idle = match (kind, least, most) {
            (Kind::Judged(..), ..) => None,
            (Kind::Survived | Kind::Died(..), Some(least), Some(most)) if least <= most => {
                Some((Duration::from_micros(least), Duration::from_micros(most)))
            }
            (Kind::Survived | Kind::Died(..), ..) => return None,
        };
        let place = Place { host: host?.into(), labels: labels?.into(), server: server?.into() };
        let key = Key::new(place, hour, kind, idle.map(|(least, _)| least));
        let tally = Tally {
            count: count?,
            idle,
            connections: connections?,
            requests: requests?,
            failures: failures?,
            masked: masked?,
        };
        Some((key, tally))
    }
}

fn number_in(values: &[Value<'_>], column: usize) -> Option<i64> {
    match values.get(column)? {
        Value::Number(number) => Some(*number),
        Value::None | Value::Text(_) | Value::Time(_) => None,
    }
}

fn named<T: Copy>(all: &[T], word: &str, name: impl Fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|&it| name(it) == word)
}

/// Writes what was learned.
pub fn write<W: Write + Send>(learned: &Learned, out: W) -> Result<(), Error> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("halfopen ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    let rows: Vec<(&Key, &Tally)> = learned.rows().collect();
    for rows in rows.chunks(GROUP_ROWS) {
        let mut group = writer.next_row_group()?;
        write_group(&mut group, rows)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn write_group<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[(&Key, &Tally)],
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let format = i32::try_from(FORMAT).unwrap_or(i32::MAX);
    column.typed::<Int32Type>().write_batch(&vec![format; rows.len()], None, None)?;
    column.close()?;
    texts(group, rows, |key| Some(&key.place.host), false)?;
    texts(group, rows, |key| Some(&key.place.labels), false)?;
    texts(group, rows, |key| Some(&key.place.server), false)?;
    numbers(group, rows, |key, _| Some(key.hour.as_nanos() / 1_000_000), false)?;
    texts(group, rows, |key| Some(key.kind.as_str()), false)?;
    texts(group, rows, |key| key.kind.cause().map(Cause::as_str), true)?;
    texts(group, rows, |key| key.kind.mechanism().map(Mechanism::as_str), true)?;
    texts(group, rows, |key| key.kind.harm().map(Harm::as_str), true)?;
    numbers(group, rows, |_, tally| Some(tally.count), false)?;
    numbers(group, rows, |_, tally| tally.idle.map(|(least, _)| micros(least)), true)?;
    numbers(group, rows, |_, tally| tally.idle.map(|(_, most)| micros(most)), true)?;
    numbers(group, rows, |_, tally| Some(tally.connections), false)?;
    numbers(group, rows, |_, tally| Some(tally.requests), false)?;
    numbers(group, rows, |_, tally| Some(tally.failures), false)?;
    numbers(group, rows, |_, tally| Some(tally.masked), false)
}

fn texts<'a, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[(&'a Key, &'a Tally)],
    of: impl Fn(&'a Key) -> Option<&'a str>,
    optional: bool,
) -> Result<(), ParquetError> {
    let values: Vec<Option<&str>> = rows.iter().map(|&(key, _)| of(key)).collect();
    let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let bytes: Vec<ByteArray> = values.into_iter().flatten().map(ByteArray::from).collect();
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let levels = optional.then_some(levels.as_slice());
    column.typed::<ByteArrayType>().write_batch(&bytes, levels, None)?;
    column.close()
}

fn numbers<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[(&Key, &Tally)],
    of: impl Fn(&Key, &Tally) -> Option<u64>,
    optional: bool,
) -> Result<(), ParquetError> {
    let values: Vec<Option<u64>> = rows.iter().map(|&(key, tally)| of(key, tally)).collect();
    let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let signed = values.into_iter().flatten().map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let levels = optional.then_some(levels.as_slice());
    column.typed::<Int64Type>().write_batch(&signed.collect::<Vec<_>>(), levels, None)?;
    column.close()
}

fn missing() -> ParquetError {
    ParquetError::General("the schema has fewer columns than are written".to_owned())
}

fn micros(idle: Duration) -> u64 {
    u64::try_from(idle.as_micros()).unwrap_or(u64::MAX)
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Survived => "survived",
            Self::Died(..) => "died",
            Self::Judged(..) => "judged",
        }
    }

    const fn cause(self) -> Option<Cause> {
        match self {
            Self::Judged(cause, ..) => Some(cause),
            Self::Survived | Self::Died(..) => None,
        }
    }

    const fn mechanism(self) -> Option<Mechanism> {
        match self {
            Self::Judged(_, mechanism, _) | Self::Died(mechanism, _) => mechanism,
            Self::Survived => None,
        }
    }

    const fn harm(self) -> Option<Harm> {
        match self {
            Self::Judged(.., harm) | Self::Died(_, harm) => Some(harm),
            Self::Survived => None,
        }
    }
}
