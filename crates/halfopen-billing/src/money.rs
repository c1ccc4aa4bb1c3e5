//! Money as whole numbers of a currency's smallest unit: 9.90 € is 990.
//!
//! Nothing here rounds, and nothing overflows unseen.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

pub use currency::Currency;

mod currency;

/// An amount in a currency.
///
/// It is written as ISO 4217 has it, `9.90 EUR`, and read the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// How many of the currency's smallest units.
    #[serde(rename = "amount")]
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// Returns an amount of the currency's smallest units.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Adds two amounts of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, Error> {
        if self.currency != other.currency {
            return Err(Error::Mixed(self.currency, other.currency));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(Error::TooMuch)?;
        Ok(Self { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minor, currency } = *self;
        let sign = if minor < 0 { "-" } else { "" };
        let digits = currency.digits();
        let unit = 10_u64.pow(digits);
        let (whole, rest) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
        if digits == 0 {
            return write!(f, "{sign}{whole} {currency}");
        }
        let width = digits as usize;
        write!(f, "{sign}{whole}.{rest:0width$} {currency}")
    }
}

impl FromStr for Money {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unreadable = || Error::Unreadable(text.to_owned());
        let (number, currency) = text.trim().split_once(' ').ok_or_else(unreadable)?;
        let currency: Currency = currency.trim().parse()?;
        let (negative, number) = match number.strip_prefix('-') {
            Some(number) => (true, number),
            None => (false, number),
        };
        let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
        let digits = currency.digits() as usize;
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !numeric(whole) || !numeric(rest) {
            return Err(unreadable());
        }
        if number.contains('.') && rest.len() != digits {
            return Err(Error::Decimals { text: text.to_owned(), currency });
        }
        let minor: i128 = format!("{whole}{rest:0<digits$}").parse().map_err(|_| Error::TooMuch)?;
        let minor = if negative { -minor } else { minor };
        Ok(Self { minor: i64::try_from(minor).map_err(|_| Error::TooMuch)?, currency })
    }
}

/// Why there is no such amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The currency is not in ISO 4217.
    #[error("{0:?} is no currency of ISO 4217; write three capital letters such as EUR")]
    Currency(String),
    /// The text is not an amount and a currency.
    #[error("{0:?} is no amount; write it like 9.90 EUR")]
    Unreadable(String),
    /// The currency has another number of decimals.
    #[error("{text:?} should have {} decimals, as {currency} has", currency.digits())]
    Decimals {
        /// The amount as it was written.
        text: String,
        /// Its currency.
        currency: Currency,
    },
    /// Two currencies do not add up.
    #[error("{0} and {1} cannot be added")]
    Mixed(Currency, Currency),
    /// It does not fit 64 bits.
    #[error("the amount is too large: smallest units are counted in 64 bits")]
    TooMuch,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().expect(text)
    }

    #[test]
    fn an_amount_is_written_with_the_decimals_of_its_currency() {
        for (text, minor) in [
            ("9.90 EUR", 990),
            ("-0.05 USD", -5),
            ("1200 JPY", 1200),
            ("1.005 KWD", 1005),
            ("0.0001 CLF", 1),
            ("-92233720368547758.08 EUR", i64::MIN),
        ] {
            assert_eq!(money(text).minor, minor);
            assert_eq!(money(text).to_string(), text);
        }
        assert_eq!(money("12 EUR").minor, 1200, "whole units need no decimals");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "EUR", "9.90", "9,90 EUR", ". EUR", "9. EUR", "--1 EUR", "1e3 EUR"] {
            assert!(text.parse::<Money>().is_err(), "{text:?}");
        }
        let of = |text: &str| text.parse::<Money>().unwrap_err();
        assert!(matches!(of("9.9 EUR"), Error::Decimals { .. }));
        assert!(matches!(of("1.0 JPY"), Error::Decimals { .. }));
        assert_eq!(of("1 eur"), Error::Currency("eur".into()));
        assert_eq!(of("1 EUX"), Error::Currency("EUX".into()));
        assert_eq!(of("92233720368547758.08 EUR"), Error::TooMuch);
        assert_eq!(of(&format!("{} EUR", "9".repeat(60))), Error::TooMuch);
    }

    #[test]
    fn amounts_add_up_in_one_currency_only_and_never_wrap_around() {
        assert_eq!(money("9.90 EUR").checked_add(money("0.10 EUR")), Ok(money("10.00 EUR")));
        let mixed = money("1 EUR").checked_add(money("1 JPY")).unwrap_err();
        assert_eq!(mixed.to_string(), "EUR and JPY cannot be added");
        let all = Money::new(i64::MAX, money("1 EUR").currency);
        assert_eq!(all.checked_add(money("0.01 EUR")), Err(Error::TooMuch));
    }

    #[test]
    fn money_in_json_is_an_amount_and_a_currency() {
        let json = r#"{"amount":990,"currency":"EUR"}"#;
        assert_eq!(serde_json::to_string(&money("9.90 EUR")).unwrap(), json);
        assert_eq!(serde_json::from_str::<Money>(json).unwrap(), money("9.90 EUR"));
        assert!(serde_json::from_str::<Money>(r#"{"amount":990,"currency":"EURO"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":9.9,"currency":"EUR"}"#).is_err());
    }
}
