//! Every client on a path through every product: what happens after the worst pause.

use core::fmt;

use halfopen_core::profile::Profile;
use halfopen_core::scenario::Scenario;
use halfopen_core::time::Duration;

use crate::reproduce;
use crate::sweep::series::{Answer, Lane};
use crate::sweep::words::{Kind, Span};
use crate::sweep::{self, Band, glance};

/// The longest pause.
pub const UP_TO: Duration = Duration::from_hours(2);

/// What happens after the worst pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worst {
    /// What becomes of the request.
    pub answer: Answer,
    /// After which pauses.
    pub when: When,
}

/// Which pauses have the worst outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// Those from this one on, to within a second.
    From(Duration),
    /// Those from one to the other, to within a second each.
    Between(Duration, Duration),
}

/// Returns a path through a product, between hosts of which neither closes a connection by itself:
/// ten milliseconds, and twenty for an answer.
#[must_use]
pub fn through(profile: &Profile) -> Scenario {
    let kind = if profile.balancer().is_some() { "balancer" } else { "gateway" };
    let checks = if profile.balancer().is_some() { "balancer.health-checks = false" } else { "" };
    let text = format!(
        r#"
title = "{title}"
about = "One product between a client and a far end."
run-for = "1min"
[client]
bursts-at = ["0s"]
requests = 1
[[path]]
link.delay = "5ms"
[[path]]
{kind}.profile = "{name}"
{checks}
[[path]]
link.delay = "5ms"
[far-end]
answers-after = "20ms"
[expect]
cause = "none"
harm = "none"
"#,
        title = profile.title,
        name = profile.name,
    );
    Scenario::parse(&profile.name, &text).expect("a test reads one for every profile")
}

/// Returns what happens to a client after the worst pause up to [`UP_TO`]; of several with the same
/// outcome, after the shortest.
pub fn worst(lane: &Lane) -> Result<Worst, sweep::Error> {
    let sweep = glance(lane, UP_TO)?;
    let bands = &sweep.bands;
    let badness = |band: &Band| (band.answer.kind(), band.answer.took.as_secs());
    let worst = bands.iter().map(badness).max();
    let place = bands.iter().position(|band| Some(badness(band)) == worst).unwrap_or(0);
    let boundary = |place: usize| {
        let (short, long) = (bands[place - 1].to, bands[place].from);
        // The two sides of a timer are as far from it. Closer together they are of a race.
        if long.abs_diff(short) < sweep::SIDES { long } else { (short + long) / 2 }
    };
    let when = match (place, place + 1 == bands.len()) {
        (0, true) => When::Always,
        (_, true) => When::From(boundary(place)),
        (0, false) => When::Between(Duration::ZERO, boundary(1)),
        (_, false) => When::Between(boundary(place), boundary(place + 1)),
    };
    Ok(Worst { answer: bands[place].answer, when })
}

/// Returns a lane through a product.
pub fn lane(profile: &Profile) -> Result<Lane, reproduce::Error> {
    Lane::of(&through(profile))
}

impl fmt::Display for Worst {
    /// Says it as a table does; what a user would see is in bold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Span(self.answer.took);
        let kind = self.answer.kind();
        match kind {
            Kind::Reused | Kind::Reopened => return write!(f, "{kind}"),
            Kind::Resent => write!(f, "resent")?,
            Kind::Fails => write!(f, "**fails**")?,
            Kind::Hangs => write!(f, "**hangs {took}**")?,
            Kind::Doubled => write!(f, "**doubled**")?,
        }
        match self.when {
            When::Always => Ok(()),
            When::From(pause) => write!(f, " ≥ {}", Span(pause)),
            When::Between(from, to) if to.abs_diff(from) < sweep::SIDES => {
                write!(f, " at {}", Span(from))
            }
            When::Between(from, to) => write!(f, " {} – {}", Span(from), Span(to)),
        }
    }
}
