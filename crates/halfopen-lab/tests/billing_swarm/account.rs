//! What is to be true in the end: what is due is charged once or refused for a reason, and both
//! databases and the count of what was written say the same.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use halfopen_billing::payment::book::{Book as _, Charged};
use halfopen_billing::payment::order::{Outcome, Payment};
use halfopen_billing::storage::{Entry, State, Storage as _};
use halfopen_billing::subscription::{self, Subscription};
use halfopen_core::time::Instant;

use crate::disk::Seen;
use crate::draw;
use crate::flaw::Flaw;
use crate::scene::{self, EPOCH, Scene};
use crate::setting::Setting;

/// How long it is between two looks at whether all is settled.
const LOOK: Duration = Duration::from_mins(20);

/// For how long the scheduler may go on when nothing disturbs it any more.
const CALM: Duration = Duration::from_hours(4 * 24);

/// What is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The scheduler holds a period for settled, and it was never charged or rightly refused.
    Lost(String),
    /// A period was charged more than once.
    Doubled(String),
    /// A period that was due is not settled.
    Open(String),
    /// Two accounts of the same charge differ.
    Disagree(String),
    /// The world came to an end of its own.
    Broken(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Doubled(what) => write!(f, "doubled: {what}"),
            Self::Open(what) => write!(f, "open: {what}"),
            Self::Disagree(what) => write!(f, "disagreement: {what}"),
            Self::Broken(what) => write!(f, "broken: {what}"),
        }
    }
}

/// What is in the databases.
struct Books {
    entries: BTreeMap<String, Entry>,
    payments: BTreeMap<String, Payment>,
    charged: Charged,
}

/// Runs a setting to its end, and returns what was seen or what is wrong.
pub(crate) fn run(setting: &Setting, flaw: Option<Flaw>) -> Result<Seen, Vec<Wrong>> {
    let mut scene = Scene::new(setting, flaw);
    let broken = |error: halfopen_sim::world::Error| vec![Wrong::Broken(error.to_string())];
    scene.play().map_err(broken)?;
    let mut until = setting.horizon;
    let mut books = Books::read(&mut scene);
    while !books.open(setting).is_empty() && until < setting.horizon + CALM {
        until += LOOK;
        scene.world.run_until(Instant::EPOCH + until).map_err(broken)?;
        books = Books::read(&mut scene);
    }
    let seen = scene.seen.lock().unwrap().clone();
    let wrongs = books.audit(setting, &seen);
    if wrongs.is_empty() { Ok(seen) } else { Err(wrongs) }
}

impl Books {
    fn read(scene: &mut Scene<'_>) -> Self {
        let (storage, book) = (Arc::clone(&scene.storage), Arc::clone(&scene.book));
        let read = async move {
            let mut entries = BTreeMap::new();
            let mut payments = BTreeMap::new();
            for entry in storage.charges(None, u32::MAX).await.unwrap() {
                let key = subscription::key(&entry.subscription, &entry.name);
                if let Some(payment) = book.find(&key).await.unwrap() {
                    payments.insert(key.clone(), payment);
                }
                entries.insert(key, entry);
            }
            Self { entries, payments, charged: book.charged().await.unwrap() }
        };
        scene.world.run(read).unwrap()
    }

    /// Returns the keys of what is due by the horizon and not settled.
    fn open(&self, setting: &Setting) -> Vec<String> {
        let is_open = |key: &String| {
            self.entries.get(key).is_none_or(|entry| matches!(entry.state, State::Open { .. }))
        };
        due(setting).into_iter().filter(is_open).collect()
    }

    fn audit(&self, setting: &Setting, seen: &Seen) -> Vec<Wrong> {
        let open = self.open(setting).into_iter().map(|key| match self.entries.get(&key) {
            Some(entry) => Wrong::Open(format!("{key}: {entry:?}")),
            None => Wrong::Open(format!("{key} was never asked for")),
        });
        let prices: BTreeMap<String, Subscription> =
            scene::subscriptions(setting).into_iter().map(|it| (it.id.to_string(), it)).collect();
        let wrong = self.entries.iter().filter_map(|(key, entry)| {
            let subscription = &prices[entry.subscription.as_str()];
            self.check(key, entry, subscription)
        });
        let doubled = self.charged.iter().filter(|&(_, &times)| times > 1);
        let doubled = doubled
            .map(|((id, period), times)| Wrong::Doubled(format!("{id}:{period}, {times} times")));
        let mut wrongs: Vec<Wrong> = open.chain(wrong).chain(doubled).collect();
        if self.charged != seen.charged {
            let (held, written) = (&self.charged, &seen.charged);
            wrongs
                .push(Wrong::Disagree(format!("it holds {held:?}, and {written:?} were written")));
        }
        let never_asked = |(id, period): &&(String, String)| {
            !self.entries.contains_key(&format!("{id}:{period}"))
        };
        let unasked = self.charged.keys().filter(never_asked);
        wrongs.extend(unasked.map(|of| Wrong::Disagree(format!("nobody asked for {of:?}"))));
        wrongs
    }

    /// Holds what the scheduler knows of a charge against what the payment module does.
    fn check(&self, key: &str, entry: &Entry, subscription: &Subscription) -> Option<Wrong> {
        let of = (entry.subscription.to_string(), entry.name.clone());
        let times = self.charged.get(&of).copied().unwrap_or(0);
        let payment = self.payments.get(key);
        let ends_so = subscription.price.minor.unsigned_abs() % 100 == draw::DECLINED;
        let accounts = || format!("{key}: {entry:?}, {payment:?}, charged {times} times");
        match (&entry.state, payment.map(|payment| payment.outcome)) {
            (State::Open { .. }, _) => None,
            (State::Paid { .. }, None | Some(Outcome::Declined)) => Some(Wrong::Lost(accounts())),
            (State::Refused { .. }, None | Some(Outcome::Charged)) => {
                Some(if times == 0 { Wrong::Lost(accounts()) } else { Wrong::Disagree(accounts()) })
            }
            (State::Paid { payment: id, .. }, Some(Outcome::Charged)) => {
                let payment = payment?;
                let is_same = payment.id.to_string() == *id
                    && payment.order.subscription == entry.subscription.as_str()
                    && payment.order.period == entry.name
                    && payment.order.price == entry.amount
                    && entry.amount == subscription.price
                    && !ends_so
                    && times > 0;
                (!is_same).then(|| Wrong::Disagree(accounts()))
            }
            (State::Refused { reason, .. }, Some(Outcome::Declined)) => {
                let is_same = ends_so && reason.contains("declined") && times == 0;
                (!is_same).then(|| Wrong::Disagree(accounts()))
            }
        }
    }
}

/// Returns the keys of all that is due by the horizon.
fn due(setting: &Setting) -> Vec<String> {
    let horizon = EPOCH + setting.horizon;
    let of = |Subscription { id, schedule, .. }: Subscription| {
        let period = move |index| schedule.period(index).unwrap();
        (0..)
            .map(period)
            .take_while(move |period| period.due <= horizon)
            .map(move |period| subscription::key(&id, &period.name))
    };
    scene::subscriptions(setting).into_iter().flat_map(of).collect()
}
