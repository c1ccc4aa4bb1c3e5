//! A quantity that may be without end.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Error, IntoDeserializer as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

/// A quantity, or `"never"` for a time or `"any"` for a number that has no end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrNever<T>(pub(crate) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrNever<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OrNeverValue(PhantomData)).map(Self)
    }
}

struct OrNeverValue<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrNeverValue<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity, \"never\" or \"any\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        match text {
            "never" | "any" => Ok(None),
            text => T::deserialize(text.into_deserializer()).map(Some),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<T>, E> {
        T::deserialize(number.into_deserializer()).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}
