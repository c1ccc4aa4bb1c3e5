//! Tables in Parquet, row by row.
//!
//! A thin layer over the `parquet` crate, without Arrow: columns by name, values as numbers, texts
//! and times, a row group at a time. That crate vouches for no hostile file; a file that makes it
//! panic is an error here. What a page claims to unpack to is taken at its word up to 2 GiB, which
//! is what its format can say.

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use halfopen_core::time::Instant;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader as _, Length};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Field;

/// The first four bytes of a Parquet file, and its last (Parquet format, "File format").
pub const MAGIC: &[u8] = b"PAR1";
/// A file with more columns is not read.
const COLUMNS_MAX: usize = 1_024;

/// A table that was opened; its rows are not yet read.
pub struct Table<R: Read + Seek + Send> {
    reader: SerializedFileReader<Shared<R>>,
    columns: Vec<String>,
}

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// There is none, or one of a type that is not read.
    None,
    /// A whole number; one beyond 64 bits with a sign is none.
    Number(i64),
    /// A text.
    Text(&'a str),
    /// A point in time.
    Time(Instant),
}

/// Why a table could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source failed.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file is damaged or packed in a way that is not read.
    #[error("it is no Parquet file that can be read here: {0}")]
    Parquet(#[from] ParquetError),
    /// It has columns within columns, or too many.
    #[error("it is no flat table of at most {COLUMNS_MAX} columns")]
    Shape,
    /// It is damaged so that its decoder gave up.
    #[error("it is damaged")]
    Damaged,
}

impl<R: Read + Seek + Send + 'static> Table<R> {
    /// Reads the footer of a file.
    pub fn open(mut source: R) -> Result<Self, Error> {
        let len = source.seek(SeekFrom::End(0))?;
        let shared = Shared { source: Arc::new(Mutex::new(source)), len };
        guarded(|| {
            let reader = SerializedFileReader::new(shared)?;
            let schema = reader.metadata().file_metadata().schema();
            let fields = schema.get_fields();
            if fields.len() > COLUMNS_MAX || fields.iter().any(|field| !field.is_primitive()) {
                return Err(Error::Shape);
            }
            let columns = fields.iter().map(|field| field.name().to_owned()).collect();
            Ok(Self { reader, columns })
        })
    }

    /// Returns the names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Hands out the rows one after another, counted from one, with a value for each column. Ends
    /// with an error where the file is damaged.
    pub fn rows(&self, mut out: impl FnMut(u64, &[Value<'_>])) -> Result<(), Error> {
        guarded(|| {
            let mut number = 0;
            for row in self.reader.get_row_iter(None)? {
                let row = row?;
                number += 1;
                let values: Vec<Value<'_>> =
                    row.get_column_iter().map(|(_, field)| value(field)).collect();
                out(number, &values);
            }
            Ok(())
        })
    }
}

impl<R: Read + Seek + Send> core::fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Table").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// Does what may meet a damaged file.
fn guarded<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Damaged))
}

fn value(field: &Field) -> Value<'_> {
    let time = |since_epoch: i64, nanos_each: u64| {
        let nanos = u64::try_from(since_epoch).ok().and_then(|it| it.checked_mul(nanos_each));
        nanos.map_or(Value::None, |nanos| Value::Time(Instant::from_nanos(nanos)))
    };
    match field {
        Field::Byte(number) => Value::Number((*number).into()),
        Field::Short(number) => Value::Number((*number).into()),
        Field::Int(number) => Value::Number((*number).into()),
        Field::Long(number) => Value::Number(*number),
        Field::UByte(number) => Value::Number((*number).into()),
        Field::UShort(number) => Value::Number((*number).into()),
        Field::UInt(number) => Value::Number((*number).into()),
        Field::ULong(number) => i64::try_from(*number).map_or(Value::None, Value::Number),
        Field::Str(text) => Value::Text(text),
        Field::Bytes(bytes) => bytes.as_utf8().map_or(Value::None, Value::Text),
        Field::TimestampMillis(since) => time(*since, 1_000_000),
        Field::TimestampMicros(since) => time(*since, 1_000),
        Field::Null
        | Field::Bool(_)
        | Field::Float16(_)
        | Field::Float(_)
        | Field::Double(_)
        | Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::Group(_)
        | Field::ListInternal(_)
        | Field::MapInternal(_) => Value::None,
    }
}

/// A source that several column readers take turns at.
struct Shared<R> {
    source: Arc<Mutex<R>>,
    len: u64,
}

impl<R: Read + Seek> Shared<R> {
    fn at(&self, start: u64) -> io::Result<MutexGuard<'_, R>> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(SeekFrom::Start(start))?;
        Ok(source)
    }
}

impl<R> Length for Shared<R> {
    fn len(&self) -> u64 {
        self.len
    }
}

impl<R: Read + Seek + Send> ChunkReader for Shared<R> {
    type T = io::BufReader<From<R>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(io::BufReader::new(From { source: Arc::clone(&self.source), next: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let past_the_end = || ParquetError::EOF("a part lies past the end of the file".to_owned());
        let end = start.checked_add(length as u64).ok_or_else(past_the_end)?;
        if end > self.len {
            return Err(past_the_end());
        }
        let mut bytes = vec![0; length];
        self.at(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A place in a shared source, read on from.
struct From<R> {
    source: Arc<Mutex<R>>,
    next: u64,
}

impl<R: Read + Seek> Read for From<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(SeekFrom::Start(self.next))?;
        let read = source.read(buffer)?;
        self.next += read as u64;
        Ok(read)
    }
}
