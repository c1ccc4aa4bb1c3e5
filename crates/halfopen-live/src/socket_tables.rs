//! A network's sockets, as the kernel lists them and somebody would write them down.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use halfopen_core::time::{Duration, Instant};

use crate::namespace::{self, Namespace};

/// How far two looks are apart, at least.
const STEP: Duration = Duration::from_millis(200);
/// After so long a table is kept though nothing has changed.
const HEARTBEAT: Duration = Duration::from_mins(1);
/// More bytes of tables than this are not kept.
const KEPT_MAX: usize = 64 << 20;
/// Of a table, no more bytes than this are read.
const LENGTH_MAX: u64 = 1 << 20;

/// Looks at a network's TCP sockets again and again.
#[derive(Debug)]
pub struct SocketTables {
    /// `/proc/net/tcp`, and with IPv6 `/proc/net/tcp6`: a file shows the network it was opened in.
    lists: Vec<File>,
    looked: Option<Instant>,
    tables: Vec<(Instant, String)>,
    /// How many bytes the tables have.
    kept: usize,
}

impl SocketTables {
    /// Returns a look at the sockets of a namespace.
    pub fn of(namespace: &Namespace) -> Result<Self, namespace::Error> {
        let open = |name| File::open(format!("/proc/thread-self/net/{name}")).ok();
        let lists = namespace.run(|| ["tcp", "tcp6"].into_iter().filter_map(open).collect())?;
        Ok(Self { lists, looked: None, tables: Vec::new(), kept: 0 })
    }

    /// Looks, unless the last look was a moment ago, and keeps what is new.
    pub fn look(&mut self, now: Instant) {
        if self.looked.is_some_and(|looked| now < looked + STEP) {
            return;
        }
        self.looked = Some(now);
        // What cannot be read is not worth the run.
        let Ok(table) = self.read() else { return };
        let is_news = self.tables.last().is_none_or(|(at, last)| {
            *at + HEARTBEAT <= now || !last.lines().map(key).eq(table.lines().map(key))
        });
        if is_news && self.kept + table.len() <= KEPT_MAX {
            self.kept += table.len();
            self.tables.push((now, table));
        }
    }

    /// Returns the tables that differ from the one before in more than timers, and one a minute.
    #[must_use]
    pub fn take(self) -> Vec<(Instant, String)> {
        self.tables
    }

    /// Returns one table of what is in all lists, under the header of the first.
    fn read(&mut self) -> io::Result<String> {
        let mut table = String::new();
        for list in &mut self.lists {
            list.rewind()?;
            let mut text = String::new();
            list.take(LENGTH_MAX).read_to_string(&mut text)?;
            let header = usize::from(!table.is_empty());
            table.extend(text.lines().skip(header).flat_map(|line| [line, "\n"]));
        }
        Ok(table)
    }
}

/// Returns what makes a row worth another look: ends, state, queues.
fn key(row: &str) -> [Option<&str>; 4] {
    let mut words = row.split_whitespace().skip(1);
    core::array::from_fn(|_| words.next())
}
