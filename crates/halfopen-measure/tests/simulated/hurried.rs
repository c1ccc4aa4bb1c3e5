//! What a measurement takes if it may open as many connections as it likes.

use halfopen_core::idle::{OnExpiry, OnOrphan};
use halfopen_core::time::Duration;
use halfopen_measure::answer::Outcome;
use halfopen_measure::settings::Settings;

use crate::scene::{Middle, Scene};

/// The limit is known so long after it has passed.
const LATE: Duration = Duration::from_secs(5);

/// As many connections as there are seconds, all opened in half of one.
fn hurried(up_to: Duration) -> Settings {
    let connections_max = u32::try_from(up_to.as_secs()).unwrap() * 5 / 4 + 60;
    let opens_per_second = connections_max * 4;
    Settings { up_to, connections_max, opens_per_second, ..Settings::default() }
}

#[test]
fn with_as_many_connections_as_seconds_the_limit_is_known_five_seconds_after_it() {
    for (limit, on_orphan) in [
        (5_370, OnOrphan::Drop),
        (31_950, OnOrphan::Reset),
        (300_420, OnOrphan::Drop),
        (1_199_690, OnOrphan::Drop),
        (3_599_010, OnOrphan::Reset),
    ] {
        let truth = Duration::from_millis(limit);
        let path = Scene::new(vec![Middle::forgetting(truth, OnExpiry::Silent, on_orphan)]);
        let run = path.measure(hurried(Duration::from_hours(1)));
        let Outcome::Limit(found) = &run.finding.outcome else { panic!("{:?}", run.finding) };
        assert!(found.survived < truth && truth <= found.died, "{truth:?} is not in {found:?}");
        assert!(found.died <= found.survived + Duration::from_secs(1), "{found:?}");
        let took = run.finding.effort.took;
        assert!(took <= truth + LATE, "{took:?} for {truth:?}, {} bytes", run.bytes);
    }
}
