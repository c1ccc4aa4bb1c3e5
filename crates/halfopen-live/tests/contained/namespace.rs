//! Networks that nobody else sees.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use halfopen_live::namespace::Namespace;

use crate::owner::as_owner;

const EVERYTHING_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const EVERYTHING_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

fn namespace() -> Namespace {
    Namespace::new().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What passes when one side listens at an address and the other connects to it.
fn greeting(server: &Namespace, client: &Namespace, at: IpAddr) -> String {
    let listener = server.run(|| TcpListener::bind(SocketAddr::new(at, 0)).unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| listener.accept().unwrap().0.write_all(b"hello").unwrap());
        let mut stream = client.run(|| TcpStream::connect(at).unwrap()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    })
}

#[test]
fn a_namespace_has_loopback_and_nothing_else() {
    as_owner(|| {
        let alone = namespace();
        let links = alone.run(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap()).unwrap();
        let names: Vec<_> = links.lines().filter_map(|line| line.split_once(':')).collect();
        assert_eq!(names.iter().map(|(name, _)| name.trim()).collect::<Vec<_>>(), ["lo"]);
        assert_eq!(greeting(&alone, &alone, Ipv4Addr::LOCALHOST.into()), "hello");
        assert_eq!(greeting(&alone, &alone, Ipv6Addr::LOCALHOST.into()), "hello");
    });
}

#[test]
fn two_namespaces_do_not_see_each_other_or_this_one() {
    as_owner(|| {
        let (one, other) = (namespace(), namespace());
        let here = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let there = one.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).unwrap();
        let (here, there) = (here.local_addr().unwrap(), there.local_addr().unwrap());

        assert!(one.run(|| TcpStream::connect(there).is_ok()).unwrap());
        assert!(other.run(|| TcpStream::connect(there).is_err()).unwrap());
        assert!(one.run(|| here == there || TcpStream::connect(here).is_err()).unwrap());
        assert_ne!(one.number().unwrap(), other.number().unwrap());
        assert_ne!(one.number().unwrap(), inode("/proc/self/ns/net"));
    });
}

#[test]
fn a_router_between_two_namespaces_forwards_both_families() {
    as_owner(|| {
        let (client, router, server) = (namespace(), namespace(), namespace());
        for (end, name, net) in [(&client, "inside", 1), (&server, "outside", 2)] {
            end.connect("up", &router, name).unwrap();
            for (namespace, link, host) in [(end, "up", 2), (&router, name, 1)] {
                namespace.bring_up(link).unwrap();
                namespace.add_address(link, address(&format!("10.9.{net}.{host}")), 24).unwrap();
                namespace.add_address(link, address(&format!("fd00:{net}::{host}")), 64).unwrap();
            }
            let (v4, v6) = (address(&format!("10.9.{net}.1")), address(&format!("fd00:{net}::1")));
            end.add_route("up", EVERYTHING_V4, 0, Some(v4)).unwrap();
            end.add_route("up", EVERYTHING_V6, 0, Some(v6)).unwrap();
        }
        router.set_parameter("net/ipv4/ip_forward", "1").unwrap();
        router.set_parameter("net/ipv6/conf/all/forwarding", "1").unwrap();

        assert_eq!(greeting(&server, &client, address("10.9.2.2")), "hello");
        assert_eq!(greeting(&server, &client, address("fd00:2::2")), "hello");
    });
}

#[test]
fn an_interface_may_be_the_way_for_everything_without_a_router() {
    as_owner(|| {
        let (one, other) = (namespace(), namespace());
        one.connect("link", &other, "link").unwrap();
        one.set_mtu("link", 1400).unwrap();
        one.bring_up("link").unwrap();
        one.add_route("link", EVERYTHING_V4, 0, None).unwrap();
        one.add_route("link", EVERYTHING_V6, 0, None).unwrap();
        let mtu =
            one.run(|| fs::read_to_string("/proc/sys/net/ipv6/conf/link/mtu").unwrap()).unwrap();
        assert_eq!(mtu, "1400\n");
        let routes =
            one.run(|| fs::read_to_string("/proc/thread-self/net/route").unwrap()).unwrap();
        assert!(routes.contains("link\t00000000\t00000000\t0001"), "{routes}");
    });
}

#[test]
fn what_fails_says_what_was_tried() {
    as_owner(|| {
        let alone = namespace();
        let error = alone.bring_up("nowhere").unwrap_err().to_string();
        assert_eq!(error, "cannot bring nowhere up: entity not found");
        let error = alone.add_address("lo", address("10.0.0.1"), 33).unwrap_err().to_string();
        assert!(error.starts_with("cannot give lo the address 10.0.0.1/33: "), "{error}");
        let error = alone.set_parameter("net/ipv4/none", "1").unwrap_err().to_string();
        assert!(error.starts_with("cannot set net/ipv4/none to 1: "), "{error}");
        alone.connect("a", &alone, "b").unwrap();
        let error = alone.connect("a", &alone, "b").unwrap_err().to_string();
        assert_eq!(error, "cannot connect namespaces by a and b: File exists (os error 17)");
    });
}

/// The number of a namespace of this process.
fn inode(path: &str) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap())
}
