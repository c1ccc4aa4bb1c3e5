//! What the kernel says of its own types and functions (`Documentation/bpf/btf.rst`).
//!
//! It finds functions by their names, and where members of structures are. Bytes that are no BTF
//! are an error, never a panic, and looking something up always ends.

/// Where the kernel has its own.
pub const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// The first two bytes, in the order of the host.
const MAGIC: u16 = 0xeb9f;
/// The bytes that every type begins with.
const TYPE_LEN: usize = 12;
/// Structures without a name are nested no deeper than this.
const DEPTH_MAX: usize = 8;

/// Why bytes are not read as BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin as BTF of this host does.
    #[error("it is no BTF of this host's byte order")]
    Magic,
    /// It ends before it should.
    #[error("it is cut short at byte {0}")]
    Short(usize),
    /// There is a type of a kind that nobody knows the length of.
    #[error("it has types of the unknown kind {0}")]
    Kind(u32),
}

/// Types by their numbers, which count from one.
#[derive(Clone, Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    /// Where each type begins; type 0 stands for none.
    types: Vec<usize>,
    strings: usize,
}

/// `BTF_KIND_*` of `linux/btf.h`, as far as anybody asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    Struct = 4,
    Union = 5,
    Function = 12,
}

/// The first words of a type.
#[derive(Clone, Copy, Debug)]
struct Head {
    name: usize,
    kind: u32,
    /// How many members it has.
    members: usize,
    /// The offsets of members have the width of bit fields in their upper byte.
    has_bit_fields: bool,
}

impl Btf {
    /// Reads BTF.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let mut btf = Self { bytes, types: vec![0], strings: 0 };
        let magic = btf.bytes.first_chunk().copied().map(u16::from_ne_bytes);
        if magic != Some(MAGIC) {
            return Err(Error::Magic);
        }
        // `struct btf_header`: the sections lie so far behind it.
        let header_len = btf.word(4)?;
        let (begin, len) = (btf.word(8)?.saturating_add(header_len), btf.word(12)?);
        btf.strings = btf.word(16)?.saturating_add(header_len);
        let end = begin.saturating_add(len);
        if end > btf.bytes.len() {
            return Err(Error::Short(btf.bytes.len()));
        }
        let mut at = begin;
        while at < end {
            btf.types.push(at);
            at += TYPE_LEN + btf.rest_len(at)?;
        }
        Ok(btf)
    }

    /// Returns the number of a function.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<u32> {
        self.find(Kind::Function, name)
    }

    /// Returns where a member of a structure is, in bytes. It may be a member of one that has no
    /// name, within the structure.
    #[must_use]
    pub fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        self.member(self.find(Kind::Struct, structure)?, member, 0)
    }

    fn find(&self, kind: Kind, name: &str) -> Option<u32> {
        let is_it = |&number: &usize| {
            let head = self.types.get(number).and_then(|&at| self.head(at).ok());
            head.is_some_and(|head| head.kind == kind as u32 && self.is_called(head.name, name))
        };
        (1..self.types.len()).find(is_it)?.try_into().ok()
    }

    fn member(&self, number: u32, member: &str, depth: usize) -> Option<u32> {
        let at = *self.types.get(number as usize).filter(|_| number > 0)?;
        let head = self.head(at).ok()?;
        let nests = head.kind == Kind::Struct as u32 || head.kind == Kind::Union as u32;
        if !nests || depth > DEPTH_MAX {
            return None;
        }
        (0..head.members).find_map(|place| {
            let at = at + TYPE_LEN + place * 12;
            let (name, of, bits) = (self.word(at).ok()?, self.word(at + 4), self.word(at + 8));
            let bits = u32::try_from(bits.ok()?).ok()?;
            let bytes = if head.has_bit_fields { bits & 0xff_ffff } else { bits } / 8;
            if self.is_called(name, member) {
                return Some(bytes);
            }
            let nested = self.is_called(name, "").then(|| u32::try_from(of.ok()?).ok())??;
            self.member(nested, member, depth + 1)?.checked_add(bytes)
        })
    }

    /// Returns how much of a type comes after what every type begins with.
    fn rest_len(&self, at: usize) -> Result<usize, Error> {
        let head = self.head(at)?;
        Ok(match head.kind {
            // Pointers, forward declarations, names and modifiers; functions, floats, type tags.
            2 | 7..=12 | 16 | 18 => 0,
            // Integers, variables and declaration tags have a word.
            1 | 14 | 17 => 4,
            // Arrays have three.
            3 => 12,
            // Structures, unions, sections and enumerations of 64 bits, for each member.
            4 | 5 | 15 | 19 => 12 * head.members,
            // Enumerations and prototypes, for each value or argument.
            6 | 13 => 8 * head.members,
            other => return Err(Error::Kind(other)),
        })
    }

    fn head(&self, at: usize) -> Result<Head, Error> {
        let (name, info) = (self.word(at)?, self.word(at + 4)?);
        let kind = u32::try_from(info >> 24 & 0x1f).unwrap_or_default();
        Ok(Head { name, kind, members: info & 0xffff, has_bit_fields: info >> 31 & 1 == 1 })
    }

    fn is_called(&self, name: usize, expected: &str) -> bool {
        let rest = self.strings.checked_add(name).and_then(|at| self.bytes.get(at..));
        rest.and_then(|rest| rest.strip_prefix(expected.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    fn word(&self, at: usize) -> Result<usize, Error> {
        let word = self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied();
        word.map(|word| u32::from_ne_bytes(word) as usize).ok_or(Error::Short(self.bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRINGS: &[u8] = b"\0sock\0port\0walk\0";
    const SOCK: u32 = 1;
    const PORT: u32 = 6;
    const WALK: u32 = 11;

    fn btf(types: &[u32]) -> Vec<u8> {
        let types: Vec<u8> = types.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let words = [24, 0, types.len(), types.len(), STRINGS.len()];
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(words.iter().flat_map(|&word| u32::try_from(word).unwrap().to_ne_bytes()));
        bytes.extend(types);
        bytes.extend(STRINGS);
        bytes
    }

    const fn head(kind: u32, members: u32) -> u32 {
        kind << 24 | members
    }

    #[test]
    fn a_member_is_found_within_a_structure_without_a_name() {
        let inner = [0, head(4, 1), 8, PORT, 3, 32];
        let sock = [SOCK, head(4, 1), 16, 0, 1, 64];
        let (integer, walk) = ([0, head(1, 0), 4, 32], [WALK, head(12, 1), 0]);
        let btf = Btf::parse(btf(&[&inner[..], &sock, &integer, &walk].concat())).unwrap();
        assert_eq!(btf.offset("sock", "port"), Some(12));
        assert_eq!(btf.offset("sock", "walk"), None);
        assert_eq!(btf.function("walk"), Some(4));
        assert_eq!(btf.function("sock"), None);
    }

    #[test]
    fn a_structure_that_contains_itself_is_left_after_a_while() {
        let btf = Btf::parse(btf(&[SOCK, head(4, 2), 8, 0, 1, 0, 0, 1, 0])).unwrap();
        assert_eq!(btf.offset("sock", "port"), None);
    }

    #[test]
    fn what_is_no_btf_or_is_cut_short_is_told_so() {
        let whole = btf(&[SOCK, head(4, 1), 8, PORT, 1, 0]);
        assert_eq!(Btf::parse(Vec::new()).unwrap_err(), Error::Magic);
        assert_eq!(Btf::parse(b"\x7fELF".to_vec()).unwrap_err(), Error::Magic);
        for length in 4..24 + 24 {
            let error = Btf::parse(whole[..length].to_vec()).unwrap_err();
            assert_eq!(error, Error::Short(length), "{length}");
        }
        assert_eq!(Btf::parse(btf(&[0, head(31, 0), 0])).unwrap_err(), Error::Kind(31));
    }

    #[test]
    fn this_kernel_tells_where_its_sockets_have_their_ports() {
        let bytes = std::fs::read(KERNEL).expect("the kernel is built with CONFIG_DEBUG_INFO_BTF");
        let btf = Btf::parse(bytes).unwrap();
        assert!(btf.function("bpf_iter_tcp").is_some());
        let port = btf.offset("sock_common", "skc_dport").unwrap();
        assert_eq!(btf.offset("sock_common", "skc_num"), Some(port + 2));
    }
}
