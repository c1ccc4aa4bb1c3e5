//! This host's connections, as the kernel lists them in `/proc/net/tcp` and `/proc/net/tcp6`.
//!
//! A line has the ends in hexadecimal, the address in the machine's byte order by words of 32 bits,
//! the state, and which timer runs (`get_tcp4_sock` of `net/ipv4/tcp_ipv4.c`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The state of an established connection (`TCP_ESTABLISHED` in `net/tcp_states.h`).
const ESTABLISHED: u8 = 1;
/// No timer runs; 2 would be keepalive's.
const NO_TIMER: u8 = 0;
/// More lines than this are not read, so that reading ends.
const LINES_MAX: usize = 1_000_000;
/// More servers than this are not told apart.
const SERVERS_MAX: usize = 10_000;

/// Counts, for each server that this host is a client of, the established connections for which no
/// keepalive timer runs. If there are `ports`, only servers with one of these count.
///
/// Who is the client is not listed; the end with the higher port is taken for it.
pub fn without_keepalive(ports: &[u16]) -> io::Result<BTreeMap<SocketAddr, u64>> {
    let mut servers = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match File::open(table) {
            Ok(file) => count(BufReader::new(file), ports, &mut servers)?,
            // A kernel without IPv6 has no second table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(servers)
}

fn count(
    table: impl io::BufRead,
    ports: &[u16],
    servers: &mut BTreeMap<SocketAddr, u64>,
) -> io::Result<()> {
    for line in table.lines().take(LINES_MAX) {
        let line = line?;
        let Some(socket) = read(&line) else { continue };
        let Socket { local, remote, state, timer } = socket;
        let wanted = ports.is_empty() || ports.contains(&remote.port());
        let at_risk = state == ESTABLISHED && timer == NO_TIMER && remote.port() <= local.port();
        if wanted && at_risk && (servers.len() < SERVERS_MAX || servers.contains_key(&remote)) {
            *servers.entry(remote).or_default() += 1;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    state: u8,
    timer: u8,
}

/// Reads a line; the heading is none.
fn read(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (end(fields.next()?)?, end(fields.next()?)?);
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let (timer, _) = fields.nth(1)?.split_once(':')?;
    let timer = u8::from_str_radix(timer, 16).ok()?;
    Some(Socket { local, remote, state, timer })
}

fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = address.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n";

    #[cfg(target_endian = "little")]
    const TABLE: &str = "\
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1
   1: 0700000A:C351 097100CB:01BB 01 00000000:00000000 00:00000000 00000000 0 0 2 1
   2: 0700000A:C352 097100CB:01BB 01 00000000:00000000 02:000003E8 00000000 0 0 3 1
   3: 0700000A:C353 097100CB:01BB 06 00000000:00000000 03:000003E8 00000000 0 0 4 1
   4: 0000000000000000FFFF00000700000A:C354 0000000000000000FFFF0000097100CB:01BB 01 \
00000000:00000000 00:00000000 00000000 0 0 5 1
   5: 0700000A:01BB 097100CB:C355 01 00000000:00000000 00:00000000 00000000 0 0 6 1
   6: nonsense
";

    #[cfg(target_endian = "little")]
    #[test]
    fn a_client_without_a_keepalive_timer_counts_under_its_server() {
        let server = SocketAddr::from(([203, 0, 113, 9], 443));
        let text = format!("{HEADING}{TABLE}");
        for (ports, wanted) in [(&[][..], vec![(server, 2)]), (&[443], vec![(server, 2)])] {
            let mut servers = BTreeMap::new();
            count(text.as_bytes(), ports, &mut servers).unwrap();
            assert_eq!(servers.into_iter().collect::<Vec<_>>(), wanted);
        }
        let mut servers = BTreeMap::new();
        count(text.as_bytes(), &[80], &mut servers).unwrap();
        assert!(servers.is_empty());
    }

    #[test]
    fn this_hosts_tables_can_be_read() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let sockets: Vec<_> =
            (0..20).map(|_| std::net::TcpStream::connect(server).unwrap()).collect();
        let lower = sockets.iter().filter(|one| one.local_addr().unwrap().port() >= server.port());
        let lower = lower.count() as u64;
        let found = without_keepalive(&[server.port()]).unwrap();
        assert_eq!(found.get(&server).copied().unwrap_or_default(), lower);
    }
}
