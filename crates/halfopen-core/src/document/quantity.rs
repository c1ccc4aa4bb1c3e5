//! Quantities as people write them: durations with a unit, shares in per cent.

use core::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::time::Duration;

/// A duration that a document writes with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Humane(#[serde(deserialize_with = "duration")] pub(crate) Duration);

/// Reads a duration with its unit, such as `"350s"`, `"20min"` or `"5d"`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_str(DurationText)
}

/// Reads the same where the key may be missing; goes with `#[serde(default)]`.
pub(crate) fn optional_duration<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

/// Reads a share in per cent, such as `"0.5%"`, as a number from 0 to 1.
pub(crate) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_str(ShareText)
}

struct DurationText;

impl Visitor<'_> for DurationText {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with its unit, such as \"350s\" or \"20min\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text)
            .map_err(|why| E::custom(format_args!("`{text}` is not a duration: {why}")))
    }
}

struct ShareText;

impl Visitor<'_> for ShareText {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share in per cent, such as \"0.5%\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        number
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(|percent| percent / 100.0)
            .ok_or_else(|| E::custom(format_args!("`{text}` is not a share from 0% to 100%")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::read;

    #[derive(Debug, Deserialize)]
    struct Line {
        #[serde(default, deserialize_with = "optional_duration")]
        after: Option<Duration>,
        #[serde(default, deserialize_with = "share")]
        loss: f64,
    }

    fn message(text: &str) -> String {
        read::<Line>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_duration_carries_its_unit() {
        let after = |text: &str| read::<Line>(text).unwrap().after.unwrap();
        assert_eq!(after("after = \"350s\""), Duration::from_secs(350));
        assert_eq!(after("after = \"2h 4min\""), Duration::from_mins(124));
        assert_eq!(after("after = \"5d\""), Duration::from_hours(120));
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_where_it_stands() {
        assert_eq!(
            message("loss = \"1%\"\nafter = 350"),
            "line 2, column 9: invalid type: integer `350`, expected a duration with its unit, \
             such as \"350s\" or \"20min\""
        );
        assert!(message("after = \"350\"").contains("`350` is not a duration: time unit needed"));
        assert!(message("after = \"-1s\"").contains("`-1s` is not a duration"));
        assert!(message("after = \"99999999999999999999s\"").contains("is not a duration"));
    }

    #[test]
    fn a_share_is_a_number_from_zero_to_one_hundred_per_cent() {
        let loss = read::<Line>("loss = \"8%\"").unwrap().loss;
        assert!((loss - 0.08).abs() < 1e-12, "{loss}");
        for bad in ["8", "101%", "-1%", "nan%", "%"] {
            assert!(message(&format!("loss = \"{bad}\"")).contains("is not a share"), "{bad}");
        }
    }
}
