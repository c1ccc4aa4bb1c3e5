//! What becomes of a socket's options: never longer than the limits, and never longer than they
//! were.
//!
//! A user timeout takes the place of the number of probes (`net/ipv4/tcp_timer.c`,
//! `tcp_keepalive_timer`), so one that is set beside a process's own short keepalive would lengthen
//! that. The one that is set here is what the keepalive in force comes to – idle time, and a time
//! between probes for each – and never more than the limit. So it is known again: when a process
//! changes its keepalive later, a user timeout that is just that follows, and any other is the
//! process's own.

use super::super::assembler::{
    Assembler, Helper, Label, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, Register, STACK, Size, Test,
};
use super::super::layout::{Limit, RECORD};
use super::{NAME, Parts, VALUE, address};

// Where the keepalive in force is on the stack.
const IDLE_AT: i16 = -44;
const INTERVAL_AT: i16 = -48;
const COUNT_AT: i16 = -52;

/// `asm-generic/socket.h`
const SOL_SOCKET: i32 = 1;
const SO_KEEPALIVE: i32 = 9;
/// `linux/tcp.h`
const SOL_TCP: i32 = 6;
const TCP_KEEPIDLE: i32 = 4;
const TCP_KEEPINTVL: i32 = 5;
const TCP_KEEPCNT: i32 = 6;
const TCP_USER_TIMEOUT: i32 = 18;

/// Why an option has a place among those in force.
const KEEPALIVE: &str = "it is one of keepalive's";

/// Register 8 has these bits of what was longer.
const WAS_OFF: i32 = 1;
const WAS_LONGER: i32 = 2;

/// Where what each option was goes in a record.
const RECORDED: [(i32, i16); 5] = [
    (SO_KEEPALIVE, RECORD.before),
    (TCP_KEEPIDLE, RECORD.before + 4),
    (TCP_KEEPINTVL, RECORD.before + 8),
    (TCP_KEEPCNT, RECORD.before + 12),
    (TCP_USER_TIMEOUT, RECORD.before + 16),
];

/// Shortens what options of the socket in register 6 are longer than the limits at register 7. In
/// register 8 is then whether any was, and in register 9 how often the kernel refused. What they
/// were goes to a record on the stack, if there is to be one.
///
/// Keepalive is switched on before its idle time is set: that then counts from the last packet, and
/// switching it on counts from then (`net/ipv4/tcp.c`, `tcp_sock_set_keepidle_locked`;
/// `net/ipv4/tcp_timer.c`, `tcp_set_keepalive`). A process that has its own keepalive may have it
/// probe as often and as many times as it likes, if not more seldom than once in the idle time.
pub(super) fn shorten(a: &mut Assembler, parts: &Parts, record: Option<i16>) {
    a.set(R8, 0);
    a.set(R9, 0);
    for name in [SO_KEEPALIVE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_USER_TIMEOUT] {
        let (done, failed) = (a.label(), a.label());
        a.store_number(Size::Word, STACK, VALUE, 0);
        call_for(a, Helper::GetOption, R6, name);
        a.load(Size::Word, R1, STACK, VALUE);
        if let Some(record) = record {
            let place = RECORDED.iter().find(|(recorded, _)| *recorded == name);
            let (_, place) = place.expect("each option has its place");
            a.store(Size::Word, STACK, record + place, R1);
        }
        let in_force = in_force(name);
        if let Some(in_force) = in_force {
            a.store(Size::Word, STACK, in_force, R1);
        }
        a.jump_if(R0, Test::Differs, 0, failed);
        leave_if_short(a, name, done);
        a.set_bits(R8, if name == SO_KEEPALIVE { WAS_OFF } else { WAS_LONGER });
        if let Some(in_force) = in_force {
            a.store(Size::Word, STACK, in_force, R3);
        }
        if parts.changes {
            a.store(Size::Word, STACK, VALUE, R3);
            call_for(a, Helper::SetOption, R6, name);
            a.jump_if(R0, Test::Equal, 0, done);
        } else {
            a.jump(done);
        }
        a.bind(failed);
        a.add(R9, 1);
        a.bind(done);
    }
}

/// Goes to `done` if the value in register 1 is short enough by the limits at register 7; else on,
/// with what it is to be in register 3.
fn leave_if_short(a: &mut Assembler, name: i32, done: Label) {
    let limit = |a: &mut Assembler, to, limit: Limit| a.load(Size::Word, to, R7, limit.offset());
    match name {
        SO_KEEPALIVE => {
            a.set(R3, 1);
            a.jump_if(R1, Test::Differs, 0, done);
        }
        TCP_KEEPINTVL => {
            let is_ours = a.label();
            limit(a, R3, Limit::Interval);
            a.copy(R2, R3);
            a.jump_if(R8, Test::HasBits, WAS_OFF, is_ours);
            limit(a, R2, Limit::Idle);
            a.bind(is_ours);
            a.jump_if_register(R1, Test::AtMost, R2, done);
        }
        TCP_KEEPCNT => {
            a.jump_if(R8, Test::Equal, 0, done);
            limit(a, R3, Limit::Count);
            a.jump_if_register(R1, Test::AtMost, R3, done);
        }
        TCP_KEEPIDLE => {
            limit(a, R3, Limit::Idle);
            a.jump_if_register(R1, Test::AtMost, R3, done);
        }
        _ => {
            let longer = a.label();
            coherent(a, R7);
            // Zero is no limit at all.
            a.jump_if(R1, Test::Equal, 0, longer);
            a.jump_if_register(R1, Test::AtMost, R3, done);
            a.bind(longer);
        }
    }
}

/// Goes on if register 1 and 2, level and name, are of an option that has a limit; else to `other`.
pub(super) fn only_limited(a: &mut Assembler, other: Label) {
    let (tcp, limited) = (a.label(), a.label());
    a.jump_if(R1, Test::Equal, SOL_TCP, tcp);
    a.jump_if(R1, Test::Differs, SOL_SOCKET, other);
    a.jump_if(R2, Test::Equal, SO_KEEPALIVE, limited);
    a.jump(other);
    a.bind(tcp);
    for name in [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT] {
        a.jump_if(R2, Test::Equal, name, limited);
    }
    a.jump_if(R2, Test::Differs, TCP_USER_TIMEOUT, other);
    a.bind(limited);
}

/// Holds the value at register 7 that a process sets for the option that register 2 names to the
/// limits at register 8. The socket is in register 9, the call in register 6. Goes to `held` if the
/// value was longer and nothing else is to be done, else to `done`, after a user timeout of ours
/// has followed.
pub(super) fn hold(a: &mut Assembler, parts: &Parts, done: Label, held: Label) {
    let [idle, interval, user_timeout, follow, replace] = [(); 5].map(|()| a.label());
    a.load(Size::Word, R1, R7, 0);
    for (name, label) in [
        (TCP_KEEPIDLE, idle),
        (TCP_KEEPINTVL, interval),
        (TCP_KEEPCNT, follow),
        (TCP_USER_TIMEOUT, user_timeout),
    ] {
        a.jump_if(R2, Test::Equal, name, label);
    }
    a.jump_if(R1, Test::Differs, 0, done);
    write(a, parts, 1);
    a.jump(held);
    // Values are compared without a sign, so that a negative one is longest. The kernel would
    // refuse it; whoever sets one gets the limit and no error.
    a.bind(user_timeout);
    a.load(Size::Word, R3, R8, Limit::UserTimeout.offset());
    a.jump_if(R1, Test::Equal, 0, replace);
    a.jump_if_register(R1, Test::AtMost, R3, done);
    a.bind(replace);
    read_in_force(a, done);
    coherent(a, R8);
    write_register(a, parts, R3);
    a.jump(held);
    for (label, limit) in [(idle, Limit::Idle), (interval, Limit::Interval)] {
        a.bind(label);
        a.load(Size::Word, R2, R8, Limit::Idle.offset());
        a.load(Size::Word, R3, R8, limit.offset());
        a.jump_if_register(R1, Test::AtMost, R2, follow);
        write_register(a, parts, R3);
        super::count(a, parts, super::Counter::Held);
        a.jump(follow);
    }
    a.bind(follow);
    if parts.changes {
        follow_with_user_timeout(a, done);
    } else {
        a.jump(done);
    }
}

/// Lets a user timeout follow that is ours, before the option that a process sets gets the value
/// at register 7; then goes to `done`.
fn follow_with_user_timeout(a: &mut Assembler, done: Label) {
    read_in_force(a, done);
    call_for(a, Helper::GetOption, R9, TCP_USER_TIMEOUT);
    a.jump_if(R0, Test::Differs, 0, done);
    coherent(a, R8);
    a.load(Size::Word, R1, STACK, VALUE);
    a.jump_if_register(R1, Test::Differs, R3, done);
    a.load(Size::Word, R1, R7, 0);
    a.load(Size::Word, R2, R6, NAME);
    for name in [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT] {
        let other = a.label();
        a.jump_if(R2, Test::Differs, name, other);
        a.store(Size::Word, STACK, in_force(name).expect(KEEPALIVE), R1);
        a.bind(other);
    }
    coherent(a, R8);
    a.store(Size::Word, STACK, VALUE, R3);
    call_for(a, Helper::SetOption, R9, TCP_USER_TIMEOUT);
    a.jump(done);
}

/// Reads the keepalive in force of the socket in register 9, or goes to `failed`.
fn read_in_force(a: &mut Assembler, failed: Label) {
    for name in [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT] {
        call_for(a, Helper::GetOption, R9, name);
        a.jump_if(R0, Test::Differs, 0, failed);
        a.load(Size::Word, R1, STACK, VALUE);
        a.store(Size::Word, STACK, in_force(name).expect(KEEPALIVE), R1);
    }
}

/// Puts into register 3 the user timeout that the keepalive in force comes to, by the limits at
/// `limits`.
fn coherent(a: &mut Assembler, limits: Register) {
    let short = a.label();
    a.load(Size::Word, R3, STACK, INTERVAL_AT);
    a.load(Size::Word, R4, STACK, COUNT_AT);
    a.multiply_register(R3, R4);
    a.load(Size::Word, R4, STACK, IDLE_AT);
    a.add_register(R3, R4);
    a.multiply(R3, 1_000);
    a.load(Size::Word, R4, limits, Limit::UserTimeout.offset());
    a.jump_if_register(R3, Test::AtMost, R4, short);
    a.copy(R3, R4);
    a.bind(short);
}

const fn in_force(name: i32) -> Option<i16> {
    match name {
        TCP_KEEPIDLE => Some(IDLE_AT),
        TCP_KEEPINTVL => Some(INTERVAL_AT),
        TCP_KEEPCNT => Some(COUNT_AT),
        _ => None,
    }
}

/// Replaces the value that a process sets.
fn write(a: &mut Assembler, parts: &Parts, value: i32) {
    if parts.changes {
        a.store_number(Size::Word, R7, 0, value);
    }
}

fn write_register(a: &mut Assembler, parts: &Parts, from: Register) {
    if parts.changes {
        a.store(Size::Word, R7, 0, from);
    }
}

/// Gets or sets an option of a socket, on the stack.
fn call_for(a: &mut Assembler, helper: Helper, socket: Register, name: i32) {
    a.copy(R1, socket);
    a.set(R2, if name == SO_KEEPALIVE { SOL_SOCKET } else { SOL_TCP });
    a.set(R3, name);
    address(a, R4, VALUE);
    a.set(R5, 4);
    a.call(helper);
}
