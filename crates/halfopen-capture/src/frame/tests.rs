use super::*;

/// The start of an IPv4 packet; what follows it does not matter here.
const PACKET: [u8; 20] = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

fn frame(header: &[u8]) -> Vec<u8> {
    [header, &PACKET].concat()
}

fn ethernet(after_addresses: &[u8]) -> Vec<u8> {
    frame(&[&[2; 12], after_addresses].concat())
}

/// Finds the packet in a frame of which all is there and checks that nothing of it is lost.
fn find(link: Link, bytes: &[u8]) -> Result<NetworkLayer<'_>, NotIp> {
    let layer = network_layer(link, bytes, bytes.len())?;
    assert_eq!(layer.bytes, PACKET);
    assert_eq!(layer.wire_len, PACKET.len());
    Ok(layer)
}

#[test]
fn ethernet_carries_ip_below_any_tags() {
    for header in [
        &[8, 0][..],
        &[0x86, 0xdd],
        &[0x81, 0, 0, 5, 8, 0],
        &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0],
        &[0, 28, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0],
        &[0x88, 0x47, 0, 0, 0x10, 64, 0, 0, 0x21, 64],
        &[0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0, 0x21],
    ] {
        let bytes = ethernet(header);
        let layer = find(Link::ETHERNET, &bytes).unwrap();
        assert_eq!((layer.direction, layer.interface), (None, None));
    }
}

#[test]
fn what_is_not_ip_is_named() {
    for (header, why) in [
        (&[8, 6][..], NotIp::EtherType(0x0806)),
        (&[0x81, 0, 0, 5, 0x88, 0xcc], NotIp::EtherType(0x88cc)),
        (&[0, 38, 0x42, 0x42, 3], NotIp::Llc),
        (&[0x88, 0x47, 0, 0, 1, 64, 0, 0, 0, 0], NotIp::Mpls),
        (&[0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0xc0, 0x21], NotIp::Ppp(0xc021)),
        (&[0x81, 0, 0, 5].repeat(9), NotIp::TooDeep),
    ] {
        assert_eq!(find(Link::ETHERNET, &ethernet(header)), Err(why));
    }
    assert_eq!(find(Link(127), &PACKET), Err(NotIp::Link(Link(127))));
    assert_eq!(find(Link::NULL, &frame(&[16, 0, 0, 0])), Err(NotIp::Family(16)));
}

#[test]
fn cooked_frames_tell_direction_and_version_2_the_interface() {
    for (packet_type, direction) in [
        (0, Some(Direction::Incoming)),
        (1, Some(Direction::Incoming)),
        (3, None),
        (4, Some(Direction::Outgoing)),
    ] {
        let v1 = frame(&[0, packet_type, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0]);
        let layer = find(Link::LINUX_SLL, &v1).unwrap();
        assert_eq!((layer.direction, layer.interface), (direction, None));
        let v2 = [8, 0, 0, 0, 0, 0, 0, 7, 0, 1, packet_type, 6, 2, 2, 2, 2, 2, 2, 0, 0];
        let v2 = frame(&v2);
        let layer = find(Link::LINUX_SLL2, &v2).unwrap();
        assert_eq!((layer.direction, layer.interface), (direction, Some(7)));
    }
}

#[test]
fn loopback_frames_come_in_both_byte_orders_and_from_every_system() {
    for link in [Link::NULL, Link::LOOP] {
        for family in [2_u32, 10, 23, 24, 28, 30] {
            find(link, &frame(&family.to_le_bytes())).unwrap();
            find(link, &frame(&family.to_be_bytes())).unwrap();
        }
    }
}

#[test]
fn raw_ip_has_nothing_in_front() {
    for link in [Link::RAW, Link::RAW_BSD, Link::RAW_OPENBSD, Link::IPV4, Link::IPV6] {
        find(link, &PACKET).unwrap();
    }
}

#[test]
fn ppp_may_leave_out_what_it_repeats() {
    for header in [&[0xff, 3, 0, 0x21][..], &[0, 0x21], &[0x21], &[0xff, 3, 0x57]] {
        find(Link::PPP, &frame(header)).unwrap();
    }
    find(Link::PPP_ETHER, &frame(&[0x11, 0, 0, 1, 0, 22, 0, 0x21])).unwrap();
}

#[test]
fn a_cut_frame_keeps_the_length_it_had_on_the_wire() {
    let bytes = ethernet(&[0x81, 0, 0, 5, 8, 0]);
    let layer = network_layer(Link::ETHERNET, &bytes, 1518).unwrap();
    assert_eq!(layer.wire_len, 1500);
    for cut in 0..18 {
        let result = network_layer(Link::ETHERNET, &bytes[..cut], 1518);
        assert_eq!(result, Err(NotIp::Truncated), "cut at {cut}");
    }
    assert_eq!(network_layer(Link::ETHERNET, &bytes[..18], 1518).map(|l| l.bytes.len()), Ok(0));
}
