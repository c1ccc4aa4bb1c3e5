//! What a program writes, of which the end is kept.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::thread::{self, JoinHandle};

/// So much of it is kept, in bytes.
const KEPT_MAX: usize = 16 << 10;

/// Reads what a program writes until all writers are gone.
#[derive(Debug)]
pub(super) struct Tail(JoinHandle<VecDeque<u8>>);

/// Returns the two ends of a pipe for a program's output and errors.
pub(super) fn pipe() -> io::Result<(Tail, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let reading = thread::Builder::new().name("output".to_owned());
    Ok((Tail(reading.spawn(move || tail(reader))?), writer))
}

impl Tail {
    /// Waits for the end and returns what stands before it.
    pub(super) fn read(self) -> String {
        let bytes = self.0.join().unwrap_or_default();
        String::from_utf8_lossy(&Vec::from(bytes)).into_owned()
    }
}

fn tail(mut reader: PipeReader) -> VecDeque<u8> {
    let (mut kept, mut piece) = (VecDeque::new(), [0; 4096]);
    // A pipe that cannot be read has ended, too.
    while let Ok(length @ 1..) = reader.read(&mut piece) {
        kept.extend(&piece[..length]);
        kept.drain(..kept.len().saturating_sub(KEPT_MAX));
    }
    kept
}
