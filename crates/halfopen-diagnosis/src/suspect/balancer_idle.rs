//! The idle timeout of a balancer.

use halfopen_core::cause::{Culprit, Mechanism};

use super::{Case, Opinion, Suspect};
use crate::account::presence::Said;

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::BalancerIdle);
    let path = case.path;
    if let Some(Said::NeverCame { before }) = case.account.map(|it| &it.presence.balancer)
        && case.is_forgotten()
    {
        let fact = "the balancer's last request before the one that it does not have".to_owned();
        return it
            .ruled_out(
                "its log has every request that was answered and none that failed, and it closes \
                 with a FIN, which did not come"
                    .to_owned(),
            )
            .shown_by(vec![before.seen(fact)]);
    }
    match (path.mechanism, path.culprit) {
        (Some(Mechanism::ResetOnReuse | Mechanism::SilentDrop), Culprit::Hop)
            if case.is_forgotten() =>
        {
            it.ruled_out("a balancer closes an idle connection with a FIN; none came".to_owned())
        }
        _ if case.has_pauses() => {
            it.possible("connections ended after a pause".to_owned()).settled_by(
                "the balancer's access log of that time would show whether the requests came",
                None,
            )
        }
        _ => it.cannot_tell(),
    }
}
