//! What a gateway counts, with the meaning of AWS's metrics for NAT gateways
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/metrics-dimensions-nat-gateway.html>).

use super::mapping::Phase;
use crate::hop::Side;
use crate::wire::Packet;

/// What a gateway has counted since it was made. "Source" is inside, "destination" outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// `ActiveConnectionCount`: TCP connections that are open or half closed at the moment.
    pub active_connections: u64,
    /// `ConnectionAttemptCount`: TCP connections that an end tried to open.
    pub connection_attempts: u64,
    /// `ConnectionEstablishedCount`: TCP connections whose handshake was completed. AWS
    /// counts retransmitted SYNs too, this does not.
    pub connections_established: u64,
    /// `IdleTimeoutCount`: TCP connections that were open, idle, and so forgotten.
    pub idle_timeouts: u64,
    /// `ErrorPortAllocation`: flows that found no external port.
    pub port_allocation_errors: u64,
    /// `PacketsDropCount`: packets that were not passed on.
    pub packets_dropped: u64,
    /// `PacketsInFromSource`, `BytesInFromSource`.
    pub in_from_source: Traffic,
    /// `PacketsOutToDestination`, `BytesOutToDestination`.
    pub out_to_destination: Traffic,
    /// `PacketsInFromDestination`, `BytesInFromDestination`.
    pub in_from_destination: Traffic,
    /// `PacketsOutToSource`, `BytesOutToSource`.
    pub out_to_source: Traffic,
}

/// Packets and their bytes, IP headers included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Counters {
    pub(super) fn came(&mut self, side: Side, packet: &Packet) {
        match side {
            Side::Inside => self.in_from_source.add(packet),
            Side::Outside => self.in_from_destination.add(packet),
        }
    }

    pub(super) fn left(&mut self, side: Side, packet: &Packet) {
        match side {
            Side::Inside => self.out_to_source.add(packet),
            Side::Outside => self.out_to_destination.add(packet),
        }
    }

    /// Notes that a flow went from one phase to another.
    pub(super) fn moved(&mut self, from: Phase, to: Phase) {
        if from.is_active() && !to.is_active() {
            self.active_connections -= 1;
        } else if to.is_active() && !from.is_active() {
            self.active_connections += 1;
        }
        if from == Phase::Opening && to == Phase::Established {
            self.connections_established += 1;
        }
    }
}

impl Traffic {
    fn add(&mut self, packet: &Packet) {
        self.packets += packet.count() as u64;
        self.bytes += packet.total_len() as u64;
    }
}
