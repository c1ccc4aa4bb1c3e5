//! Who pays how much and when, and what is asked of the payment module for it.

use core::fmt;
use core::str::FromStr;

use crate::calendar::{Period, Schedule};
use crate::money::Money;
use crate::payment::order::AMOUNT_MAX;

/// What a subscription is called: 1 to 64 of the ASCII letters and digits, `.`, `_` and `-`.
///
/// It is part of the idempotency key, so a `:` is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(String);

impl SubscriptionId {
    const LENGTH_MAX: usize = 64;

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SubscriptionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned())).ok_or_else(|| Error::Id(text.to_owned()))
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who pays how much and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What it is called.
    pub id: SubscriptionId,
    /// What a period costs: 1 to [`AMOUNT_MAX`] of the currency's smallest unit.
    pub price: Money,
    /// When it is due.
    pub schedule: Schedule,
}

impl Subscription {
    /// Returns a subscription, unless it has a price that the payment module would not take.
    pub fn new(id: SubscriptionId, price: Money, schedule: Schedule) -> Result<Self, Error> {
        if !(1..=AMOUNT_MAX).contains(&price.minor) {
            return Err(Error::Price { id, price });
        }
        Ok(Self { id, price, schedule })
    }
}

/// One request for one period of a subscription, the first or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose.
    pub subscription: SubscriptionId,
    /// For what.
    pub period: Period,
    /// How much: the price when the period was first charged, whatever it is now, since a repeated
    /// request must be the same.
    pub amount: Money,
    /// The how manieth request for this period this is, from 1.
    pub attempt: u32,
    /// What is due after it.
    pub next: Period,
}

impl Charge {
    /// Returns its idempotency key, the same for every attempt: see [`key`].
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.subscription, &self.period.name)
    }
}

/// Returns the idempotency key of a subscription's period: `SUBSCRIPTION:PERIOD`.
///
/// It is made of nothing that a restart, another scheduler or a repaired database could change, and
/// no two periods have the same one, since neither part can hold a `:`.
#[must_use]
pub fn key(subscription: &SubscriptionId, period: &str) -> String {
    format!("{subscription}:{period}")
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The payment was made, by this request or by an earlier one of the same key.
    Paid {
        /// What the payment module calls the payment.
        payment: String,
    },
    /// The payment module will not make it, however often it is asked.
    Refused {
        /// Why.
        reason: String,
    },
    /// It may have been made or not: the request is to be repeated with the same key.
    Unknown {
        /// Why it is not known.
        reason: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paid { payment } => write!(f, "paid, payment {payment}"),
            Self::Refused { reason } => write!(f, "refused: {reason}"),
            Self::Unknown { reason } => write!(f, "unknown: {reason}"),
        }
    }
}

/// Why there is no such subscription.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has a name that is none.
    #[error(
        "{0:?} is no subscription: write 1 to 64 of the letters a-z, A-Z, digits, '.', '_', '-'"
    )]
    Id(String),
    /// It costs nothing or less, or more than every reader of JSON can hold.
    #[error(
        "subscription {id} costs {price}: a price is from 1 to {AMOUNT_MAX} of the smallest unit"
    )]
    Price {
        /// Which.
        id: SubscriptionId,
        /// Its price.
        price: Money,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_nothing_in_it_that_a_key_or_a_header_could_misread() {
        for text in ["a", "customer-17.basic_2026", &"x".repeat(64)] {
            assert_eq!(text.parse::<SubscriptionId>().expect(text).as_str(), text);
        }
        for text in ["", "a:b", "a b", "ü", "a\n", "\"", &"x".repeat(65)] {
            assert!(text.parse::<SubscriptionId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_price_is_one_that_can_be_paid() {
        let anchor = jiff::Timestamp::UNIX_EPOCH;
        let schedule = Schedule::new(anchor, "UTC", "monthly".parse().unwrap()).unwrap();
        let of = |minor| {
            let price = Money::new(minor, "EUR".parse().unwrap());
            Subscription::new("a".parse().unwrap(), price, schedule.clone()).is_ok()
        };
        let prices = [i64::MIN, -1, 0, 1, AMOUNT_MAX, AMOUNT_MAX + 1].map(of);
        assert_eq!(prices, [false, false, false, true, true, false]);
    }

    #[test]
    fn a_key_is_the_subscription_and_the_period() {
        assert_eq!(key(&"customer-17".parse().unwrap(), "2026-01"), "customer-17:2026-01");
    }
}
