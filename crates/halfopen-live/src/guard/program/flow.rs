//! Who the ends of a connection are, on the program's stack, and what the tables say of the far
//! one.

use super::super::assembler::{Assembler, Helper, Label, R0, R1, R2, Register, STACK, Size, Test};

/// A key of a table on the stack: how many bits of it count, then [`PORT`], then [`ADDRESS`].
pub(super) const KEY: i16 = -32;
/// A port as it is on the wire, and two bytes of zeros; zero is any.
pub(super) const PORT: i16 = KEY + 4;
/// The far end's address, of 16 bytes: one of IPv4 as RFC 4291, section 2.5.5.2, maps it to IPv6.
pub(super) const ADDRESS: i16 = PORT + 4;
/// The far end's port, as it is on the wire.
pub(super) const REMOTE_PORT: i16 = -36;
/// The near end's port, likewise.
pub(super) const LOCAL_PORT: i16 = -40;

/// Bits of a key: port, zeros and address.
const KEY_BITS: i32 = 32 + 128;

/// `struct bpf_sock_ops` of `linux/bpf.h`: what happened.
pub(super) const SOCKET_OPERATION: i16 = 0;

/// `linux/socket.h`
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
/// `linux/in.h`
const IPPROTO_TCP: i32 = 6;
/// `net/tcp_states.h`
const ESTABLISHED: i32 = 1;

/// A table of destinations: a trie whose keys are those that begin at [`KEY`].
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Table {
    /// The descriptor of the map.
    pub(in super::super) map: i32,
    /// Some of its entries are for a port.
    pub(in super::super) has_ports: bool,
}

impl Table {
    /// Goes to `found`, with the value's address in register 0, if the far end is in the table:
    /// with its port, with the near end's – whoever listens may be either – or with any.
    pub(super) fn find(self, a: &mut Assembler, found: Label) {
        a.store_number(Size::Word, STACK, KEY, KEY_BITS);
        let ports = [Some(REMOTE_PORT), Some(LOCAL_PORT), None];
        for port in ports.into_iter().filter(|port| self.has_ports || port.is_none()) {
            if let Some(port) = port {
                a.load(Size::Word, R1, STACK, port);
                a.store(Size::Word, STACK, PORT, R1);
            } else {
                a.store_number(Size::Word, STACK, PORT, 0);
            }
            a.map(R1, self.map);
            super::address(a, R2, KEY);
            a.call(Helper::MapLookup);
            a.jump_if(R0, Test::Differs, 0, found);
        }
    }
}

/// Where members of the kernel's `struct sock_common` are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Offsets {
    pub(in super::super) family: i16,
    pub(in super::super) state: i16,
    pub(in super::super) v4: i16,
    pub(in super::super) v6: i16,
    pub(in super::super) remote_port: i16,
    pub(in super::super) local_port: i16,
}

/// Where a structure has the ends of a connection.
pub(super) struct Layout {
    family: (Size, i16),
    v4: i16,
    v6: i16,
    remote_port: (Size, i16),
    /// The port is in the upper half of a word.
    remote_port_is_above: bool,
    /// In the order of the host.
    local_port: (Size, i16),
}

impl Layout {
    /// `struct bpf_sock_ops` of `linux/bpf.h`. The far end's port has been shifted where bytes are
    /// in the order other than the network's (`net/core/filter.c`, `sock_ops_convert_ctx_access`).
    pub(super) const fn socket_operations() -> Self {
        Self {
            family: (Size::Word, 20),
            v4: 24,
            v6: 32,
            remote_port: (Size::Word, 64),
            remote_port_is_above: cfg!(target_endian = "little"),
            local_port: (Size::Word, 68),
        }
    }

    /// `struct bpf_sock` of `linux/bpf.h`.
    pub(super) const fn socket() -> Self {
        Self {
            family: (Size::Word, 4),
            v4: 52,
            v6: 56,
            remote_port: (Size::Half, 48),
            remote_port_is_above: false,
            local_port: (Size::Word, 44),
        }
    }

    /// The kernel's `struct sock_common`.
    pub(super) const fn kernel(offsets: &Offsets) -> Self {
        Self {
            family: (Size::Half, offsets.family),
            v4: offsets.v4,
            v6: offsets.v6,
            remote_port: (Size::Half, offsets.remote_port),
            remote_port_is_above: false,
            local_port: (Size::Half, offsets.local_port),
        }
    }

    /// Puts the ends on the stack, or goes to `other` if they are neither of IPv4 nor of IPv6.
    pub(super) fn load_ends(&self, a: &mut Assembler, from: Register, other: Label) {
        let (v6, ports) = (a.label(), a.label());
        a.load(self.family.0, R1, from, self.family.1);
        a.jump_if(R1, Test::Equal, AF_INET6, v6);
        a.jump_if(R1, Test::Differs, AF_INET, other);
        a.store_number(Size::Double, STACK, ADDRESS, 0);
        a.store_number(Size::Word, STACK, ADDRESS + 8, i32::from_ne_bytes([0, 0, 0xff, 0xff]));
        a.load(Size::Word, R1, from, self.v4);
        a.store(Size::Word, STACK, ADDRESS + 12, R1);
        a.jump(ports);
        a.bind(v6);
        for at in [0, 4, 8, 12] {
            a.load(Size::Word, R1, from, self.v6 + at);
            a.store(Size::Word, STACK, ADDRESS + at, R1);
        }
        a.bind(ports);
        a.load(self.remote_port.0, R1, from, self.remote_port.1);
        if self.remote_port_is_above {
            a.shift_right(R1, 16);
        }
        a.store(Size::Word, STACK, REMOTE_PORT, R1);
        a.load(self.local_port.0, R1, from, self.local_port.1);
        a.order_as_on_wire(R1);
        a.store(Size::Word, STACK, LOCAL_PORT, R1);
    }
}

/// Goes to `other` unless a `struct bpf_sock` is a connection of TCP.
pub(super) fn only_tcp(a: &mut Assembler, socket: Register, other: Label) {
    const PROTOCOL: i16 = 12;
    const STATE: i16 = 72;
    a.load(Size::Word, R1, socket, PROTOCOL);
    a.jump_if(R1, Test::Differs, IPPROTO_TCP, other);
    a.load(Size::Word, R1, socket, STATE);
    a.jump_if(R1, Test::Differs, ESTABLISHED, other);
}
