//! A router of the kernel's behind a gateway of ours: what it says of packets that are too long
//! reaches the client, translated.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use halfopen_core::gateway::{Gateway, GatewayConfig};
use halfopen_core::idle::IdlePolicy;
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_live::carry::{Carrier, Clock};
use halfopen_live::namespace::Namespace;
use halfopen_live::tun::{Settings, Tun};

use crate::owner::as_owner;

/// The interfaces of the ends take so long packets.
const ENDS_MTU: u16 = 1500;
/// The router passes on no longer ones. IPv6 allows no less than 1280 (RFC 8200, section 5).
const ROUTER_MTU: u32 = 1300;
/// Nothing here takes nearly that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// The addresses of a family, and the bits of the network between router and server.
struct Family {
    client: IpAddr,
    gateway: IpAddr,
    router: IpAddr,
    server: IpAddr,
    prefix: u8,
    everything: IpAddr,
}

/// RFC 5737: TEST-NET-2 and TEST-NET-3.
const V4: Family = Family {
    client: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
    gateway: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
    router: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    server: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)),
    prefix: 24,
    everything: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
};

/// RFC 3849.
const V6: Family = Family {
    client: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
    gateway: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1)),
    router: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1)),
    server: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 2)),
    prefix: 64,
    everything: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
};

/// Makes an interface that leads everywhere.
fn interface(namespace: &Namespace, family: &Family) -> Tun {
    let settings = Settings { name: "path0".to_owned(), mtu: ENDS_MTU };
    let tun = namespace.run(|| Tun::open(&settings)).unwrap().unwrap();
    namespace.bring_up("path0").unwrap();
    namespace.add_route("path0", family.everything, 0, None).unwrap();
    tun
}

/// Puts a router before the server, with the way to the server being narrower than the way back.
fn route(router: &Namespace, server: &Namespace, family: &Family) {
    router.connect("far", server, "near").unwrap();
    router.set_mtu("far", ROUTER_MTU).unwrap();
    for (end, link, address) in [(router, "far", family.router), (server, "near", family.server)] {
        end.bring_up(link).unwrap();
        end.add_address(link, address, family.prefix).unwrap();
    }
    server.add_route("near", family.everything, 0, Some(family.router)).unwrap();
    router.set_parameter("net/ipv4/ip_forward", "1").unwrap();
    router.set_parameter("net/ipv6/conf/all/forwarding", "1").unwrap();
}

/// Sends megabytes from the client to the server, and returns what the client's kernel knows of
/// the way then.
fn send_much(family: &Family) -> String {
    let [client, router, server] = [(); 3].map(|()| Namespace::new().unwrap());
    let (inside, outside) = (interface(&client, family), interface(&router, family));
    client
        .add_address("path0", family.client, if family.client.is_ipv4() { 32 } else { 128 })
        .unwrap();
    route(&router, &server, family);
    let config = GatewayConfig::nat(family.gateway, IdlePolicy::RFC);
    let gateway = Gateway::new(config, Rng::new(1)).unwrap();
    let path = Path::new(vec![Box::new(gateway)]);
    let mut carrier = Carrier::new(path, inside, outside, Clock::start()).unwrap();
    let handle = carrier.handle();
    let carrying = thread::spawn(move || carrier.run().unwrap());

    let listener = server.run(|| TcpListener::bind(SocketAddr::new(family.server, 80))).unwrap();
    let listener = listener.unwrap();
    let at = listener.local_addr().unwrap();
    let much = vec![0x2e; 4 << 20];
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let stream = client.run(|| TcpStream::connect_timeout(&at, PATIENCE)).unwrap();
            let mut stream = stream.unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&much).unwrap();
        });
        let mut received = Vec::new();
        let (mut stream, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), family.gateway);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), much.len());
        sender.join().unwrap();
    });
    let mut ip = Command::new("ip");
    let ip = ip.args(["route", "get", &family.server.to_string()]);
    let output = client.run(|| ip.output().expect("ip is there: install iproute2")).unwrap();
    handle.stop();
    carrying.join().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_client_learns_from_a_router_behind_the_gateway_how_long_a_packet_may_be() {
    as_owner(|| {
        for family in [V4, V6] {
            let way = send_much(&family);
            assert!(way.contains(&format!("mtu {ROUTER_MTU}")), "{way}");
        }
    });
}
