//! Too much work for somebody on the path.

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::Overload);
    // AWS, "Troubleshoot your Application Load Balancers": 503 without a healthy target, 504 from
    // a target that does not answer in time.
    let busy = |status: u16| status == 503 || status == 504;
    let arrivals = case.view.balanced.list.iter();
    let busy = arrivals.filter(|arrival| arrival.status.is_some_and(busy));
    let seen: Vec<_> = busy
        .take(3)
        .map(|it| it.seen(format!("the balancer answers {}", it.status.unwrap_or_default())))
        .collect();
    if !seen.is_empty() {
        return it
            .possible("the balancer's targets did not answer in time".to_owned())
            .shown_by(seen);
    }
    if case.is_forgotten() {
        let why = "only connections that had been idle failed, and others were answered at once";
        return it.ruled_out(why.to_owned());
    }
    it.cannot_tell()
}
