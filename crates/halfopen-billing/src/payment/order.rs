//! What a client asks for and what becomes of it, checked once at the door.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money};

/// The longest subscription, period or key, in bytes.
const TEXT_MAX: usize = 128;
/// The greatest amount: integers up to 2^53 - 1 survive every JSON reader (RFC 8259, section 6).
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// One charge, as a client orders it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Who is charged: 1 to 128 characters.
    pub subscription: String,
    /// What for: a month, a day, whatever the subscription runs by. 1 to 128 characters.
    pub period: String,
    /// How much: 1 to [`AMOUNT_MAX`] of the currency's smallest unit.
    #[serde(flatten)]
    pub price: Money,
}

/// An order as it is written: flattened fields could not be told from unknown ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    subscription: String,
    period: String,
    amount: i64,
    currency: Currency,
}

/// Why something that a client sent is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOrder {
    /// Not JSON, or not the four fields.
    #[error("the body is not an order: {0}")]
    Json(String),
    /// Empty, too long, or with control characters.
    #[error("`{field}` must have 1 to {TEXT_MAX} characters, none of them a control character")]
    Text {
        /// Which field.
        field: &'static str,
    },
    /// Nothing, or more than every reader of JSON can hold.
    #[error("`amount` must be from 1 to {AMOUNT_MAX}, in the smallest unit of the currency")]
    Amount,
}

impl Order {
    /// Reads an order from JSON.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidOrder> {
        // serde takes an array for an object whose names are left out.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(InvalidOrder::Json("it is not a JSON object".to_owned()));
        }
        let written: Written =
            serde_json::from_slice(body).map_err(|error| InvalidOrder::Json(error.to_string()))?;
        let Written { subscription, period, amount, currency } = written;
        for (field, text) in [("subscription", &subscription), ("period", &period)] {
            let length_fits = (1..=TEXT_MAX).contains(&text.len());
            if !length_fits || text.chars().any(char::is_control) {
                return Err(InvalidOrder::Text { field });
            }
        }
        if !(1..=AMOUNT_MAX).contains(&amount) {
            return Err(InvalidOrder::Amount);
        }
        Ok(Self { subscription, period, price: Money::new(amount, currency) })
    }
}

/// What a client calls an order by, so that asking again is no second order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

/// Why a key is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an idempotency key has 1 to {TEXT_MAX} letters, digits and characters of -._~:@!$&'()*+,;="
)]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Reads a key, bare or as a string of RFC 8941, section 3.3.3, in quotes.
    ///
    /// A key is made of the characters that stand in the path of a URI as they are (`pchar` of
    /// RFC 3986, section 3.3, without percent-encoding), so that a payment can be asked for by it.
    pub fn parse(value: &str) -> Result<Self, InvalidKey> {
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(value);
        let fits = (1..=TEXT_MAX).contains(&key.len()) && key.bytes().all(is_pchar);
        if fits { Ok(Self(key.to_owned())) } else { Err(InvalidKey) }
    }

    /// Returns the key without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_pchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte)
}

/// What became of an order. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The money was taken.
    Charged,
    /// It was not, and asking again will not change that.
    Declined,
}

/// An order and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// The number of the payment, from 1, in the order in which they were written.
    pub id: u64,
    /// What the client called it by.
    pub key: IdempotencyKey,
    /// What was ordered.
    #[serde(flatten)]
    pub order: Order,
    /// What became of it.
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(amount: &str, currency: &str, period: &str) -> Result<Order, InvalidOrder> {
        let price = format!(r#""amount":{amount},"currency":"{currency}""#);
        let json = format!(r#"{{"subscription":"s","period":"{period}",{price}}}"#);
        Order::parse(json.as_bytes())
    }

    #[test]
    fn an_order_is_checked_once_at_the_door() {
        assert_eq!(order("990", "KRW", "2024-01").map(|order| order.price.minor), Ok(990));
        assert_eq!(order("0", "KRW", "2024-01"), Err(InvalidOrder::Amount));
        assert_eq!(order("9007199254740992", "KRW", "2024-01"), Err(InvalidOrder::Amount));
        assert_eq!(order("-1", "KRW", "2024-01"), Err(InvalidOrder::Amount));
        for amount in ["9.90", "\"990\"", "9223372036854775808"] {
            assert!(matches!(order(amount, "KRW", "2024-01"), Err(InvalidOrder::Json(_))));
        }
        for currency in ["krw", "KR", "KRWX", "K1W", "KRÄ"] {
            assert!(matches!(order("1", currency, "2024-01"), Err(InvalidOrder::Json(_))));
        }
        let period = Err(InvalidOrder::Text { field: "period" });
        assert_eq!(order("1", "KRW", ""), period);
        assert_eq!(order("1", "KRW", &"x".repeat(129)), period);
        assert_eq!(order("1", "KRW", "a\\u0000"), period);
    }

    #[test]
    fn a_key_stands_bare_or_in_quotes() {
        let key = |text: &str| IdempotencyKey::parse(text).map(|key| key.to_string());
        assert_eq!(key("sub-1:2024-01"), Ok("sub-1:2024-01".to_owned()));
        assert_eq!(key("\"sub-1:2024-01\""), key("sub-1:2024-01"));
        for bad in ["", "\"\"", "\"half", "two words", "a/b", "50%", &"x".repeat(129)] {
            assert_eq!(key(bad), Err(InvalidKey), "{bad}");
        }
    }
}
