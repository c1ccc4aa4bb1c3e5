//! Who accepts connections closes idle ones before who opened them lets them go.

use halfopen_core::fact::Term;
use halfopen_core::time::brief;

use super::{Rule, above, below, keepalive_cannot_help};
use crate::finding::{Finding, Level};
use crate::path::{Leg, Path, Role, for_how_long};

pub(super) static RULE: Rule = Rule {
    id: "timeout-order",
    title: "the end nearer the server closes idle connections first",
    level: Level::Warning,
    why: "Each timer must be longer the nearer it is to the server. Where the far end's is the \
          shorter one, its FIN can cross a request that is just being sent: a client sees a reset \
          or an end without a response, and a balancer answers with 502. It takes a request \
          within a round trip of the timer's end, so it happens now and then, under load every \
          day.",
    fix: "Let the server keep idle connections for longer than whoever opens them: five seconds \
          more than the balancer's idle timeout, or let the client give them up earlier.",
    source: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/\
             load-balancer-troubleshooting.html",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    path.legs().filter_map(|leg| on(&leg)).collect()
}

fn on(leg: &Leg<'_>) -> Option<Finding> {
    let (opener, opens) = leg.opener;
    let (acceptor, accepts) = leg.acceptor?;
    let idle = opens.idle.as_ref()?;
    let limit = accepts.idle.as_ref()?;
    let Term::After(time) = limit.value else { return None };
    // A box that forgets earlier is what comes about first, and is found by another rule.
    let is_forgotten_first =
        leg.first_to_forget().is_some_and(|(_, forgets)| forgets.after.value <= time);
    if idle.value <= limit.value
        || is_forgotten_first
        || leg.agrees()
        || keepalive_cannot_help::relied_on(leg).is_some()
    {
        return None;
    }
    let message = format!(
        "{} keeps idle connections {}, and {} closes them after {}: a request can meet the FIN",
        opener.called(),
        for_how_long(idle.value),
        acceptor.called(),
        brief(time)
    );
    // What a user can set is the server behind a balancer, and the client before one.
    let (stated, fix) = match idle.value {
        Term::After(kept) if matches!(opener.role, Role::Edge | Role::Proxy) => (
            limit,
            format!("let {} keep idle connections for {}", acceptor.called(), brief(above(kept))),
        ),
        Term::After(_) | Term::Never => {
            (idle, format!("keep idle connections for {} at most", brief(below(time))))
        }
    };
    let setting = stated.setting().map_or(String::new(), |setting| format!(" ({setting})"));
    let finding = Finding::new(&RULE, stated, message, format!("{fix}{setting}"));
    let kept = format!("{} keeps them {}", opener.called(), for_how_long(idle.value));
    let closed = format!("{} closes them after {}", acceptor.called(), brief(time));
    Some(if core::ptr::eq(stated, limit) {
        finding.with(idle, kept)
    } else {
        finding.with(limit, closed)
    })
}
