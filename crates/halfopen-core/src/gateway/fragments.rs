//! Where later fragments go, which carry no ports: after the first of their packet.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::deadline::is_due;
use crate::flow::Protocol;
use crate::time::{Duration, Instant};
use crate::wire::View;

/// How many fragmented packets are followed at a time; the oldest gives way.
const PACKETS_MAX: usize = 1024;

/// RFC 1122 section 3.3.2: a packet is put together within 60 to 120 seconds or not at all.
const LIFETIME: Duration = Duration::from_mins(1);

/// What the fragments of one packet have in common (RFC 791 section 2.3).
type Name = (IpAddr, IpAddr, Protocol, u32);

/// The fragmented packets whose first fragment was forwarded.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    packets: BTreeMap<Name, (SocketAddr, Instant)>,
    order: VecDeque<Name>,
}

impl Fragments {
    /// Notes that the near end of the packet whose first fragment this is was translated to `to`.
    pub(super) fn follow(&mut self, first: View<'_>, to: SocketAddr, now: Instant) {
        let Some(name) = name(first) else { return };
        if self.packets.insert(name, (to, now + LIFETIME)).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > PACKETS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.packets.remove(&oldest);
        }
    }

    /// Returns what the near end of a later fragment is translated to.
    pub(super) fn find(&self, later: View<'_>, now: Instant) -> Option<SocketAddr> {
        let &(to, deadline) = self.packets.get(&name(later)?)?;
        (!is_due(deadline, now)).then_some(to)
    }
}

fn name(view: View<'_>) -> Option<Name> {
    Some((view.src(), view.dst(), view.protocol(), view.fragment()?.id))
}
