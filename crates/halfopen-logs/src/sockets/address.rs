//! An end of a socket, as the programs write it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads `10.78.2.1:37930`, `[::ffff:10.78.2.1]:45154`, `::1:8080` (`netstat` of Linux), `*:443`,
/// `0.0.0.0:*`, `10.0.0.1%eth0:22`. A port that is not said is 0, an address that is not said the
/// unspecified one; an IPv4 address within IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 one.
pub(super) fn with_colon(text: &str) -> Option<SocketAddr> {
    read(text, ':')
}

/// Reads `10.0.0.1.52341`, `fe80::1%lo0.22`, `*.443`, as the `netstat` of macOS and BSD writes.
pub(super) fn with_dot(text: &str) -> Option<SocketAddr> {
    read(text, '.')
}

fn read(text: &str, separator: char) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(separator)?;
    let port = if port == "*" { 0 } else { port.parse().ok()? };
    let host = host.split_once('%').map_or(host, |(address, _interface)| address);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = match host {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => host.parse::<IpAddr>().ok()?.to_canonical(),
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_as_each_program_writes_them() {
        for (text, expected) in [
            ("10.78.2.1:37930", "10.78.2.1:37930"),
            ("[::ffff:10.78.2.1]:45154", "10.78.2.1:45154"),
            ("::ffff:10.78.2.1:45154", "10.78.2.1:45154"),
            ("[fe80::1]%eth0:22", "[fe80::1]:22"),
            ("10.0.0.1%eth0:68", "10.0.0.1:68"),
            (":::8080", "[::]:8080"),
            ("*:443", "0.0.0.0:443"),
            ("0.0.0.0:*", "0.0.0.0:0"),
        ] {
            assert_eq!(with_colon(text), expected.parse().ok(), "{text}");
        }
        for (text, expected) in [
            ("10.0.0.1.52341", "10.0.0.1:52341"),
            ("fe80::1%lo0.22", "[fe80::1]:22"),
            ("*.*", "0.0.0.0:0"),
        ] {
            assert_eq!(with_dot(text), expected.parse().ok(), "{text}");
        }
    }

    #[test]
    fn a_name_in_place_of_a_number_is_not_an_end() {
        for text in ["payment.example:http", "10.0.0.1:http", "10.0.0.1", "", ":", "2001:db8:1:443"]
        {
            assert_eq!(with_colon(text), None, "{text}");
        }
    }
}
