//! The client's table of sockets, as somebody would watch it with `netstat -c`.

use halfopen_core::tcp::{Connected, Socket};
use halfopen_core::time::{Duration, Instant};
use halfopen_sim::host::Host;
use halfopen_sim::net::SocketTable;
use halfopen_sim::world::{Error, World};

/// Runs until `until` and looks at a host's sockets in even steps, a second apart or ten thousand
/// in all. What is returned are the tables that differ from the one before in more than timers, and
/// one a minute.
pub(super) fn watch(
    world: &mut World,
    host: &Host,
    until: Instant,
) -> Result<Vec<SocketTable>, Error> {
    const LOOKS_MAX: u32 = 10_000;
    const HEARTBEAT: Duration = Duration::from_mins(1);
    let length = until.saturating_since(Instant::EPOCH);
    let step = (length / LOOKS_MAX).max(Duration::from_secs(1));
    let mut tables: Vec<SocketTable> = Vec::new();
    let mut at = Instant::EPOCH;
    loop {
        at = (at + step).min(until);
        world.run_until(at)?;
        let table = host.sockets();
        let news = tables.last().is_none_or(|last| {
            last.at + HEARTBEAT <= table.at
                || !last.rows.iter().map(key).eq(table.rows.iter().map(key))
        });
        if news {
            tables.push(table);
        }
        if at == until {
            return Ok(tables);
        }
    }
}

/// Returns what makes a row worth another look.
fn key(row: &Socket) -> impl PartialEq + use<> {
    let connection = |it: Connected| (it.peer, it.info.state, it.held);
    (row.local, row.receive_queue, row.send_queue, row.connection.map(connection))
}
