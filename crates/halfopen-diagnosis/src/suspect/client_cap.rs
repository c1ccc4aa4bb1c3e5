//! The client's own cap on how long it keeps idle connections.

use halfopen_core::cause::Culprit;

use super::{Case, Opinion, Suspect};

pub(super) fn judge(case: &Case<'_>) -> Opinion {
    let it = case.about(Suspect::ClientCap);
    match case.path.died.filter(|_| case.is_forgotten()) {
        Some(died) => it.ruled_out(format!(
            "the client kept connections for {} and used them again",
            super::brief(died)
        )),
        None if case.path.culprit == Culprit::Client => {
            it.possible("it was the client that closed or gave up".to_owned())
        }
        None => it.cannot_tell(),
    }
}
