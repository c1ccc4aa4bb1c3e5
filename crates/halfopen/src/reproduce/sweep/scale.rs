//! Where a pause stands on a chart on which short pauses have as much room as long ones.

use halfopen_core::time::Duration;

/// A logarithmic scale from nothing to the longest pause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    left: f64,
    width: f64,
    longest: f64,
}

/// What stands at an axis if there is room, in seconds.
const TICKS: [(u32, &str); 15] = [
    (0, "0 s"),
    (1, "1 s"),
    (3, "3 s"),
    (10, "10 s"),
    (30, "30 s"),
    (60, "1 min"),
    (180, "3 min"),
    (600, "10 min"),
    (1_800, "30 min"),
    (3_600, "1 h"),
    (7_200, "2 h"),
    (21_600, "6 h"),
    (86_400, "1 day"),
    (259_200, "3 days"),
    (864_000, "10 days"),
];

impl Scale {
    /// Returns a scale that begins at `left` and is that wide.
    pub(super) fn new(left: f64, width: f64, longest: Duration) -> Self {
        Self { left, width, longest: compressed(longest.as_secs_f64()).max(f64::EPSILON) }
    }

    /// Returns where a pause stands.
    pub(super) fn place(&self, pause: Duration) -> f64 {
        self.of_secs(pause.as_secs_f64())
    }

    /// Returns what stands at the axis, and where.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, &'static str)> {
        let end = self.left + self.width;
        let places = TICKS.map(|(secs, words)| (self.of_secs(f64::from(secs)), words));
        places.into_iter().filter(move |(place, _)| *place <= end + 0.5)
    }

    fn of_secs(&self, secs: f64) -> f64 {
        self.left + self.width * compressed(secs) / self.longest
    }
}

/// The logarithm, but that nothing stays nothing.
fn compressed(secs: f64) -> f64 {
    secs.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_stands_between_the_ends_and_the_ticks_are_those_that_fit() {
        let longest = Duration::from_hours(2);
        let scale = Scale::new(20.0, 800.0, longest);
        assert!((scale.place(Duration::ZERO) - 20.0).abs() < 1e-9);
        assert!((scale.place(longest) - 820.0).abs() < 1e-9);
        assert_eq!(scale.ticks().last().map(|(_, words)| words), Some("2 h"));
    }
}
