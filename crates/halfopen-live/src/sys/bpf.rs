//! The kernel's BPF machine: maps, programs and what they are attached to (bpf(2)).
//!
//! Each command reads a structure of its own, of which a caller may give only the beginning; the
//! kernel takes the rest for zeros (`kernel/bpf/syscall.c`, `__sys_bpf`). The structures here are
//! those of `union bpf_attr` in `linux/bpf.h`.

use core::ffi::{CStr, c_int, c_long};
use core::mem::size_of;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use crate::guard::assembler::Instruction;

/// The verifier says no more than this.
const LOG_LEN: usize = 1 << 18;
/// So many programs at one place are looked at.
const PROGRAMS_MAX: usize = 64;

/// The kinds of maps that are used: `enum bpf_map_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapKind {
    /// Values by their place.
    Array = 2,
    /// Values by a key; the one not used for the longest time goes first.
    LruHash = 9,
    /// Values by the longest prefix of a key.
    PrefixTrie = 11,
}

/// What a map is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapSpec {
    pub(crate) kind: MapKind,
    pub(crate) name: &'static CStr,
    pub(crate) key_len: u32,
    pub(crate) value_len: u32,
    pub(crate) entries_max: u32,
}

/// A map in the kernel.
#[derive(Debug)]
pub(crate) struct Map {
    descriptor: OwnedFd,
    key_len: usize,
    value_len: usize,
}

/// What a program is made for: `enum bpf_prog_type` and `enum bpf_attach_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Told of what TCP sockets of a cgroup do.
    SocketOperations,
    /// Asked about the socket options that programs of a cgroup set.
    SetOption,
    /// Shown one of the kernel's objects after the other; the function that names their kind, by
    /// its number in the kernel's BTF.
    Iterator(u32),
}

/// A program in the kernel.
#[derive(Debug)]
pub(crate) struct Program {
    descriptor: OwnedFd,
    place: Place,
}

/// What keeps a program attached.
#[derive(Debug)]
pub(crate) struct Link {
    descriptor: OwnedFd,
}

/// What the kernel tells of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProgramInfo {
    pub(crate) id: u32,
    /// Its name; empty if it has none.
    pub(crate) name: String,
    /// The maps that it uses, by their numbers.
    pub(crate) maps: Vec<u32>,
    /// For how long it has run, in nanoseconds; zero unless statistics are on.
    pub(crate) run_ns: u64,
    /// How often; likewise.
    pub(crate) runs: u64,
}

#[derive(Clone, Copy)]
enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapNextKey = 4,
    ProgramLoad = 5,
    ObjectPin = 6,
    ProgramById = 13,
    MapById = 14,
    ObjectInfo = 15,
    ProgramQuery = 16,
    LinkCreate = 28,
    EnableStatistics = 32,
    IteratorCreate = 33,
}

#[repr(C)]
#[derive(Default)]
struct CreateMap {
    kind: u32,
    key_len: u32,
    value_len: u32,
    entries_max: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    /// Or, of a search for the next key, where that goes.
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct LoadProgram {
    kind: u32,
    instructions: u32,
    first: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach: u32,
    btf: u32,
    function_record_len: u32,
    functions: u64,
    functions_count: u32,
    line_record_len: u32,
    lines: u64,
    lines_count: u32,
    attach_btf_id: u32,
}

#[repr(C)]
#[derive(Default)]
struct Object {
    path: u64,
    descriptor: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Ask {
    descriptor: u32,
    len: u32,
    answer: u64,
}

#[repr(C)]
#[derive(Default)]
struct CreateLink {
    program: u32,
    target: u32,
    attach: u32,
    flags: u32,
}

/// Newer kernels write to its end, so all of it is given.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    attach: u32,
    flags: u32,
    attach_flags: u32,
    programs: u64,
    programs_count: u32,
    padding: u32,
    program_flags: u64,
    links: u64,
    link_flags: u64,
    revision: u64,
}

/// `struct bpf_map_info`, as far as it is needed.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_len: u32,
    value_len: u32,
    entries_max: u32,
    flags: u32,
    name: [u8; 16],
}

/// `struct bpf_prog_info`, as far as it is needed.
#[repr(C)]
#[derive(Default)]
struct RawProgramInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    native_len: u32,
    translated_len: u32,
    native: u64,
    translated: u64,
    loaded_ns: u64,
    uid: u32,
    maps_count: u32,
    maps: u64,
    name: [u8; 16],
    interface: u32,
    license: u32,
    network_device: u64,
    network_number: u64,
    symbols_count: u32,
    function_lens_count: u32,
    symbols: u64,
    function_lens: u64,
    btf: u32,
    function_record_len: u32,
    functions: u64,
    functions_count: u32,
    lines_count: u32,
    lines: u64,
    native_lines: u64,
    native_lines_count: u32,
    line_record_len: u32,
    native_line_record_len: u32,
    tags_count: u32,
    tags: u64,
    run_ns: u64,
    runs: u64,
}

impl Place {
    const fn kind(self) -> u32 {
        match self {
            Self::SocketOperations => 13,
            Self::SetOption => 25,
            Self::Iterator(_) => 26,
        }
    }

    const fn attach(self) -> u32 {
        match self {
            Self::SocketOperations => 3,
            Self::SetOption => 22,
            Self::Iterator(_) => 28,
        }
    }

    const fn btf_id(self) -> u32 {
        match self {
            Self::SocketOperations | Self::SetOption => 0,
            Self::Iterator(function) => function,
        }
    }
}

impl Map {
    /// Makes a map.
    pub(crate) fn create(spec: MapSpec) -> io::Result<Self> {
        // A trie takes its nodes as they come, and wants that said: `BPF_F_NO_PREALLOC`.
        let flags = u32::from(spec.kind == MapKind::PrefixTrie);
        let mut order = CreateMap {
            kind: spec.kind as u32,
            key_len: spec.key_len,
            value_len: spec.value_len,
            entries_max: spec.entries_max,
            flags,
            name: name(spec.name),
            ..CreateMap::default()
        };
        // SAFETY: the structure is that of the command, and holds no address.
        let descriptor = descriptor(unsafe { bpf(Command::MapCreate, &mut order) }?);
        let (key_len, value_len) = (spec.key_len as usize, spec.value_len as usize);
        Ok(Self { descriptor, key_len, value_len })
    }

    /// Finds a map by the number that the kernel gave it; needs `CAP_SYS_ADMIN`.
    pub(crate) fn by_id(id: u32) -> io::Result<(Self, String)> {
        let mut order = ById { id, ..ById::default() };
        // SAFETY: the structure is that of the command, and holds no address.
        Self::of(descriptor(unsafe { bpf(Command::MapById, &mut order) }?))
    }

    /// Takes a descriptor for a map, asks the kernel how large its entries are, and what it is
    /// called.
    fn of(descriptor: OwnedFd) -> io::Result<(Self, String)> {
        let mut info = MapInfo::default();
        inform(descriptor.as_fd(), &mut info)?;
        let (key_len, value_len) = (info.key_len as usize, info.value_len as usize);
        Ok((Self { descriptor, key_len, value_len }, text(info.name)))
    }

    /// Puts a value under a key, in place of the one that was there.
    pub(crate) fn update(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.check(key.len(), value.len())?;
        let mut order = self.element(key, value.as_ptr() as u64);
        // SAFETY: the structure is that of the command; the kernel reads as many bytes of key and
        // value as the map's entries have, which is what both have.
        unsafe { bpf(Command::MapUpdate, &mut order) }.map(drop)
    }

    /// Reads the value under a key, and tells whether there is one.
    pub(crate) fn lookup(&self, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
        self.check(key.len(), value.len())?;
        let mut order = self.element(key, value.as_mut_ptr() as u64);
        // SAFETY: the structure is that of the command; the kernel reads a key and writes a value
        // of this map, which is how long both are.
        is_there(unsafe { bpf(Command::MapLookup, &mut order) })
    }

    /// Replaces a key by the one after it, or by the first if it is not there, and tells whether
    /// there is one.
    pub(crate) fn next_key(&self, key: &mut [u8]) -> io::Result<bool> {
        self.check(key.len(), self.value_len)?;
        let before = key.to_vec();
        let mut order = self.element(&before, key.as_mut_ptr() as u64);
        // SAFETY: the structure is that of the command; the kernel reads a key and writes another,
        // which is how long both are.
        is_there(unsafe { bpf(Command::MapNextKey, &mut order) })
    }

    /// Returns the number of the map's descriptor, for a program that is to use it.
    pub(crate) fn number(&self) -> c_int {
        self.descriptor.as_raw_fd()
    }

    fn element(&self, key: &[u8], value: u64) -> Element {
        let map = self.descriptor.as_raw_fd().cast_unsigned();
        Element { map, key: key.as_ptr() as u64, value, ..Element::default() }
    }

    fn check(&self, key_len: usize, value_len: usize) -> io::Result<()> {
        let fits = (key_len, value_len) == (self.key_len, self.value_len);
        if fits { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

impl Program {
    /// Loads a program. If the verifier refuses it, the error has what that said.
    pub(crate) fn load(
        place: Place,
        called: &CStr,
        instructions: &[Instruction],
    ) -> Result<Self, (io::Error, String)> {
        let plain = |error| (error, String::new());
        let count = u32::try_from(instructions.len()).map_err(io::Error::other).map_err(plain)?;
        let mut order = LoadProgram {
            kind: place.kind(),
            instructions: count,
            first: instructions.as_ptr() as u64,
            // What is called is for programs of any license, but for what iterators write by.
            license: c"GPL".as_ptr() as u64,
            name: name(called),
            expected_attach: place.attach(),
            attach_btf_id: place.btf_id(),
            ..LoadProgram::default()
        };
        // SAFETY: the structure is that of the command; it points to as many instructions as it
        // says and to a string, and the kernel copies both.
        if let Ok(number) = unsafe { bpf(Command::ProgramLoad, &mut order) } {
            return Ok(Self { descriptor: descriptor(number), place });
        }
        let mut log = vec![0; LOG_LEN];
        order.log_level = 1;
        order.log_len = u32::try_from(log.len()).map_err(io::Error::other).map_err(plain)?;
        order.log = log.as_mut_ptr() as u64;
        // SAFETY: as above; besides, the kernel writes to the log, which is as long as it says.
        match unsafe { bpf(Command::ProgramLoad, &mut order) } {
            Ok(number) => Ok(Self { descriptor: descriptor(number), place }),
            Err(error) => {
                let said = log.split(|&byte| byte == 0).next().unwrap_or_default();
                Err((error, String::from_utf8_lossy(said).into_owned()))
            }
        }
    }

    /// Finds a program by the number that the kernel gave it; needs `CAP_SYS_ADMIN`.
    pub(crate) fn info_by_id(id: u32) -> io::Result<ProgramInfo> {
        let mut order = ById { id, ..ById::default() };
        // SAFETY: the structure is that of the command, and holds no address.
        let found = descriptor(unsafe { bpf(Command::ProgramById, &mut order) }?);
        program_info(found.as_fd())
    }

    /// Attaches it to a cgroup, for as long as the link is kept.
    pub(crate) fn attach(&self, cgroup: BorrowedFd<'_>) -> io::Result<Link> {
        self.link(cgroup.as_raw_fd().cast_unsigned())
    }

    /// Makes it an iterator, whose output the file is: reading it shows the program everything.
    pub(crate) fn iterate(&self) -> io::Result<File> {
        let link = self.link(0)?;
        let number = link.descriptor.as_raw_fd().cast_unsigned();
        let mut order = ById { id: number, ..ById::default() };
        // SAFETY: the structure is that of the command, and holds no address.
        let file = unsafe { bpf(Command::IteratorCreate, &mut order) }?;
        Ok(descriptor(file).into())
    }

    fn link(&self, target: u32) -> io::Result<Link> {
        let program = self.descriptor.as_raw_fd().cast_unsigned();
        let mut order = CreateLink { program, target, attach: self.place.attach(), flags: 0 };
        // SAFETY: the structure is that of the command, and holds no address.
        let link = unsafe { bpf(Command::LinkCreate, &mut order) }?;
        Ok(Link { descriptor: descriptor(link) })
    }

    /// Returns what the kernel knows of it.
    pub(crate) fn info(&self) -> io::Result<ProgramInfo> {
        program_info(self.descriptor.as_fd())
    }
}

impl Link {
    /// Gives it a name in a BPF file system, which keeps it.
    pub(crate) fn pin(&self, path: &CStr) -> io::Result<()> {
        let descriptor = self.descriptor.as_raw_fd().cast_unsigned();
        let mut order = Object { path: path.as_ptr() as u64, descriptor, flags: 0 };
        // SAFETY: the structure is that of the command, and points to a string.
        unsafe { bpf(Command::ObjectPin, &mut order) }.map(drop)
    }
}

/// Returns the numbers of the programs that are attached to a cgroup itself.
pub(crate) fn attached(cgroup: BorrowedFd<'_>, place: Place) -> io::Result<Vec<u32>> {
    let mut programs = vec![0_u32; PROGRAMS_MAX];
    let mut order = Query {
        target: cgroup.as_raw_fd().cast_unsigned(),
        attach: place.attach(),
        programs: programs.as_mut_ptr() as u64,
        programs_count: u32::try_from(programs.len()).map_err(io::Error::other)?,
        ..Query::default()
    };
    // SAFETY: the structure is that of the command; it points to room for as many numbers as it
    // says, and the kernel writes no more (`kernel/bpf/cgroup.c`, `__cgroup_bpf_query`).
    unsafe { bpf(Command::ProgramQuery, &mut order) }?;
    programs.truncate(order.programs_count as usize);
    Ok(programs)
}

/// Lets the kernel measure how long programs run, as long as what is returned is kept; needs
/// `CAP_SYS_ADMIN`.
pub(crate) fn enable_statistics() -> io::Result<OwnedFd> {
    let mut order = ById::default();
    // SAFETY: the structure is that of the command (type 0 is run time), and holds no address.
    unsafe { bpf(Command::EnableStatistics, &mut order) }.map(descriptor)
}

fn program_info(program: BorrowedFd<'_>) -> io::Result<ProgramInfo> {
    let mut maps = vec![0_u32; PROGRAMS_MAX];
    let mut info = RawProgramInfo {
        maps: maps.as_mut_ptr() as u64,
        maps_count: u32::try_from(maps.len()).map_err(io::Error::other)?,
        ..RawProgramInfo::default()
    };
    inform(program, &mut info)?;
    maps.truncate(info.maps_count as usize);
    let RawProgramInfo { id, run_ns, runs, .. } = info;
    Ok(ProgramInfo { id, name: text(info.name), maps, run_ns, runs })
}

/// Fills in what the kernel knows of an object. `T` is the beginning of the structure that belongs
/// to its kind, and what it points to is as long as it says.
fn inform<T>(object: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut order = Ask {
        descriptor: object.as_raw_fd().cast_unsigned(),
        len: u32::try_from(size_of::<T>()).map_err(io::Error::other)?,
        answer: core::ptr::from_mut(info) as u64,
    };
    // SAFETY: the structure is that of the command; the kernel writes no more than `len` bytes,
    // which are integers, and to the room for numbers that the callers here point to.
    unsafe { bpf(Command::ObjectInfo, &mut order) }.map(drop)
}

/// Calls the kernel.
///
/// # Safety
///
/// `T` must be the structure that the command reads, or its beginning, with all that the kernel
/// writes to; and what it points to must live and be as long as the command takes it to be.
unsafe fn bpf<T>(command: Command, order: &mut T) -> io::Result<c_int> {
    let length = size_of::<T>();
    let order = core::ptr::from_mut(order);
    // SAFETY: as the caller promises; the structure lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command as c_long, order, length) };
    c_int::try_from(result).ok().filter(|&result| result >= 0).ok_or_else(io::Error::last_os_error)
}

/// Takes over a descriptor that a command has just returned.
fn descriptor(number: c_int) -> OwnedFd {
    // SAFETY: the kernel has just opened it for us, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

fn is_there(result: io::Result<c_int>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns a name in the room that the kernel has for one; the last byte stays zero.
fn name(name: &CStr) -> [u8; 16] {
    let mut room = [0; 16];
    for (place, &byte) in room.iter_mut().take(15).zip(name.to_bytes()) {
        *place = byte;
    }
    room
}

fn text(name: [u8; 16]) -> String {
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}
