//! `halfopen billing payments`: what the payment module has charged.

use core::fmt::Write as _;

use halfopen_billing::payment::book::{Book as _, Charged};
use serde_json::json;

use super::database::{self, Opened};
use super::failure::BillingFailure;
use crate::Outcome;
use crate::cli::billing::Payments;
use crate::output;

pub(super) async fn run(order: &Payments) -> Result<Outcome, BillingFailure> {
    let charged = match database::open(&order.database).await? {
        Opened::Sqlite(book) => book.charged().await,
        Opened::Postgres(book) => book.charged().await,
    };
    let charged = charged.map_err(|error| database::failed(&order.database, error))?;
    output::print(&if order.json { json_lines(&charged) } else { table(&charged) })?;
    let doubled = charged.values().any(|times| *times > 1);
    Ok(if doubled { Outcome::Found } else { Outcome::Clear })
}

fn table(charged: &Charged) -> String {
    let mut text = String::new();
    let width = charged.keys().map(|(subscription, _)| subscription.len()).max().unwrap_or(0);
    for ((subscription, period), times) in charged {
        let _ = writeln!(text, "{subscription:width$}  {period}  {times}");
    }
    text
}

fn json_lines(charged: &Charged) -> String {
    let mut text = String::new();
    for ((subscription, period), times) in charged {
        let line = json!({ "subscription": subscription, "period": period, "charged": times });
        let _ = writeln!(text, "{line}");
    }
    text
}
