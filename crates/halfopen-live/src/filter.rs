//! Which packets the kernel hands over: a filter that it runs itself.
//!
//! TCP of the wanted ports, and all ICMP, since an error names a connection only in what it quotes.
//! Up to two VLAN tags that the kernel has left in the frame are passed over. IPv6 packets with
//! extension headers are let through whatever their ports are, and fragments without ports are not.

use crate::sys::packet::{Instruction, Kind};

/// Which packets are wanted, and how much of each.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Either end's port is one of these; all ports if there is none.
    pub ports: Vec<u16>,
    /// So many bytes of a packet are kept, from its link header on.
    pub kept: u32,
}

impl Default for Filter {
    /// All of TCP, 256 bytes of each packet: the longest headers of link, IP and TCP without
    /// extensions take 14 + 8 + 60 + 60, and the rest tells one small request from another.
    fn default() -> Self {
        Self { ports: Vec::new(), kept: 256 }
    }
}

/// So many ports fit into a program of the kernel's limit of 4096 instructions.
pub const PORTS_MAX: usize = 600;

/// Where a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Next,
    Tagged,
    TaggedTwice,
    Protocol,
    V4,
    V6,
    Tcp4,
    Ports,
    Keep,
    Drop,
}

/// A line of a program whose jumps are not resolved.
#[derive(Clone, Copy, Debug)]
enum Line {
    Here(Label),
    Do(u16, u32),
    Go(Label),
    Jump(u16, u32, Label, Label),
}

// Codes of the classic filter, as they are combined here (linux/bpf_common.h: class, size or
// operation, mode or source).
const LOAD_BYTE: u16 = 0x10 | 0x40;
const LOAD_HALF: u16 = 0x08 | 0x40;
const SET_X: u16 = 0x01;
const ADD: u16 = 0x04;
const ADD_X: u16 = 0x04 | 0x08;
const AND: u16 = 0x04 | 0x50;
const SHIFT_LEFT: u16 = 0x04 | 0x60;
const GO: u16 = 0x05;
const IS: u16 = 0x05 | 0x10;
const HAS: u16 = 0x05 | 0x40;
const RETURN: u16 = 0x06;
const COPY_TO_X: u16 = 0x07;
const COPY_FROM_X: u16 = 0x07 | 0x80;

impl Filter {
    /// Returns the program for frames that begin so.
    pub(crate) fn program(&self, kind: Kind) -> Vec<Instruction> {
        let mut lines = Vec::new();
        let network = match kind {
            Kind::Raw => 14,
            Kind::Cooked => 0,
        };
        match kind {
            Kind::Raw => ethernet(&mut lines),
            Kind::Cooked => version(&mut lines),
        }
        internet(&mut lines, network);
        self.ports(&mut lines, network);
        lines.extend([
            Line::Here(Label::Keep),
            Line::Do(RETURN, self.kept),
            Line::Here(Label::Drop),
            Line::Do(RETURN, 0),
        ]);
        resolve(&lines)
    }

    /// X is the length of the headers between the link's and TCP's.
    fn ports(&self, lines: &mut Vec<Line>, network: u32) {
        lines.push(Line::Here(Label::Ports));
        if self.ports.is_empty() {
            lines.push(Line::Do(RETURN, self.kept));
            return;
        }
        for end in [0, 2] {
            lines.push(Line::Do(LOAD_HALF, network + end));
            for &port in self.ports.iter().take(PORTS_MAX) {
                lines.push(Line::Jump(IS, port.into(), Label::Keep, Label::Next));
            }
        }
        lines.push(Line::Do(RETURN, 0));
    }
}

/// Finds the `EtherType`; X is the length of the tags before it.
fn ethernet(lines: &mut Vec<Line>) {
    let tags = |lines: &mut Vec<Line>, tagged| {
        // IEEE 802.1Q, 802.1ad, and what switches used for stacked tags before that.
        for tag in [0x8100, 0x88a8, 0x9100] {
            lines.push(Line::Jump(IS, tag, tagged, Label::Next));
        }
    };
    lines.extend([Line::Do(SET_X, 0), Line::Do(LOAD_HALF, 12)]);
    tags(lines, Label::Tagged);
    lines.push(Line::Jump(IS, 0x0800, Label::V4, Label::Protocol));
    lines.extend([Line::Here(Label::Tagged), Line::Do(SET_X, 4), Line::Do(LOAD_HALF, 12)]);
    tags(lines, Label::TaggedTwice);
    lines.push(Line::Jump(IS, 0x0800, Label::V4, Label::Protocol));
    lines.extend([
        Line::Here(Label::TaggedTwice),
        Line::Do(SET_X, 8),
        Line::Do(LOAD_HALF, 12),
        Line::Jump(IS, 0x0800, Label::V4, Label::Protocol),
        Line::Here(Label::Protocol),
        Line::Jump(IS, 0x86dd, Label::V6, Label::Drop),
    ]);
}

/// Tells the versions apart by the first four bits.
fn version(lines: &mut Vec<Line>) {
    lines.extend([
        Line::Do(SET_X, 0),
        Line::Do(LOAD_BYTE, 0),
        Line::Do(AND, 0xf0),
        Line::Jump(IS, 0x40, Label::V4, Label::Next),
        Line::Jump(IS, 0x60, Label::V6, Label::Drop),
    ]);
}

/// Finds the TCP header, or takes the packet for what it is.
fn internet(lines: &mut Vec<Line>, network: u32) {
    lines.extend([
        Line::Here(Label::V4),
        Line::Do(LOAD_BYTE, network + 9),
        Line::Jump(IS, 6, Label::Tcp4, Label::Next), // TCP
        Line::Jump(IS, 1, Label::Keep, Label::Drop), // ICMP
        Line::Here(Label::Tcp4),
        Line::Do(LOAD_HALF, network + 6),
        Line::Jump(HAS, 0x1fff, Label::Drop, Label::Next), // not the first fragment
        Line::Do(LOAD_BYTE, network),
        Line::Do(AND, 0xf),
        Line::Do(SHIFT_LEFT, 2),
        Line::Do(ADD_X, 0),
        Line::Do(COPY_TO_X, 0),
        Line::Go(Label::Ports),
        Line::Here(Label::V6),
        Line::Do(LOAD_BYTE, network + 6),
    ]);
    // Hop-by-hop options, routing, fragment, ICMPv6, destination options (IANA protocol numbers).
    for next in [0, 43, 44, 58, 60] {
        lines.push(Line::Jump(IS, next, Label::Keep, Label::Next));
    }
    lines.extend([
        Line::Jump(IS, 6, Label::Next, Label::Drop), // TCP
        Line::Do(COPY_FROM_X, 0),
        Line::Do(ADD, 40),
        Line::Do(COPY_TO_X, 0),
    ]);
}

/// Turns labels into distances. A conditional jump reaches 255 instructions, an unconditional one
/// any, so each of the first goes by way of two of the second.
fn resolve(lines: &[Line]) -> Vec<Instruction> {
    let mut places = Vec::new();
    let mut count = 0_u32;
    for line in lines {
        match line {
            Line::Here(label) => places.push((*label, count)),
            Line::Do(..) | Line::Go(_) => count += 1,
            Line::Jump(..) => count += 3,
        }
    }
    let mut program: Vec<Instruction> = Vec::new();
    let mut at = 0;
    for line in lines {
        // From an instruction to a label; `next` is where the line after this one begins.
        let far = |from: u32, next: u32, label| {
            let place = places.iter().find(|(known, _)| *known == label);
            place.map_or(next, |&(_, place)| place) - from - 1
        };
        let mut push = |code, then, operand| {
            program.push(Instruction { code, jt: then, jf: 0, k: operand });
        };
        match *line {
            Line::Here(_) => {}
            Line::Do(code, operand) => {
                push(code, 0, operand);
                at += 1;
            }
            Line::Go(label) => {
                push(GO, 0, far(at, at + 1, label));
                at += 1;
            }
            Line::Jump(code, operand, then, otherwise) => {
                push(code, 1, operand);
                push(GO, 0, far(at + 1, at + 3, otherwise));
                push(GO, 0, far(at + 2, at + 3, then));
                at += 3;
            }
        }
    }
    program
}

#[cfg(test)]
mod tests;
