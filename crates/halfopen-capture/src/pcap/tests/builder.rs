//! Captures as a writer of either byte order would write them.

use super::super::ByteOrder;

/// A capture being written.
#[derive(Clone)]
pub(super) struct Builder {
    order: ByteOrder,
    pub(super) bytes: Vec<u8>,
}

impl Builder {
    /// A classic file of version 2.4.
    pub(super) fn classic(order: ByteOrder, magic: u32, link: u32) -> Self {
        Self::classic_version(order, magic, link, 4)
    }

    pub(super) fn classic_version(order: ByteOrder, magic: u32, link: u32, minor: u16) -> Self {
        let mut builder = Self { order, bytes: Vec::new() };
        builder.u32(magic).u16(2).u16(minor).u32(0).u32(0).u32(65_535).u32(link);
        builder
    }

    /// A record of a classic file.
    pub(super) fn record(&mut self, time: (u32, u32), wire_len: u32, frame: &[u8]) -> &mut Self {
        self.u32(time.0).u32(time.1).u32(length(frame)).u32(wire_len).raw(frame)
    }

    /// A pcapng file or a section of one, without interfaces.
    pub(super) fn section(order: ByteOrder) -> Self {
        let mut builder = Self { order, bytes: Vec::new() };
        builder.block(0x0a0d_0d0a, |body| {
            body.u32(0x1a2b_3c4d).u16(1).u16(0).u32(u32::MAX).u32(u32::MAX);
        });
        builder
    }

    pub(super) fn interface(
        &mut self,
        link: u16,
        snap_len: u32,
        options: &[(u16, &[u8])],
    ) -> &mut Self {
        self.block(1, |body| {
            body.u16(link).u16(0).u32(snap_len);
            for (code, value) in options {
                body.u16(*code).u16(u16::try_from(value.len()).unwrap()).raw(value).pad();
            }
            if !options.is_empty() {
                body.u32(0);
            }
        })
    }

    pub(super) fn enhanced(
        &mut self,
        interface: u32,
        ticks: u64,
        wire_len: u32,
        frame: &[u8],
    ) -> &mut Self {
        self.block(6, |body| {
            body.u32(interface).ticks(ticks).u32(length(frame)).u32(wire_len).raw(frame).pad();
            body.u16(1).u16(3).raw(b"why").pad().u32(0); // a comment
        })
    }

    pub(super) fn simple(&mut self, wire_len: u32, frame: &[u8]) -> &mut Self {
        self.block(3, |body| {
            body.u32(wire_len).raw(frame).pad();
        })
    }

    /// The packet block that the enhanced one made obsolete.
    pub(super) fn obsolete(&mut self, interface: u16, ticks: u64, frame: &[u8]) -> &mut Self {
        self.block(2, |body| {
            body.u16(interface).u16(7).ticks(ticks).u32(length(frame)).u32(length(frame));
            body.raw(frame).pad();
        })
    }

    /// A block of any type, its lengths filled in.
    pub(super) fn block(&mut self, kind: u32, write: impl FnOnce(&mut Self)) -> &mut Self {
        let mut body = Self { order: self.order, bytes: Vec::new() };
        write(&mut body);
        let whole = length(&body.bytes) + 12;
        self.u32(kind).u32(whole).raw(&body.bytes).u32(whole)
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        match self.order {
            ByteOrder::Little => self.raw(&value.to_le_bytes()),
            ByteOrder::Big => self.raw(&value.to_be_bytes()),
        }
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        match self.order {
            ByteOrder::Little => self.raw(&value.to_le_bytes()),
            ByteOrder::Big => self.raw(&value.to_be_bytes()),
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    fn ticks(&mut self, ticks: u64) -> &mut Self {
        let [.., a, b, c, d] = ticks.to_be_bytes();
        self.u32(u32::try_from(ticks >> 32).unwrap()).u32(u32::from_be_bytes([a, b, c, d]))
    }

    fn pad(&mut self) -> &mut Self {
        let whole = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(whole, 0);
        self
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}
