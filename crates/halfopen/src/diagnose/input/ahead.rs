//! Reading ahead, in a thread of its own: judging does not wait for the disk, and a source that is
//! silent keeps nobody from stopping.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::diagnose::interrupt::Interrupt;

/// How much is read at once, and how often that much may wait to be taken.
const CHUNK: usize = 1 << 16;
const CHUNKS_MAX: usize = 16;
/// How often a silent source is left to see whether to stop.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A source that is read ahead. Once the user has interrupted, it has ended.
#[derive(Debug)]
pub(super) struct Ahead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
    interrupt: Interrupt,
}

impl Ahead {
    pub(super) fn new(
        source: impl Read + Send + 'static,
        interrupt: Interrupt,
    ) -> io::Result<Self> {
        let (sender, chunks) = sync_channel(CHUNKS_MAX);
        thread::Builder::new()
            .name("read ahead".to_owned())
            .spawn(move || send(source, &sender))?;
        Ok(Self { chunks, chunk: io::Cursor::default(), interrupt })
    }
}

/// Sends all of a source, until it ends or fails, or nobody listens.
fn send(mut source: impl Read, chunks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match source.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read,
        };
        let last = !matches!(read, Ok(1..));
        let sent = chunks.send(read.map(|length| {
            chunk.truncate(length);
            chunk
        }));
        if last || sent.is_err() {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(into)?;
            if read > 0 || into.is_empty() || self.interrupt.asked() {
                return Ok(read);
            }
            match self.chunks.recv_timeout(LOOK_EVERY) {
                Ok(chunk) => {
                    self.chunk = io::Cursor::new(chunk?);
                    if self.chunk.get_ref().is_empty() {
                        return Ok(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}
