//! Random paths: the bracket contains the truth, and so does the mechanism.
//!
//! `SWARM_COUNT=n` measures more or fewer paths than usual, `SWARM_SEED=n` begins with that seed
//! and measures only it unless a count is given.

use std::fmt::Write as _;

use halfopen_core::cause::{Culprit, Mechanism};
use halfopen_core::idle::{OnExpiry, OnOrphan, Refresh, Told};
use halfopen_core::rng::Rng;
use halfopen_core::time::Duration;
use halfopen_measure::answer::{Class, Outcome};
use halfopen_measure::plan::Plan;
use halfopen_measure::settings::Settings;

use crate::scene::{Middle, Run, Scene};

/// How many paths are measured where nobody asks for more or fewer.
const COUNT: u64 = 100;
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(2);
/// What a measurement may carry.
const BYTES_MAX: u64 = 1 << 20;

/// What is true of a path, as far as it can be seen from its inside end.
#[derive(Clone, Copy, Debug)]
struct Truth {
    limit: Option<(Duration, Mechanism)>,
    is_peers: bool,
    class: Class,
}

#[test]
fn random_paths_are_measured_right() {
    let mut wrongs = String::new();
    let (mut bytes, mut packets, mut late) = (0, 0, Duration::ZERO);
    for seed in seeds() {
        let (scene, truth) = draw(seed);
        let settings =
            Settings { up_to: LONGEST + Duration::from_mins(1), seed, ..Settings::default() };
        let run = scene.measure(settings);
        if let Err(wrong) = check(&settings, &truth, &run) {
            let _ = writeln!(wrongs, "seed {seed}: {wrong}\n  {truth:?}\n  {scene:?}");
        }
        (bytes, packets) = (run.bytes.max(bytes), run.packets.max(packets));
        if let Some((limit, _)) = truth.limit {
            late = late.max(run.finding.effort.took.saturating_sub(limit));
        }
    }
    #[expect(clippy::print_stderr, reason = "shown to who asks for it")]
    {
        eprintln!("at most {bytes} bytes, {packets} packets, {late:?} after the limit");
    }
    assert!(wrongs.is_empty(), "{wrongs}");
}

fn check(settings: &Settings, truth: &Truth, run: &Run) -> Result<(), String> {
    let found = &run.finding;
    if run.bytes > BYTES_MAX {
        return Err(format!("{} bytes", run.bytes));
    }
    let Some((limit, mechanism)) = truth.limit else {
        return match &found.outcome {
            Outcome::AtLeast { .. } => Ok(()),
            other @ (Outcome::Limit(_) | Outcome::Inconclusive { .. }) => Err(format!("{other:?}")),
        };
    };
    let Outcome::Limit(shown) = &found.outcome else {
        return Err(format!("{:?} {:?} {:?}", found.outcome, found.remarks, found.effort));
    };
    let last = &found.samples[found.samples.len().saturating_sub(20)..];
    let wrong = |what: &str| Err(format!("{what} {shown:?} {:?}\n  {last:?}", found.effort));
    if limit <= shown.survived || shown.died < limit {
        return wrong("not within");
    }
    if shown.died > shown.survived + settings.precision {
        return wrong("wide");
    }
    if shown.mechanism != mechanism {
        return wrong("another mechanism");
    }
    if shown.closer == Culprit::Peer && !truth.is_peers
        || shown.closer == Culprit::Hop && truth.is_peers
    {
        return wrong("another closer");
    }
    if found.class != Class::Unknown && found.class != truth.class {
        return wrong(&format!("{:?}", found.class));
    }
    let by = Plan::new(*settings).map_err(|error| error.to_string())?.answer_by(limit);
    if found.effort.took > by {
        return wrong(&format!("later than {by:?}"));
    }
    Ok(())
}

/// Returns a path and what is true of it.
fn draw(seed: u64) -> (Scene, Truth) {
    let mut rng = Rng::new(seed);
    let limit = between(&mut rng, SHORTEST, LONGEST);
    let told = *rng.pick(&[Told::Inside, Told::Outside, Told::Both]);
    let silent = OnExpiry::Silent;
    let expiries = [silent, silent, silent, OnExpiry::Reset(told), OnExpiry::Fin(told)];
    let on_expiry = *rng.pick(&expiries);
    let translates = rng.chance(0.5);
    let orphans = [OnOrphan::Drop, OnOrphan::Reset, OnOrphan::Unreachable, OnOrphan::Adopt];
    // Where the far end is told and the path takes up what it forgot, the far end decides.
    let adopts = !translates
        && !matches!(on_expiry, OnExpiry::Reset(Told::Outside) | OnExpiry::Fin(Told::Outside));
    let on_orphan = orphans[rng.index(if adopts { 4 } else { 3 })];
    let refresh = Refresh { by_outside: rng.chance(0.7), by_empty_segments: rng.chance(0.7) };
    let middle = Middle { translates, refresh, ..Middle::forgetting(limit, on_expiry, on_orphan) };
    let mut scene = Scene::new(vec![middle]);
    scene.delay = Duration::from_millis(1 + rng.below(40));
    if rng.chance(0.5) {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        {
            scene.loss = rng.below(25) as f64 / 1e3;
        }
    }
    let own = match rng.below(4) {
        0 => Some(between(&mut rng, SHORTEST, limit)).filter(|own| *own * 10 < limit * 9),
        1 => Some(limit * 2),
        _ => None,
    };
    scene.server.keeps = own;
    scene.server.resets = rng.chance(0.3);
    let path = seen(on_expiry, on_orphan).map(|mechanism| (limit, mechanism));
    let of_server =
        if scene.server.resets { Mechanism::ResetAtExpiry } else { Mechanism::FinAtExpiry };
    // A box that takes up what it forgot lets the question through, and not what the server says
    // by itself.
    let is_mute =
        on_orphan == OnOrphan::Adopt && path.is_none() && own.is_some_and(|own| limit < own);
    let of_server = if is_mute { Mechanism::ResetOnReuse } else { of_server };
    let server = own.map(|own| (own, of_server));
    let first = path.into_iter().chain(server).min_by_key(|&(limit, _)| limit);
    let is_peers = first == server && server.is_some();
    let heeds = refresh.by_empty_segments && !is_peers;
    let class = if heeds { Class::Packets } else { Class::Data };
    (scene, Truth { limit: first, is_peers, class })
}

/// Returns how such a box shows that it has forgotten a connection.
fn seen(on_expiry: OnExpiry, on_orphan: OnOrphan) -> Option<Mechanism> {
    let on_use = match on_orphan {
        OnOrphan::Drop | OnOrphan::Unreachable => Some(Mechanism::SilentDrop),
        OnOrphan::Reset => Some(Mechanism::ResetOnReuse),
        OnOrphan::Adopt => None,
    };
    match on_expiry {
        OnExpiry::Silent | OnExpiry::Reset(Told::Outside) | OnExpiry::Fin(Told::Outside) => on_use,
        OnExpiry::Reset(Told::Inside | Told::Both) => Some(Mechanism::ResetAtExpiry),
        OnExpiry::Fin(Told::Inside | Told::Both) => Some(Mechanism::FinAtExpiry),
    }
}

/// Returns a duration between these, to the millisecond: each power of two as likely as another.
fn between(rng: &mut Rng, least: Duration, most: Duration) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a share to a millionth")]
    let share = rng.below(1_000_000) as f64 / 1e6;
    let secs = least.as_secs_f64() * (most.as_secs_f64() / least.as_secs_f64()).powf(share);
    Duration::from_secs_f64((secs * 1e3).round() / 1e3)
}

/// Returns the seeds that were asked for.
fn seeds() -> core::ops::Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test is told from outside how much to do")]
    let number = |name| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let (first, count) = (number("SWARM_SEED"), number("SWARM_COUNT"));
    let count = count.unwrap_or(if first.is_some() { 1 } else { COUNT });
    first.unwrap_or(0)..first.unwrap_or(0) + count
}
