//! No port was left for one more connection.

use halfopen_core::cause::Cause;

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::PortExhaustion);
    // AWS, "NAT gateway metrics": how often no source port could be allocated.
    let counted = case.points("ErrorPortAllocation", "the gateway had no port to allocate");
    if case.path.cause == Cause::PortExhaustion {
        return it.confirmed("connections could not be opened".to_owned()).shown_by(counted);
    }
    if !counted.is_empty() {
        return it.possible("the gateway had no ports left at times".to_owned()).shown_by(counted);
    }
    if case.view.has_points("ErrorPortAllocation") {
        return it.ruled_out("the gateway always had a port to allocate".to_owned());
    }
    if case.is_forgotten() {
        return it.ruled_out("connections that were open died, and new ones opened".to_owned());
    }
    it.cannot_tell()
}
