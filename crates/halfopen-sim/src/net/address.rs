//! Addresses and names, as sockets take them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::host::Host;

/// What stands for one or more socket addresses, as tokio's trait of that name: addresses, or the
/// name of one of the world's hosts with a port. A name stands for all of the host's addresses, in
/// the order in which they were given to it.
pub trait ToSocketAddrs: sealed::ToTarget {}

impl<T: sealed::ToTarget + ?Sized> ToSocketAddrs for T {}

/// Returns what `address` stands for, as tokio's function of that name.
///
/// # Panics
///
/// As [`Host::current`].
pub async fn lookup_host(
    address: impl ToSocketAddrs,
) -> io::Result<impl Iterator<Item = SocketAddr>> {
    Ok(Host::current().resolve(address)?.into_iter())
}

/// What is to be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Addresses(Vec<SocketAddr>),
    Name(String, u16),
}

/// Reads what a caller gave for an address.
pub(crate) fn target(address: &impl ToSocketAddrs) -> io::Result<Target> {
    let text = match address.target() {
        sealed::Raw::Addresses(addresses) => return Ok(Target::Addresses(addresses)),
        sealed::Raw::Name(name, port) => return Ok(named(name, port)),
        sealed::Raw::Text(text) => text,
    };
    if let Ok(address) = text.parse() {
        return Ok(Target::Addresses(vec![address]));
    }
    let (name, port) = text.rsplit_once(':').ok_or_else(|| invalid(text, "has no port"))?;
    let port = port.parse().map_err(|_| invalid(text, "has no port below 65,536"))?;
    Ok(named(name, port))
}

fn named(name: &str, port: u16) -> Target {
    match name.parse::<IpAddr>() {
        Ok(address) => Target::Addresses(vec![SocketAddr::new(address, port)]),
        Err(_) => Target::Name(name.to_owned(), port),
    }
}

fn invalid(text: &str, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("the address {text:?} {what}"))
}

mod sealed {
    use super::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

    /// An address as it was given.
    #[expect(unnameable_types, reason = "only the crate's own types are addresses")]
    #[derive(Debug)]
    pub enum Raw<'a> {
        Addresses(Vec<SocketAddr>),
        Name(&'a str, u16),
        Text(&'a str),
    }

    #[expect(unnameable_types, reason = "only the crate's own types are addresses")]
    pub trait ToTarget {
        fn target(&self) -> Raw<'_>;
    }

    macro_rules! single {
        ($($address:ty),*) => {$(
            impl ToTarget for $address {
                fn target(&self) -> Raw<'_> {
                    Raw::Addresses(vec![SocketAddr::from(*self)])
                }
            }
        )*};
    }
    single!(
        SocketAddr,
        SocketAddrV4,
        SocketAddrV6,
        (IpAddr, u16),
        (Ipv4Addr, u16),
        (Ipv6Addr, u16)
    );

    impl ToTarget for [SocketAddr] {
        fn target(&self) -> Raw<'_> {
            Raw::Addresses(self.to_vec())
        }
    }

    impl ToTarget for str {
        fn target(&self) -> Raw<'_> {
            Raw::Text(self)
        }
    }

    impl ToTarget for String {
        fn target(&self) -> Raw<'_> {
            Raw::Text(self)
        }
    }

    impl ToTarget for (&str, u16) {
        fn target(&self) -> Raw<'_> {
            Raw::Name(self.0, self.1)
        }
    }

    impl ToTarget for (String, u16) {
        fn target(&self) -> Raw<'_> {
            Raw::Name(&self.0, self.1)
        }
    }

    impl<T: ToTarget + ?Sized> ToTarget for &T {
        fn target(&self) -> Raw<'_> {
            (**self).target()
        }
    }
}
