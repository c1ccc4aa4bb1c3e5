//! Interfaces, addresses and routes inside a namespace, by rtnetlink(7).

use core::net::IpAddr;
use std::io;
use std::os::fd::AsRawFd as _;

use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use tokio::runtime;

use super::{Error, Namespace};
use crate::sys::packet::index_of;

impl Namespace {
    /// Connects two namespaces by a pair of virtual Ethernet interfaces (veth(4)), which are still
    /// down. What goes into one comes out of the other.
    pub fn connect(&self, name: &str, other: &Self, other_name: &str) -> Result<(), Error> {
        let step = || format!("connect namespaces by {name} and {other_name}");
        self.ask(step, async |handle| {
            let peer = LinkMessageBuilder::<LinkUnspec>::new()
                .name(other_name)
                .setns_by_fd(other.file.as_raw_fd())
                .build();
            let pair = LinkMessageBuilder::<LinkVeth>::new(name, other_name)
                .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
                .build();
            Ok(handle.link().add(pair).execute().await?)
        })
    }

    /// Brings an interface up.
    pub fn bring_up(&self, link: &str) -> Result<(), Error> {
        self.ask(
            || format!("bring {link} up"),
            async |handle| {
                let link = LinkMessageBuilder::<LinkUnspec>::new().index(index(link)?).up();
                Ok(handle.link().set(link.build()).execute().await?)
            },
        )
    }

    /// Sets the longest IP packet, in bytes, that an interface takes.
    pub fn set_mtu(&self, link: &str, mtu: u32) -> Result<(), Error> {
        self.ask(
            || format!("set the MTU of {link} to {mtu}"),
            async |handle| {
                let link = LinkMessageBuilder::<LinkUnspec>::new().index(index(link)?).mtu(mtu);
                Ok(handle.link().set(link.build()).execute().await?)
            },
        )
    }

    /// Gives an interface an address in a network of `prefix` bits. It can be used at once: nobody
    /// is asked whether he has it already (RFC 4862, section 5.4).
    pub fn add_address(&self, link: &str, address: IpAddr, prefix: u8) -> Result<(), Error> {
        self.ask(
            || format!("give {link} the address {address}/{prefix}"),
            async |handle| {
                let mut request = handle.address().add(index(link)?, address, prefix);
                request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
                Ok(request.execute().await?)
            },
        )
    }

    /// Sends what goes to a network of `prefix` bits through an interface that is up: to a router
    /// on it, or without one, as on a TUN device. The network `0.0.0.0/0` or `::/0` makes this the
    /// way for all that no other route takes.
    pub fn add_route(
        &self,
        link: &str,
        network: IpAddr,
        prefix: u8,
        router: Option<IpAddr>,
    ) -> Result<(), Error> {
        self.ask(
            || format!("route {network}/{prefix} through {link}"),
            async |handle| {
                let route = RouteMessageBuilder::<IpAddr>::new()
                    .output_interface(index(link)?)
                    .destination_prefix(network, prefix)
                    .map_err(io::Error::other)?;
                let route = match router {
                    Some(router) => route.gateway(router).map_err(io::Error::other)?,
                    None => route.scope(RouteScope::Link),
                };
                Ok(handle.route().add(route.build()).execute().await?)
            },
        )
    }

    /// Asks the kernel for something inside the namespace.
    fn ask(
        &self,
        step: impl FnOnce() -> String,
        request: impl AsyncFnOnce(Handle) -> Result<(), Refused> + Send,
    ) -> Result<(), Error> {
        let asked = self.run(|| {
            let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let (connection, handle, _) = rtnetlink::new_connection()?;
                let connection = tokio::spawn(connection);
                let asked = request(handle).await;
                connection.abort();
                asked
            })
        })?;
        asked.map_err(|Refused(error)| Error::new(step(), error))
    }
}

fn index(link: &str) -> io::Result<u32> {
    index_of(link)?.try_into().map_err(io::Error::other)
}

/// What the kernel says, without the words that rtnetlink puts around it.
struct Refused(io::Error);

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl From<rtnetlink::Error> for Refused {
    fn from(error: rtnetlink::Error) -> Self {
        let rtnetlink::Error::NetlinkError(message) = error else {
            return Self(io::Error::other(error));
        };
        Self(message.to_io())
    }
}
