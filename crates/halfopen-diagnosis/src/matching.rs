//! Which products fit what was seen of a path's limits.
//!
//! A limit shows in one way: by how a forgotten connection ends, or by the far end's closing.
//! What shows in two ways is two limits, and so two boxes or a box and a server. A product fits a
//! limit if its timer lies where the limit does, and if it behaves so. Fitting is no proof: most
//! timers can be set, and most are not.

use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::fact::{Confidence, Fact, Source};
use halfopen_core::idle::{IdlePolicy, OnExpiry, OnOrphan};
use halfopen_core::profile::Profile;
use halfopen_core::server::Server;
use halfopen_core::time::Duration;

use halfopen_capture::Closings;

/// Timers are coarse, and so are pauses seen from outside: both by this much.
const COARSE: Duration = Duration::from_secs(1);
/// And by this share of the timer.
const COARSE_SHARE: f64 = 0.02;

/// A limit on how long a connection may be idle, as it showed itself.
#[derive(Clone, Debug)]
pub struct Limit {
    /// How it showed.
    pub shows: Shows,
    /// The longest pause survived below it.
    pub survived: Option<Duration>,
    /// The shortest pause that met it.
    pub met: Duration,
    /// Products that fit, those whose values are best founded first.
    pub fits: Vec<Fit>,
}

/// How a limit shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shows {
    /// Connections were forgotten, and ended so; `None` while a request waited for its response.
    Forgotten(Option<Mechanism>),
    /// The far end closed connections in the open.
    FarEndCloses,
}

/// A product that fits a limit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The name of its file: `aws-nat-gateway`.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its timer by default.
    pub timer: Duration,
    /// Whether TCP keepalive probes start the timer again; a timer of requests does not know them.
    pub heeds_keepalive: bool,
    /// How sure the timer's value is.
    pub confidence: Confidence,
    /// Where the value was read.
    pub source: Source,
    /// What sets it, if anything does.
    pub setting: Option<String>,
}

/// What was seen of a path's limits.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The ways in which connections were forgotten, each with the shortest pause; see [`Shows`].
    pub deaths: &'a [(Option<Mechanism>, Duration)],
    /// Who forgot them.
    pub culprit: Culprit,
    /// The longest pause that a connection survived below the shortest that one died of.
    pub survived: Option<Duration>,
    /// After which pauses the far end closed idle connections.
    pub closings: Option<Closings>,
}

/// Returns the limits that show, the one met first first, with the products that fit each.
#[must_use]
pub fn limits(seen: &Observed<'_>) -> Vec<Limit> {
    let mut limits: Vec<Limit> =
        seen.deaths.iter().map(|&(mechanism, died)| forgotten(mechanism, died, seen)).collect();
    limits.extend(seen.closings.and_then(far_end));
    limits.sort_by_key(|limit| (limit.met, limit.shows));
    limits
}

fn forgotten(mechanism: Option<Mechanism>, died: Duration, seen: &Observed<'_>) -> Limit {
    let survived = seen.survived.filter(|&survived| survived < died);
    let by_a_box = matches!(seen.culprit, Culprit::Hop | Culprit::Unknown);
    let profiles = Profile::names().filter(|_| by_a_box).filter_map(Profile::shipped);
    let mut fits: Vec<Fit> = profiles
        .filter_map(|profile| {
            let policy = profile.gateway(Vec::new())?.idle;
            let timer = policy.timers.tcp_established?;
            let ends = ends_by(&policy)?;
            let fits = mechanism.is_none_or(|mechanism| mechanism == ends)
                && timer + tolerance(timer) > survived.unwrap_or_default()
                && timer <= died + tolerance(timer)
                && (!tells_the_time(ends) || near(timer, died));
            let fact = profile.fact("timers.tcp-established").filter(|_| fits)?;
            let heeds = policy.refresh.by_empty_segments;
            Some(Fit::new(&profile.name, &profile.title, timer, heeds, fact))
        })
        .collect();
    sort(&mut fits);
    Limit { shows: Shows::Forgotten(mechanism), survived, met: died, fits }
}

/// Returns the far end's own timer, if its closings come from one.
fn far_end(closings: Closings) -> Option<Limit> {
    if !near(closings.shortest, closings.longest) {
        return None;
    }
    let met = closings.shortest;
    let servers = Server::names().filter_map(Server::shipped).filter_map(|server| {
        let timer = server.keep_alive.filter(|&timer| near(timer, met))?;
        let fact = server.fact("keep-alive")?;
        Some(Fit::new(&server.name, &server.title, timer, false, fact))
    });
    let balancers = Profile::names().filter_map(Profile::shipped).filter_map(|profile| {
        let timer = profile.balancer()?.idle_timeout;
        let fact = profile.fact("idle-timeout").filter(|_| near(timer, met))?;
        Some(Fit::new(&profile.name, &profile.title, timer, false, fact))
    });
    let mut fits: Vec<Fit> = balancers.chain(servers).collect();
    sort(&mut fits);
    Some(Limit { shows: Shows::FarEndCloses, survived: None, met, fits })
}

fn sort(fits: &mut [Fit]) {
    fits.sort_by(|one, other| (one.confidence, &one.name).cmp(&(other.confidence, &other.name)));
}

/// Returns how a connection ends that a box of this policy has forgotten, if it ends at all.
fn ends_by(policy: &IdlePolicy) -> Option<Mechanism> {
    match (policy.on_expiry, policy.on_orphan_inside) {
        (OnExpiry::Reset(_), _) => Some(Mechanism::ResetAtExpiry),
        (OnExpiry::Fin(_), _) => Some(Mechanism::FinAtExpiry),
        (OnExpiry::Silent, OnOrphan::Reset) => Some(Mechanism::ResetOnReuse),
        (OnExpiry::Silent, OnOrphan::Drop | OnOrphan::Unreachable) => Some(Mechanism::SilentDrop),
        (OnExpiry::Silent, OnOrphan::Adopt) => None,
    }
}

/// Tells whether a connection ends the moment the timer does, so that the pause is the timer.
const fn tells_the_time(mechanism: Mechanism) -> bool {
    matches!(mechanism, Mechanism::ResetAtExpiry | Mechanism::FinAtExpiry)
}

fn near(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= tolerance(one.max(other))
}

fn tolerance(timer: Duration) -> Duration {
    COARSE.max(timer.mul_f64(COARSE_SHARE))
}

impl Fit {
    fn new(name: &str, title: &str, timer: Duration, heeds_keepalive: bool, fact: &Fact) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            timer,
            heeds_keepalive,
            confidence: fact.confidence,
            source: fact.source.clone(),
            setting: fact.how_to_set(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Observed<'_> =
        Observed { deaths: &[], culprit: Culprit::Hop, survived: None, closings: None };

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn names(limit: &Limit) -> Vec<&str> {
        limit.fits.iter().map(|fit| fit.name.as_str()).collect()
    }

    fn reset_on_reuse(survived: Option<u64>, died: u64, culprit: Culprit) -> Vec<Limit> {
        let deaths = [(Some(Mechanism::ResetOnReuse), secs(died))];
        limits(&Observed { deaths: &deaths, culprit, survived: survived.map(secs), ..NOTHING })
    }

    #[test]
    fn a_narrow_bracket_leaves_the_gateways_that_reset_after_350_s() {
        let limits = reset_on_reuse(Some(346), 354, Culprit::Hop);
        assert_eq!(names(&limits[0]), ["aws-nat-gateway", "aws-nlb"]);
        assert!(limits[0].fits.iter().all(|fit| fit.heeds_keepalive));
    }

    #[test]
    fn a_wide_bracket_leaves_more() {
        let limits = reset_on_reuse(None, 1200, Culprit::Hop);
        assert_eq!(names(&limits[0]), ["aws-nat-gateway", "aws-nlb", "azure-nat-gateway"]);
    }

    #[test]
    fn a_pause_survived_rules_out_the_shorter_timers() {
        assert_eq!(names(&reset_on_reuse(Some(400), 1200, Culprit::Hop)[0]), [""; 0]);
    }

    #[test]
    fn no_box_fits_what_the_far_end_itself_did() {
        assert_eq!(names(&reset_on_reuse(None, 1200, Culprit::Peer)[0]), [""; 0]);
    }

    #[test]
    fn a_box_that_tells_at_expiry_fits_only_at_its_timer() {
        let at = |died| {
            let deaths = [(Some(Mechanism::ResetAtExpiry), secs(died))];
            limits(&Observed { deaths: &deaths, ..NOTHING })
        };
        assert_eq!(names(&at(240)[0]), ["azure-load-balancer-tcp-reset"]);
        assert_eq!(names(&at(300)[0]), [""; 0]);
    }

    #[test]
    fn a_far_end_that_always_closes_after_5_s_has_the_habit_of_several_servers() {
        let closings = Closings { count: 3, shortest: secs(5), longest: secs(5) };
        let limits = limits(&Observed { closings: Some(closings), ..NOTHING });
        assert_eq!(limits[0].shows, Shows::FarEndCloses);
        assert_eq!(names(&limits[0]), ["apache-httpd", "uvicorn", "node-http-server"]);
    }

    #[test]
    fn closings_without_a_pattern_are_no_timer() {
        let closings = Closings { count: 2, shortest: secs(5), longest: secs(40) };
        assert!(limits(&Observed { closings: Some(closings), ..NOTHING }).is_empty());
    }

    #[test]
    fn two_ways_of_ending_are_two_boxes() {
        let deaths =
            [(Some(Mechanism::ResetOnReuse), secs(360)), (Some(Mechanism::SilentDrop), secs(1300))];
        let closings = Closings { count: 2, shortest: secs(60), longest: secs(60) };
        let seen = Observed { deaths: &deaths, closings: Some(closings), ..NOTHING };
        let shown: Vec<Shows> = limits(&seen).iter().map(|limit| limit.shows).collect();
        let forgotten = [Mechanism::ResetOnReuse, Mechanism::SilentDrop]
            .map(|mechanism| Shows::Forgotten(Some(mechanism)));
        assert_eq!(shown, [Shows::FarEndCloses, forgotten[0], forgotten[1]]);
    }
}
