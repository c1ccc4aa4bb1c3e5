//! Two ways from a client's namespace to a server's: through our gateway, and through netfilter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::thread::{self, JoinHandle};

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::idle::IdlePolicy;
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_live::carry::{Carrier, Clock, Handle};
use halfopen_live::namespace::Namespace;
use halfopen_live::tun::{Settings, Tun};

/// The ends' addresses, and the gateway's toward each of them: IPv4 and IPv6.
const CLIENT: [IpAddr; 2] = pair([10, 0, 0, 2], 0xfd01, 2);
const INNER: [IpAddr; 2] = pair([10, 0, 0, 1], 0xfd01, 1);
const OUTER: [IpAddr; 2] = pair([198, 51, 100, 1], 0xfd02, 1);
pub(crate) const SERVER: [IpAddr; 2] = pair([198, 51, 100, 2], 0xfd02, 2);

const EVERYTHING: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
/// How long the prefixes of their networks are.
const PREFIXES: [u8; 2] = [24, 64];

const fn pair(v4: [u8; 4], network: u16, host: u16) -> [IpAddr; 2] {
    let v6 = Ipv6Addr::new(network, 0, 0, 0, 0, 0, 0, host);
    [IpAddr::V4(Ipv4Addr::from_octets(v4)), IpAddr::V6(v6)]
}

/// A way from a client's namespace to a server's.
#[derive(Debug)]
pub(crate) struct Road {
    pub(crate) name: &'static str,
    pub(crate) client: Namespace,
    pub(crate) server: Namespace,
    between: Between,
}

#[derive(Debug)]
enum Between {
    Carrier(Handle, Option<JoinHandle<()>>),
    Router(#[expect(dead_code, reason = "it is to live as long as the road")] Namespace),
}

impl Road {
    /// Through a gateway of ours.
    pub(crate) fn carried() -> Self {
        let [client, server] = namespaces();
        let [inside, outside] = [&client, &server].map(|namespace| {
            let settings = Settings { name: "up".to_owned(), mtu: 1500 };
            namespace.run(|| Tun::open(&settings)).unwrap().unwrap()
        });
        give(&client, "up", CLIENT);
        give(&server, "up", SERVER);
        for everything in EVERYTHING {
            client.add_route("up", everything, 0, None).unwrap();
        }
        let config = GatewayConfig::nat(OUTER[0], IdlePolicy::RFC).translating_to(OUTER.to_vec());
        let gateway = Gateway::new(config, Rng::new(1)).unwrap();
        let path = Path::new(vec![Box::new(gateway)]);
        let mut carrier = Carrier::new(path, inside, outside, Clock::start()).unwrap();
        let handle = carrier.handle();
        let thread = thread::Builder::new().name("carrier".to_owned());
        let thread = thread.spawn(move || carrier.run().unwrap()).unwrap();
        Self { name: "halfopen", client, server, between: Between::Carrier(handle, Some(thread)) }
    }

    /// Through the kernel's masquerade.
    pub(crate) fn forwarded() -> Self {
        let [client, router, server] = namespaces();
        client.connect("up", &router, "inside").unwrap();
        server.connect("up", &router, "outside").unwrap();
        give(&router, "inside", INNER);
        give(&router, "outside", OUTER);
        give(&client, "up", CLIENT);
        give(&server, "up", SERVER);
        for (everything, router) in EVERYTHING.into_iter().zip(INNER) {
            client.add_route("up", everything, 0, Some(router)).unwrap();
        }
        router.set_parameter("net/ipv4/ip_forward", "1").unwrap();
        router.set_parameter("net/ipv6/conf/all/forwarding", "1").unwrap();
        let rules = "add table inet nat; \
            add chain inet nat out { type nat hook postrouting priority srcnat; }; \
            add rule inet nat out oifname outside masquerade";
        let status = router.run(|| Command::new("nft").arg(rules).status()).unwrap();
        assert!(status.expect("nft is there: install nftables").success(), "nft refuses {rules}");
        Self { name: "netfilter", client, server, between: Between::Router(router) }
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        if let Between::Carrier(handle, thread) = &mut self.between {
            handle.stop();
            thread.take().unwrap().join().unwrap();
        }
    }
}

fn namespaces<const N: usize>() -> [Namespace; N] {
    core::array::from_fn(|_| Namespace::new().unwrap())
}

/// Brings an interface up and gives it its addresses.
fn give(namespace: &Namespace, link: &str, addresses: [IpAddr; 2]) {
    namespace.bring_up(link).unwrap();
    for (address, prefix) in addresses.into_iter().zip(PREFIXES) {
        namespace.add_address(link, address, prefix).unwrap();
    }
}
