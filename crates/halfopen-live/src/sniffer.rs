//! Frames of an interface, as the kernel sees them pass.
//!
//! Frames come in blocks of a ring that the kernel shares with us, so that none is copied out of
//! it. On loopback every packet passes twice, out and in again; it is shown once. What the kernel
//! had no room for is counted. [`ANY`] stands for all interfaces together; a packet that passes two
//! of them, such as a bridge and its port, is then shown twice.

use core::ffi::c_int;
use core::mem::{offset_of, size_of};
use std::io;

use halfopen_capture::pcap::Link;
use halfopen_core::time::{Duration, Instant};

use crate::filter::Filter;
use crate::sys::packet::{Kind, PacketSocket, index_of};
use crate::sys::ring::{Ring, Size};

/// The name for all interfaces, those that are yet to come included, as tcpdump has it.
pub const ANY: &str = "any";

/// A block that is not full is handed over after this.
const RETIRE: Duration = Duration::from_millis(100);
/// The length of a block: 1 MiB.
const BLOCK_LEN: u32 = 1 << 20;

/// Frames of one interface.
#[derive(Debug)]
pub struct Sniffer {
    ring: Ring,
    interface: String,
    index: c_int,
    link: Link,
    statistics: Statistics,
}

/// What the kernel counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that passed the filter.
    pub packets: u64,
    /// Those among them for which there was no room.
    pub drops: u64,
    /// How often the ring was full.
    pub freezes: u64,
}

/// Why an interface cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such interface.
    #[error("there is no interface `{0}`")]
    NoInterface(String),
    /// The process may not see frames.
    #[error("no permission to see the packets of `{0}`: it takes CAP_NET_RAW")]
    Privilege(String),
    /// The kernel refused something else.
    #[error("cannot watch `{interface}`: {step}: {error}")]
    Kernel {
        /// The interface.
        interface: String,
        /// What was asked of the kernel.
        step: &'static str,
        /// What it said.
        error: io::Error,
    },
}

/// Frames that passed within a short time.
#[derive(Debug)]
pub struct Block<'a> {
    shared: crate::sys::ring::Block<'a>,
    link: Link,
    /// Whether packets of loopback are in it twice.
    twice: bool,
}

/// A frame as it passed.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When, by the system's clock.
    pub at: Instant,
    /// What its bytes begin with.
    pub link: Link,
    /// How many bytes it had.
    pub wire_len: usize,
    /// Its first bytes, as many as the filter keeps.
    pub bytes: &'a [u8],
}

impl Sniffer {
    /// Begins to watch an interface, with a ring of `blocks` MiB.
    ///
    /// This is what needs the capability `CAP_NET_RAW`; it can be given up afterwards.
    pub fn open(interface: &str, filter: &Filter, blocks: u32) -> Result<Self, Error> {
        let index = match index_of(interface) {
            Ok(index) => index,
            // packet(7): bound to no interface, a socket sees them all.
            Err(_) if interface == ANY => 0,
            Err(_) => return Err(Error::NoInterface(interface.to_owned())),
        };
        let failed = |step| move |error| refused(interface, step, error);
        let (socket, kind) = socket(interface, index)?;
        let link = match kind {
            Kind::Raw => Link::ETHERNET,
            Kind::Cooked => Link::RAW,
        };
        socket.attach(&filter.program(kind)).map_err(failed("the filter"))?;
        if socket.hardware().map_err(failed("its kind"))? == libc::ARPHRD_LOOPBACK {
            let ignored = socket.set_number(libc::PACKET_IGNORE_OUTGOING, 1);
            ignored.map_err(failed("to show packets once (since Linux 4.20)"))?;
        }
        let size = Size { blocks, block_len: BLOCK_LEN, retire: RETIRE };
        let ring = Ring::new(socket, size).map_err(failed("the ring"))?;
        ring.socket().bind(index, libc::ETH_P_ALL).map_err(failed("to bind to it"))?;
        let interface = interface.to_owned();
        Ok(Self { ring, interface, index, link, statistics: Statistics::default() })
    }

    /// Waits for frames, for at most `patience`; `None` if there was none.
    ///
    /// An interface that goes down is an error once; after that there is none until it is up again.
    pub fn next(&mut self, patience: Duration) -> io::Result<Option<Block<'_>>> {
        let (link, twice) = (self.link, self.index == 0);
        if !self.ring.is_ready() {
            self.ring.wait(patience)?;
        }
        Ok(self.ring.block().map(|block| Block { shared: block, link, twice }))
    }

    /// Returns what the kernel has counted so far.
    pub fn statistics(&mut self) -> io::Result<Statistics> {
        let (packets, drops, freezes) = self.ring.statistics()?;
        self.statistics.packets += u64::from(packets);
        self.statistics.drops += u64::from(drops);
        self.statistics.freezes += u64::from(freezes);
        Ok(self.statistics)
    }

    /// Tells whether the interface is still there; another of the same name is not it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.index == 0 || index_of(&self.interface).is_ok_and(|index| index == self.index)
    }
}

/// Opens a socket for the kind of frames that the interface has, bound to it without a protocol.
fn socket(interface: &str, index: c_int) -> Result<(PacketSocket, Kind), Error> {
    let failed = |error| refused(interface, "a socket", error);
    let open = |kind| {
        let socket = PacketSocket::open(kind).map_err(failed)?;
        socket.bind(index, 0).map_err(failed)?;
        Ok(socket)
    };
    if index == 0 {
        return Ok((open(Kind::Cooked)?, Kind::Cooked));
    }
    let socket = open(Kind::Raw)?;
    match socket.hardware().map_err(failed)? {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Ok((socket, Kind::Raw)),
        _ => Ok((open(Kind::Cooked)?, Kind::Cooked)),
    }
}

fn refused(interface: &str, step: &'static str, error: io::Error) -> Error {
    let interface = interface.to_owned();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Error::Privilege(interface);
    }
    Error::Kernel { interface, step, error }
}

const BLOCK_HEADER: usize = offset_of!(libc::tpacket_block_desc, hdr);
const PACKETS: usize = BLOCK_HEADER + offset_of!(libc::tpacket_hdr_v1, num_pkts);
const FIRST: usize = BLOCK_HEADER + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt);

impl Block<'_> {
    /// Returns the frames in the order in which they passed.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let bytes = self.shared.bytes();
        let count = word(bytes, PACKETS);
        let mut at = word(bytes, FIRST) as usize;
        let frames = (0..count).map_while(move |_| {
            let header = bytes.get(at..)?.first_chunk()?;
            let again = self.twice && is_on_its_way_into_loopback(bytes, at);
            let (frame, next) = frame(bytes, at, header, self.link)?;
            at += next;
            Some((!again).then_some(frame))
        });
        frames.flatten()
    }
}

/// Tells whether the frame whose header stands at `at` leaves by loopback, from where it comes in
/// again. Behind the header stands the frame's `sockaddr_ll` (`packet_mmap.rst`).
fn is_on_its_way_into_loopback(bytes: &[u8], at: usize) -> bool {
    let address = at + size_of::<libc::tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);
    let kind = bytes.get(address + offset_of!(libc::sockaddr_ll, sll_pkttype));
    let hardware = address + offset_of!(libc::sockaddr_ll, sll_hatype);
    kind == Some(&libc::PACKET_OUTGOING)
        && bytes.get(hardware..hardware + 2) == Some(&libc::ARPHRD_LOOPBACK.to_ne_bytes())
}

/// Reads the frame whose header stands at `at`, and the distance to the next.
fn frame<'a>(
    bytes: &'a [u8],
    at: usize,
    header: &[u8; size_of::<libc::tpacket3_hdr>()],
    link: Link,
) -> Option<(Frame<'a>, usize)> {
    let of = |field| word(header, field);
    let next = of(offset_of!(libc::tpacket3_hdr, tp_next_offset)) as usize;
    let secs = u64::from(of(offset_of!(libc::tpacket3_hdr, tp_sec)));
    let nanos = u64::from(of(offset_of!(libc::tpacket3_hdr, tp_nsec)));
    let kept = of(offset_of!(libc::tpacket3_hdr, tp_snaplen)) as usize;
    let wire_len = of(offset_of!(libc::tpacket3_hdr, tp_len)) as usize;
    let mac = offset_of!(libc::tpacket3_hdr, tp_mac);
    let start = at + usize::from(u16::from_ne_bytes([header[mac], header[mac + 1]]));
    let bytes = bytes.get(start..start + kept)?;
    let at = Instant::from_nanos(secs * 1_000_000_000 + nanos);
    Some((Frame { at, link, wire_len, bytes }, next))
}

/// Reads a number of 32 bits in the machine's byte order; zero beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes)
}
