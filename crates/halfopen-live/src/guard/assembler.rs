//! Instructions of the kernel's BPF machine, put together at run time
//! (`Documentation/bpf/standardization/instruction-set.rst`).
//!
//! It knows the few instructions that the guard's programs are made of, and where jumps lead; what
//! a program may do the kernel's verifier decides.

/// An instruction as the kernel reads it: `struct bpf_insn` of `linux/bpf.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// A register. A call takes its arguments in 1 to 5, answers in 0, and leaves 6 to 9 alone; 10
/// points to the end of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Register(u8);

pub(crate) const R0: Register = Register(0);
pub(crate) const R1: Register = Register(1);
pub(crate) const R2: Register = Register(2);
pub(crate) const R3: Register = Register(3);
pub(crate) const R4: Register = Register(4);
pub(crate) const R5: Register = Register(5);
pub(crate) const R6: Register = Register(6);
pub(crate) const R7: Register = Register(7);
pub(crate) const R8: Register = Register(8);
pub(crate) const R9: Register = Register(9);
/// The end of the stack: what is on it lies below.
pub(crate) const STACK: Register = Register(10);

/// How much a load or a store moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
    /// 64 bits.
    Double,
}

/// What a jump asks of a register; all 64 bits are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// Equal.
    Equal,
    /// Not equal.
    Differs,
    /// Greater, without a sign.
    Above,
    /// Not greater, without a sign.
    AtMost,
    /// Some of these bits are set.
    HasBits,
}

/// A function of the kernel: `enum bpf_func_id` of `linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Helper {
    /// `bpf_map_lookup_elem`: map, key; a value or null.
    MapLookup = 1,
    /// `bpf_map_update_elem`: map, key, value, flags.
    MapUpdate = 2,
    /// `bpf_setsockopt`: socket, level, name, value, length; 0 if done.
    SetOption = 49,
    /// `bpf_getsockopt`: likewise.
    GetOption = 57,
    /// `bpf_seq_write`: file, data, length.
    Write = 127,
    /// `bpf_skc_to_tcp_sock`: a socket; the same as TCP's, or null.
    TcpSocket = 137,
}

/// A place in a program that can be jumped to, forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A program in the making.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    instructions: Vec<Instruction>,
    jumps: Vec<(usize, Label)>,
    labels: Vec<Option<usize>>,
}

// Classes and modes of instructions: `linux/bpf_common.h` and `linux/bpf.h`.
const LOAD: u8 = 0x61;
const STORE_NUMBER: u8 = 0x62;
const STORE: u8 = 0x63;
const STORE_ATOMICALLY: u8 = 0xc3;
const SET: u8 = 0xb7;
const COPY: u8 = 0xbf;
const ADD: u8 = 0x07;
const ADD_REGISTER: u8 = 0x0f;
const MULTIPLY: u8 = 0x27;
const MULTIPLY_REGISTER: u8 = 0x2f;
const SET_BITS: u8 = 0x47;
const SHIFT_RIGHT: u8 = 0x77;
const TO_BIG_ENDIAN: u8 = 0xdc;
const LOAD_64: u8 = 0x18;
const JUMP: u8 = 0x05;
const COMPARES_REGISTER: u8 = 0x08;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// What a load of 64 bits takes for a map: `BPF_PSEUDO_MAP_FD`.
const MAP: Register = Register(1);
/// What it takes for the address of a map's only value: `BPF_PSEUDO_MAP_VALUE`.
const MAP_VALUE: Register = Register(2);

impl Size {
    /// Returns the bits that say so in place of those of a word, which are none.
    const fn bits(self) -> u8 {
        match self {
            Self::Word => 0x00,
            Self::Half => 0x08,
            Self::Byte => 0x10,
            Self::Double => 0x18,
        }
    }
}

impl Test {
    const fn code(self) -> u8 {
        match self {
            Self::Equal => 0x15,
            Self::Differs => 0x55,
            Self::Above => 0x25,
            Self::AtMost => 0xb5,
            Self::HasBits => 0x45,
        }
    }
}

impl Assembler {
    /// Returns a label that is still to be bound.
    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Binds a label to the instruction that comes next.
    pub(crate) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.instructions.len());
    }

    /// `to = number`
    pub(crate) fn set(&mut self, to: Register, number: i32) {
        self.push(SET, to, R0, 0, number);
    }

    /// `to = from`
    pub(crate) fn copy(&mut self, to: Register, from: Register) {
        self.push(COPY, to, from, 0, 0);
    }

    /// `to += number`
    pub(crate) fn add(&mut self, to: Register, number: i32) {
        self.push(ADD, to, R0, 0, number);
    }

    /// `to += from`
    pub(crate) fn add_register(&mut self, to: Register, from: Register) {
        self.push(ADD_REGISTER, to, from, 0, 0);
    }

    /// `to *= number`
    pub(crate) fn multiply(&mut self, to: Register, number: i32) {
        self.push(MULTIPLY, to, R0, 0, number);
    }

    /// `to *= from`
    pub(crate) fn multiply_register(&mut self, to: Register, from: Register) {
        self.push(MULTIPLY_REGISTER, to, from, 0, 0);
    }

    /// `to |= bits`
    pub(crate) fn set_bits(&mut self, to: Register, bits: i32) {
        self.push(SET_BITS, to, R0, 0, bits);
    }

    /// `to >>= bits`
    pub(crate) fn shift_right(&mut self, to: Register, bits: i32) {
        self.push(SHIFT_RIGHT, to, R0, 0, bits);
    }

    /// Turns the lower 16 bits to the order of the network, and clears the others.
    pub(crate) fn order_as_on_wire(&mut self, to: Register) {
        self.push(TO_BIG_ENDIAN, to, R0, 0, 16);
    }

    /// `to = *(from + offset)`
    pub(crate) fn load(&mut self, size: Size, to: Register, from: Register, offset: i16) {
        self.push(LOAD | size.bits(), to, from, offset, 0);
    }

    /// `*(to + offset) = from`
    pub(crate) fn store(&mut self, size: Size, to: Register, offset: i16, from: Register) {
        self.push(STORE | size.bits(), to, from, offset, 0);
    }

    /// `*(to + offset) = number`
    pub(crate) fn store_number(&mut self, size: Size, to: Register, offset: i16, number: i32) {
        self.push(STORE_NUMBER | size.bits(), to, R0, offset, number);
    }

    /// `*(to + offset) += from`, 64 bits in one step
    pub(crate) fn count(&mut self, to: Register, offset: i16, from: Register) {
        self.push(STORE_ATOMICALLY | Size::Double.bits(), to, from, offset, 0);
    }

    /// Goes to a label.
    pub(crate) fn jump(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(JUMP, R0, R0, 0, 0);
    }

    /// Goes to a label if a register compares so to a number.
    pub(crate) fn jump_if(&mut self, one: Register, test: Test, number: i32, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(test.code(), one, R0, 0, number);
    }

    /// Goes to a label if a register compares so to another.
    pub(crate) fn jump_if_register(
        &mut self,
        one: Register,
        test: Test,
        other: Register,
        label: Label,
    ) {
        self.jumps.push((self.instructions.len(), label));
        self.push(test.code() | COMPARES_REGISTER, one, other, 0, 0);
    }

    /// Calls a function of the kernel.
    pub(crate) fn call(&mut self, helper: Helper) {
        self.push(CALL, R0, R0, 0, helper as i32);
    }

    /// `to =` a map, by its descriptor
    pub(crate) fn map(&mut self, to: Register, descriptor: i32) {
        self.push(LOAD_64, to, MAP, 0, descriptor);
        self.push(0, R0, R0, 0, 0);
    }

    /// `to =` where the only value of an array begins, and so many bytes further
    pub(crate) fn map_value(&mut self, to: Register, descriptor: i32, offset: i32) {
        self.push(LOAD_64, to, MAP_VALUE, 0, descriptor);
        self.push(0, R0, R0, 0, offset);
    }

    /// Ends the program; its answer is in register 0.
    pub(crate) fn exit(&mut self) {
        self.push(EXIT, R0, R0, 0, 0);
    }

    /// Returns the program.
    pub(crate) fn finish(self) -> Vec<Instruction> {
        let Self { mut instructions, jumps, labels } = self;
        for (at, label) in jumps {
            let to = labels[label.0].expect("every label that is jumped to is bound");
            // Counted from the next instruction.
            let distance = to.checked_sub(at + 1).and_then(|distance| distance.try_into().ok());
            instructions[at].offset = distance.expect("jumps go forwards, and not far");
        }
        instructions
    }

    fn push(&mut self, code: u8, to: Register, from: Register, offset: i16, immediate: i32) {
        let little = cfg!(target_endian = "little");
        let registers = if little { to.0 | from.0 << 4 } else { to.0 << 4 | from.0 };
        self.instructions.push(Instruction { code, registers, offset, immediate });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the bytes of a program, as the kernel has them.
    fn bytes(write: impl FnOnce(&mut Assembler)) -> Vec<(u8, u8, i16, i32)> {
        let mut assembler = Assembler::default();
        write(&mut assembler);
        let program = assembler.finish();
        program.iter().map(|one| (one.code, one.registers, one.offset, one.immediate)).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn instructions_are_those_of_the_kernels_documentation() {
        let program = bytes(|a| {
            a.set(R1, 7);
            a.copy(R6, R1);
            a.add(R2, -4);
            a.load(Size::Half, R1, R7, 12);
            a.load(Size::Byte, R1, R7, 18);
            a.store(Size::Word, STACK, -8, R1);
            a.store_number(Size::Word, STACK, -4, 1);
            a.count(R0, 16, R1);
            a.order_as_on_wire(R1);
            a.call(Helper::SetOption);
            a.exit();
        });
        let expected = [
            (0xb7, 0x01, 0, 7),
            (0xbf, 0x16, 0, 0),
            (0x07, 0x02, 0, -4),
            (0x69, 0x71, 12, 0),
            (0x71, 0x71, 18, 0),
            (0x63, 0x1a, -8, 0),
            (0x62, 0x0a, -4, 1),
            (0xdb, 0x10, 16, 0),
            (0xdc, 0x01, 0, 16),
            (0x85, 0x00, 0, 49),
            (0x95, 0x00, 0, 0),
        ];
        assert_eq!(program, expected);
    }

    #[test]
    fn a_jump_leads_to_where_its_label_is_bound() {
        let program = bytes(|a| {
            let (near, far) = (a.label(), a.label());
            a.jump_if(R0, Test::Equal, 0, far);
            a.jump(near);
            a.set(R1, 1);
            a.bind(near);
            a.bind(far);
            a.exit();
        });
        assert_eq!((program[0].0, program[0].2), (0x15, 2));
        assert_eq!((program[1].0, program[1].2), (0x05, 1));
    }

    #[test]
    fn a_map_takes_the_room_of_two_instructions() {
        let program = bytes(|a| {
            let end = a.label();
            a.jump(end);
            a.map(R1, 5);
            a.map_value(R2, 6, 24);
            a.bind(end);
            a.exit();
        });
        assert_eq!(program[0].2, 4);
        assert_eq!((program[1].0, program[1].3, program[2].3), (0x18, 5, 0));
        assert_eq!((program[3].3, program[4].3), (6, 24));
    }

    #[test]
    #[should_panic(expected = "every label that is jumped to is bound")]
    fn a_label_that_leads_nowhere_is_a_mistake() {
        let mut assembler = Assembler::default();
        let label = assembler.label();
        assembler.jump(label);
        drop(assembler.finish());
    }
}
