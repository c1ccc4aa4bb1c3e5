//! A setting changes nothing.

use halfopen_core::tcp::Keepalive;
use halfopen_core::time::brief;

use super::Rule;
use crate::finding::{Finding, Level, Related};
use crate::path::{Leg, Path, Probes, WithoutEffect};

pub(super) static RULE: Rule = Rule {
    id: "setting-without-effect",
    title: "a setting does not do what it seems to",
    level: Level::Warning,
    why: "Somebody has set a timer, and nothing comes of it: it is below what the program takes, \
          it needs another setting to work, or it belongs to another kind of product. Keepalive \
          without a time is of this kind as well: the system's two hours are longer than any \
          cloud remembers.",
    fix: "Set what makes it work, as the finding says, or take it out, so that nobody relies on \
          it.",
    source: "https://github.com/boto/botocore/issues/2916",
    find,
};

fn find(path: &Path) -> Vec<Finding> {
    let stated = path.parts.iter().flat_map(|part| part.without_effect.iter().map(of));
    stated.chain(path.legs().filter_map(|leg| without_a_time(&leg))).collect()
}

fn of(setting: &WithoutEffect) -> Finding {
    let WithoutEffect { place, message, fix, source } = setting;
    Finding {
        rule: &RULE,
        level: RULE.level,
        path: String::new(),
        message: message.clone(),
        place: place.clone(),
        related: vec![Related {
            place: place.clone(),
            message: "the product's own page says so".to_owned(),
            source: Some(source.clone()),
        }],
        fix: fix.clone(),
    }
}

/// Finds keepalive that begins when the system says, where a box forgets earlier.
fn without_a_time(leg: &Leg<'_>) -> Option<Finding> {
    let probes = leg.opener.1.probes.as_ref()?;
    let (gate, forgets) = leg.first_to_forget()?;
    let after = forgets.after.value;
    let is_late = probes.value == Probes::AsSystem && after < Keepalive::LINUX.idle;
    if !is_late || leg.is_kept_for(after) == Some(false) {
        return None;
    }
    let message = format!(
        "{} switches TCP keepalive on without a time: the first probe comes after {}, and {} \
         forgets after {}",
        leg.opener.0.called(),
        brief(Keepalive::LINUX.idle),
        gate.called(),
        brief(after)
    );
    let fix = format!(
        "set its idle time to {} or less (TCP_KEEPIDLE, or net.ipv4.tcp_keepalive_time for all)",
        brief(after / 2)
    );
    let finding = Finding::new(&RULE, probes, message, fix);
    Some(finding.with(&forgets.after, format!("{} forgets after {}", gate.called(), brief(after))))
}
