//! The guard's three programs, as instructions.
//!
//! All of them find the limit of a connection by its far end, and never let an option be longer
//! than that; they differ in where they learn who the far end is. What a program needs to know of
//! the kernel beyond its documented interface comes from the kernel itself ([`Offsets`]).
//!
//! | program | runs | reads the connection from |
//! |---|---|---|
//! | [`on_established`] | when a connection is established | `struct bpf_sock_ops` |
//! | [`on_set_option`] | when a process sets a socket option | `struct bpf_sock` |
//! | [`on_each_socket`] | once for each socket there is | the kernel's own `struct sock_common` |

mod flow;
mod options;

use super::assembler::{
    Assembler, Helper, Instruction, Label, R0, R1, R2, R3, R4, R6, R7, R8, R9, Register, STACK,
    Size, Test,
};
use super::layout::{Counter, RECORD, RECORD_LEN, TALLY_LEN, Tally};
use flow::{KEY, Layout};

pub(super) use flow::{Offsets, Table};

/// Where the value of an option goes on the stack.
const VALUE: i16 = -8;
/// Where the counts of a new destination go.
const NEW_TALLY: i16 = -56;
/// Where an iterator keeps what it was called with.
const CONTEXT: i16 = -64;
/// Where the record of a socket is put together.
const RECORD_AT: i16 = CONTEXT - RECORD_LEN;

/// Ends of a connection's opening: `linux/bpf.h`, `BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB` and
/// `BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB`.
const ACTIVE_ESTABLISHED: i32 = 4;
const PASSIVE_ESTABLISHED: i32 = 5;
/// `net/tcp_states.h`
const ESTABLISHED: i32 = 1;

/// What all programs are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    /// The destinations that are guarded, with their limits.
    pub(super) guarded: Table,
    /// Those that are left alone whatever the others say, if there are any.
    pub(super) spared: Option<Table>,
    /// The map of the counters.
    pub(super) counters: i32,
    /// The map of what was counted for each destination.
    pub(super) tallies: i32,
    /// Sockets are changed, and not only counted.
    pub(super) changes: bool,
}

/// `struct bpf_sockopt` of `linux/bpf.h`: which option is set.
const NAME: i16 = 28;

/// Returns the program that is told when a connection is established (`BPF_PROG_TYPE_SOCK_OPS`).
pub(super) fn on_established(parts: &Parts) -> Vec<Instruction> {
    let mut a = Assembler::default();
    let (begin, out, spared, guarded) = (a.label(), a.label(), a.label(), a.label());
    let layout = Layout::socket_operations();
    a.copy(R6, R1);
    a.load(Size::Word, R1, R6, flow::SOCKET_OPERATION);
    a.jump_if(R1, Test::Equal, ACTIVE_ESTABLISHED, begin);
    a.jump_if(R1, Test::Differs, PASSIVE_ESTABLISHED, out);
    a.bind(begin);
    layout.load_ends(&mut a, R6, out);
    choose(&mut a, parts, spared, guarded);
    count(&mut a, parts, Counter::Others);
    a.jump(out);
    // The verifier refuses what no jump leads to.
    if parts.spared.is_some() {
        a.bind(spared);
        count(&mut a, parts, Counter::Spared);
        a.jump(out);
    }
    a.bind(guarded);
    a.copy(R7, R0);
    options::shorten(&mut a, parts, None);
    conclude(&mut a, parts);
    let (tell, accepted) = (a.label(), a.label());
    a.load(Size::Word, R1, R6, flow::SOCKET_OPERATION);
    a.jump_if(R1, Test::Equal, PASSIVE_ESTABLISHED, accepted);
    count(&mut a, parts, Counter::Opened);
    a.load(Size::Word, R1, STACK, flow::REMOTE_PORT);
    a.jump(tell);
    a.bind(accepted);
    count(&mut a, parts, Counter::Accepted);
    a.load(Size::Word, R1, STACK, flow::LOCAL_PORT);
    a.bind(tell);
    a.store(Size::Word, STACK, flow::PORT, R1);
    tally(&mut a, parts);
    a.bind(out);
    answer(&mut a, 1);
    a.finish()
}

/// Returns the program that is asked when a process sets an option of a socket
/// (`BPF_PROG_TYPE_CGROUP_SOCKOPT`). What is set before there is a connection is looked at when it
/// is established.
pub(super) fn on_set_option(parts: &Parts) -> Vec<Instruction> {
    // `struct bpf_sockopt` of `linux/bpf.h`.
    const SOCKET: i16 = 0;
    const OPTION: i16 = 8;
    const OPTION_END: i16 = 16;
    const LEVEL: i16 = 24;
    let mut a = Assembler::default();
    let (out, held, guarded) = (a.label(), a.label(), a.label());
    a.copy(R6, R1);
    a.load(Size::Double, R7, R6, OPTION);
    a.load(Size::Double, R8, R6, OPTION_END);
    a.copy(R1, R7);
    a.add(R1, 4);
    a.jump_if_register(R1, Test::Above, R8, out);
    a.load(Size::Word, R1, R6, LEVEL);
    a.load(Size::Word, R2, R6, NAME);
    options::only_limited(&mut a, out);
    a.load(Size::Double, R9, R6, SOCKET);
    flow::only_tcp(&mut a, R9, out);
    Layout::socket().load_ends(&mut a, R9, out);
    choose(&mut a, parts, out, guarded);
    a.jump(out);
    a.bind(guarded);
    a.copy(R8, R0);
    a.load(Size::Word, R2, R6, NAME);
    options::hold(&mut a, parts, out, held);
    a.bind(held);
    count(&mut a, parts, Counter::Held);
    a.bind(out);
    answer(&mut a, 1);
    a.finish()
}

/// Returns the program that is shown each TCP socket (`bpf_iter_tcp`) and writes a record for each
/// one that is guarded.
pub(super) fn on_each_socket(parts: &Parts, offsets: &Offsets) -> Vec<Instruction> {
    // `struct bpf_iter__tcp` of `net/ipv4/tcp_ipv4.c`, `struct bpf_iter_meta` of `linux/bpf.h`.
    const META: i16 = 0;
    const SOCKET: i16 = 8;
    const FILE: i16 = 0;
    let mut a = Assembler::default();
    let (out, guarded) = (a.label(), a.label());
    a.store(Size::Double, STACK, CONTEXT, R1);
    a.load(Size::Double, R7, R1, SOCKET);
    a.jump_if(R7, Test::Equal, 0, out);
    a.load(Size::Byte, R1, R7, offsets.state);
    a.jump_if(R1, Test::Differs, ESTABLISHED, out);
    Layout::kernel(offsets).load_ends(&mut a, R7, out);
    a.copy(R1, R7);
    a.call(Helper::TcpSocket);
    a.jump_if(R0, Test::Equal, 0, out);
    a.copy(R6, R0);
    choose(&mut a, parts, out, guarded);
    a.jump(out);
    a.bind(guarded);
    a.copy(R7, R0);
    options::shorten(&mut a, parts, Some(RECORD_AT));
    let copied = (0..4).map(|word| (flow::ADDRESS + 4 * word, RECORD.address + 4 * word));
    let both = [(flow::REMOTE_PORT, RECORD.remote_port), (flow::LOCAL_PORT, RECORD.local_port)];
    for (from, to) in copied.chain(both) {
        a.load(Size::Word, R1, STACK, from);
        a.store(Size::Word, STACK, RECORD_AT + to, R1);
    }
    a.store(Size::Word, STACK, RECORD_AT + RECORD.changes, R8);
    a.store(Size::Word, STACK, RECORD_AT + RECORD.failures, R9);
    a.load(Size::Double, R1, STACK, CONTEXT);
    a.load(Size::Double, R1, R1, META);
    a.load(Size::Double, R1, R1, FILE);
    address(&mut a, R2, RECORD_AT);
    a.set(R3, RECORD_LEN.into());
    a.call(Helper::Write);
    a.bind(out);
    answer(&mut a, 0);
    a.finish()
}

/// Goes to `spared` or to `guarded`, with the limits' address in register 0, or on.
fn choose(a: &mut Assembler, parts: &Parts, spared: Label, guarded: Label) {
    if let Some(table) = parts.spared {
        table.find(a, spared);
    }
    parts.guarded.find(a, guarded);
}

/// Counts the connection as changed or kept, and the failures.
fn conclude(a: &mut Assembler, parts: &Parts) {
    let (changed, counted, all_well) = (a.label(), a.label(), a.label());
    a.jump_if(R8, Test::Differs, 0, changed);
    count(a, parts, Counter::Kept);
    a.jump(counted);
    a.bind(changed);
    count(a, parts, Counter::Changed);
    a.bind(counted);
    a.jump_if(R9, Test::Equal, 0, all_well);
    count(a, parts, Counter::Failed);
    a.bind(all_well);
}

fn count(a: &mut Assembler, parts: &Parts, counter: Counter) {
    a.map_value(R1, parts.counters, counter.offset());
    a.set(R2, 1);
    a.count(R1, 0, R2);
}

/// Counts the connection for its destination, with the port where its server listens; whether it
/// was changed is in register 8. If no room can be made it is not counted.
fn tally(a: &mut Assembler, parts: &Parts) {
    let (there, unchanged, out) = (a.label(), a.label(), a.label());
    find_tally(a, parts);
    a.jump_if(R0, Test::Differs, 0, there);
    for word in 0..TALLY_LEN / 8 {
        a.store_number(Size::Double, STACK, NEW_TALLY + 8 * word, 0);
    }
    a.map(R1, parts.tallies);
    address(a, R2, flow::PORT);
    address(a, R3, NEW_TALLY);
    // Another processor may have been quicker: `BPF_NOEXIST`.
    a.set(R4, 1);
    a.call(Helper::MapUpdate);
    find_tally(a, parts);
    a.jump_if(R0, Test::Equal, 0, out);
    a.bind(there);
    a.set(R1, 1);
    a.count(R0, Tally::Connections.offset(), R1);
    a.jump_if(R8, Test::Equal, 0, unchanged);
    a.count(R0, Tally::Changed.offset(), R1);
    a.bind(unchanged);
    a.bind(out);
}

fn find_tally(a: &mut Assembler, parts: &Parts) {
    a.map(R1, parts.tallies);
    address(a, R2, flow::PORT);
    a.call(Helper::MapLookup);
}

/// Puts the address of a place on the stack into a register.
fn address(a: &mut Assembler, to: Register, place: i16) {
    a.copy(to, STACK);
    a.add(to, place.into());
}

fn answer(a: &mut Assembler, answer: i32) {
    a.set(R0, answer);
    a.exit();
}

const _: () = assert!(NEW_TALLY + TALLY_LEN <= flow::LOCAL_PORT && KEY > flow::REMOTE_PORT);

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        let guarded = Table { map: 3, has_ports: true };
        Parts { guarded, spared: None, counters: 4, tallies: 5, changes: true }
    }

    #[test]
    fn programs_are_small() {
        let offsets =
            Offsets { family: 16, state: 18, v4: 0, v6: 56, remote_port: 12, local_port: 14 };
        for (longest, program) in [
            (250, on_established(&parts())),
            (250, on_set_option(&parts())),
            (250, on_each_socket(&parts(), &offsets)),
        ] {
            assert!(program.len() <= longest, "{} instructions", program.len());
        }
    }

    #[test]
    fn a_dry_run_sets_nothing() {
        let dry = Parts { changes: false, ..parts() };
        let mut calls = Assembler::default();
        calls.call(Helper::SetOption);
        let set = calls.finish()[0];
        assert!(on_established(&parts()).contains(&set));
        assert!(!on_established(&dry).contains(&set));
    }
}
