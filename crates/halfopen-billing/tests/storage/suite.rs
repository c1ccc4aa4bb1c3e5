//! What every storage must do: one suite, run against each.

use std::time::Duration;

use halfopen_billing::calendar::{Cadence, Schedule};
use halfopen_billing::storage::{
    Begin, Begun, Claim, Entry, Error, Held, Postgres, Scope, Settled, Sqlite, Standing, State,
    Storage,
};
use halfopen_billing::subscription::{self, Charge, Outcome, Subscription};
use jiff::{SignedDuration, Timestamp};

use crate::server::Server;

/// Runs every case against storages that `$open` returns one by one.
macro_rules! suite {
    ($storage:ident, $open:expr) => {
        suite!(
            $storage, $open,
            nothing_is_claimed_before_it_is_due,
            what_was_due_first_is_claimed_first,
            what_is_new_can_be_had_before_what_was_asked_for_in_vain,
            a_claimed_charge_is_nobody_elses_until_the_lease_is_over,
            a_charge_can_be_held_for_longer_by_who_holds_it,
            a_payment_moves_its_subscription_on,
            a_refusal_moves_its_subscription_on,
            an_unknown_outcome_is_asked_again_with_the_same_key,
            a_repeated_charge_asks_for_what_the_first_one_asked_for,
            periods_that_were_missed_are_charged_in_their_order,
            a_scheduler_that_begins_again_takes_up_what_it_left,
            a_late_answer_counts_if_it_is_final,
            two_runs_do_not_overlap_unless_they_share,
            a_run_that_goes_on_keeps_its_lock,
            subscriptions_are_added_together_or_not_at_all,
            lists_come_in_pages,
        );
    };
    ($storage:ident, $open:expr, $($case:ident),* $(,)?) => {
        mod $storage {
            use super::*;

            $(
                #[tokio::test]
                async fn $case() {
                    let (storage, _kept) = $open.await;
                    super::$case(&storage).await;
                }
            )*
        }
    };
}

suite!(sqlite_in_memory, async { (Sqlite::in_memory().unwrap(), ()) });
suite!(sqlite_on_a_thread, async {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("billing.db");
    Sqlite::init(&file).unwrap();
    (Sqlite::open_on_thread(&file).unwrap(), folder)
});

suite!(postgres, async {
    let server = Server::shared();
    let address = server.create_database().await;
    Postgres::init(&address).await.unwrap();
    (Postgres::open(&address).await.unwrap(), server)
});

const DAY: i64 = 24 * 60 * 60;
const LEASE: SignedDuration = SignedDuration::from_mins(2);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// A subscription of 9.90 € a day, first due at that second.
fn daily(id: &str, anchor: i64) -> Subscription {
    let cadence = Cadence::Every(Duration::from_hours(24));
    let schedule = Schedule::new(at(anchor), "UTC", cadence).unwrap();
    Subscription::new(id.parse().unwrap(), "9.90 EUR".parse().unwrap(), schedule).unwrap()
}

fn begin(scheduler: &str, now: i64) -> Begin {
    let (now, scope) = (at(now), Scope::Due);
    Begin { scheduler: scheduler.to_owned(), now, until: now + LEASE, scope, shared: true }
}

fn wish(scheduler: &str, now: i64) -> Claim {
    let (now, scope) = (at(now), Scope::Due);
    Claim { scheduler: scheduler.to_owned(), due_by: now, now, until: now + LEASE, scope }
}

fn settled(scheduler: &str, charge: &Charge, outcome: Outcome, now: i64) -> Settled {
    let (scheduler, charge) = (scheduler.to_owned(), charge.clone());
    Settled { scheduler, charge, outcome, now: at(now), again: at(now + 600) }
}

fn paid() -> Outcome {
    Outcome::Paid { payment: "p-1".to_owned() }
}

fn refused() -> Outcome {
    Outcome::Refused { reason: "card declined".to_owned() }
}

fn unknown() -> Outcome {
    Outcome::Unknown { reason: "connection reset".to_owned() }
}

async fn claim(storage: &impl Storage, scheduler: &str, now: i64) -> Option<Charge> {
    storage.claim(wish(scheduler, now)).await.unwrap()
}

async fn states(storage: &impl Storage) -> Vec<(String, State)> {
    let entries = storage.charges(None, 100).await.unwrap();
    entries.into_iter().map(|entry| (key(&entry), entry.state)).collect()
}

fn key(entry: &Entry) -> String {
    subscription::key(&entry.subscription, &entry.name)
}

async fn nothing_is_claimed_before_it_is_due(storage: &impl Storage) {
    storage.add(vec![daily("a", 10)]).await.unwrap();
    assert_eq!(claim(storage, "s", 9).await, None);
    let charge = claim(storage, "s", 10).await.expect("it is due now");
    assert_eq!(charge.key(), "a:0");
    assert_eq!(charge.amount.to_string(), "9.90 EUR");
    assert_eq!((charge.attempt, charge.period.due), (1, at(10)));
    assert_eq!((charge.next.index, charge.next.due), (1, at(10 + DAY)));
}

async fn what_was_due_first_is_claimed_first(storage: &impl Storage) {
    storage.add(vec![daily("c", 2), daily("a", 3), daily("b", 1), daily("d", 2)]).await.unwrap();
    let begun = storage.begin(begin("s", 2)).await.unwrap();
    assert_eq!(begun, Begun::Run { due: 3, resumed: 0 });
    let mut claimed = Vec::new();
    while let Some(charge) = claim(storage, "s", 5).await {
        claimed.push(charge.subscription.to_string());
    }
    assert_eq!(claimed, ["b", "c", "d", "a"]);
}

async fn what_is_new_can_be_had_before_what_was_asked_for_in_vain(storage: &impl Storage) {
    storage.add(vec![daily("a", 1), daily("b", 700)]).await.unwrap();
    let charge = claim(storage, "s", 1).await.unwrap();
    storage.settle(settled("s", &charge, unknown(), 1)).await.unwrap();
    let new = || Claim { scope: Scope::New, ..wish("s", 700) };
    let claimed = storage.claim(new()).await.unwrap().expect("b is new");
    assert_eq!((claimed.key(), claimed.attempt), ("b:0".into(), 1));
    assert_eq!(storage.claim(new()).await.unwrap(), None);
    let claimed = claim(storage, "s", 700).await.expect("a is open");
    assert_eq!((claimed.key(), claimed.attempt), ("a:0".into(), 2));
}

async fn a_claimed_charge_is_nobody_elses_until_the_lease_is_over(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let first = claim(storage, "s", 0).await.unwrap();
    assert_eq!(claim(storage, "t", 119).await, None);
    let second = claim(storage, "t", 120).await.expect("the lease is over");
    assert_eq!((second.key(), second.attempt), (first.key(), 2));
}

async fn a_charge_can_be_held_for_longer_by_who_holds_it(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let charge = claim(storage, "s", 0).await.unwrap();
    let hold = async |scheduler: &str, charge: &Charge, until: i64| {
        let (scheduler, charge) = (scheduler.to_owned(), charge.clone());
        storage.hold(Held { scheduler, charge, until: at(until) }).await.unwrap()
    };
    assert!(hold("s", &charge, 300).await);
    assert!(!hold("t", &charge, 900).await);
    assert_eq!(claim(storage, "t", 299).await, None);
    let again = claim(storage, "t", 300).await.unwrap();
    assert_eq!(again.attempt, 2);
    assert!(!hold("s", &charge, 900).await, "it is another's");
    assert!(hold("t", &again, 600).await);
}

async fn a_payment_moves_its_subscription_on(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let charge = claim(storage, "s", 0).await.unwrap();
    assert_eq!(states(storage).await, [("a:0".into(), State::Open { reason: None })]);

    assert!(storage.settle(settled("s", &charge, paid(), 1)).await.unwrap());
    let state = State::Paid { payment: "p-1".into(), at: at(1) };
    assert_eq!(states(storage).await, [("a:0".into(), state)]);
    assert_eq!(claim(storage, "s", DAY - 1).await, None);
    assert_eq!(claim(storage, "s", DAY).await.unwrap().key(), "a:1");
}

async fn a_refusal_moves_its_subscription_on(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let charge = claim(storage, "s", 0).await.unwrap();
    assert!(storage.settle(settled("s", &charge, refused(), 1)).await.unwrap());
    let state = State::Refused { reason: "card declined".into(), at: at(1) };
    assert_eq!(states(storage).await, [("a:0".into(), state)]);
    assert_eq!(claim(storage, "s", DAY - 1).await, None);
    assert_eq!(claim(storage, "s", DAY).await.unwrap().key(), "a:1");
}

async fn an_unknown_outcome_is_asked_again_with_the_same_key(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let first = claim(storage, "s", 0).await.unwrap();
    assert!(storage.settle(settled("s", &first, unknown(), 10)).await.unwrap());
    let reason = Some("connection reset".to_owned());
    assert_eq!(states(storage).await, [("a:0".into(), State::Open { reason })]);

    assert_eq!(claim(storage, "s", 609).await, None);
    let second = claim(storage, "s", 610).await.unwrap();
    assert_eq!((second.key(), second.attempt), (first.key(), 2));
    assert!(storage.settle(settled("s", &second, paid(), 611)).await.unwrap());
    let entries = storage.charges(None, 10).await.unwrap();
    assert_eq!((entries.len(), entries[0].attempts, entries[0].intended), (1, 2, at(0)));
}

async fn a_repeated_charge_asks_for_what_the_first_one_asked_for(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let first = claim(storage, "s", 0).await.unwrap();
    let second = claim(storage, "t", 200).await.unwrap();
    assert_eq!(second, Charge { attempt: 2, ..first });
}

async fn periods_that_were_missed_are_charged_in_their_order(storage: &impl Storage) {
    storage.add(vec![daily("a", 0), daily("b", DAY)]).await.unwrap();
    let mut keys = Vec::new();
    while let Some(charge) = claim(storage, "s", 2 * DAY).await {
        keys.push(charge.key());
        storage.settle(settled("s", &charge, paid(), 2 * DAY)).await.unwrap();
    }
    assert_eq!(keys, ["a:0", "a:1", "b:0", "a:2", "b:1"]);
}

async fn a_scheduler_that_begins_again_takes_up_what_it_left(storage: &impl Storage) {
    storage.add(vec![daily("a", 0), daily("b", 0), daily("c", 1)]).await.unwrap();
    claim(storage, "s", 0).await.unwrap();
    claim(storage, "t", 0).await.unwrap();

    let open = Begin { scope: Scope::Open, ..begin("s", 2) };
    assert_eq!(storage.begin(open).await.unwrap(), Begun::Run { due: 1, resumed: 1 });
    let only_open = || Claim { scope: Scope::Open, ..wish("s", 2) };
    let charge = storage.claim(only_open()).await.unwrap().expect("what it left");
    assert_eq!((charge.key(), charge.attempt), ("a:0".into(), 2));
    assert_eq!(storage.claim(only_open()).await.unwrap(), None, "b is t's, c is new");
}

async fn a_late_answer_counts_if_it_is_final(storage: &impl Storage) {
    storage.add(vec![daily("a", 0), daily("b", 1)]).await.unwrap();
    let slow = claim(storage, "s", 0).await.unwrap();
    let quick = claim(storage, "t", 200).await.unwrap();
    assert_eq!(slow.key(), quick.key());

    assert!(!storage.settle(settled("s", &slow, unknown(), 201)).await.unwrap());
    assert_ne!(claim(storage, "u", 205).await.unwrap().key(), "a:0", "t still holds it");
    assert!(storage.settle(settled("s", &slow, paid(), 202)).await.unwrap());
    assert!(!storage.settle(settled("t", &quick, paid(), 203)).await.unwrap());
    assert!(!storage.settle(settled("t", &quick, unknown(), 203)).await.unwrap());
    let state = State::Paid { payment: "p-1".into(), at: at(202) };
    assert!(states(storage).await.contains(&("a:0".into(), state)));
    assert_eq!(claim(storage, "t", DAY).await.unwrap().key(), "b:0");
    assert_eq!(claim(storage, "t", DAY).await.unwrap().key(), "a:1");
}

async fn two_runs_do_not_overlap_unless_they_share(storage: &impl Storage) {
    let alone = |scheduler, now| Begin { shared: false, ..begin(scheduler, now) };
    let run = Begun::Run { due: 0, resumed: 0 };
    assert_eq!(storage.begin(alone("s", 0)).await.unwrap(), run);
    let busy = Begun::Busy { scheduler: "s".into(), until: at(120) };
    assert_eq!(storage.begin(alone("t", 119)).await.unwrap(), busy);
    assert_eq!(storage.begin(alone("t", 120)).await.unwrap(), run, "s is thought dead");
    storage.end("s".into()).await.unwrap();
    assert!(matches!(storage.begin(alone("s", 121)).await.unwrap(), Begun::Busy { .. }));
    storage.end("t".into()).await.unwrap();
    assert_eq!(storage.begin(alone("s", 122)).await.unwrap(), run);

    assert_eq!(storage.begin(begin("u", 123)).await.unwrap(), run, "it shares");
}

async fn a_run_that_goes_on_keeps_its_lock(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let alone = |scheduler, now| Begin { shared: false, ..begin(scheduler, now) };
    storage.begin(alone("s", 0)).await.unwrap();
    claim(storage, "s", 100).await.unwrap();
    let busy = Begun::Busy { scheduler: "s".into(), until: at(220) };
    assert_eq!(storage.begin(alone("t", 150)).await.unwrap(), busy);
}

async fn subscriptions_are_added_together_or_not_at_all(storage: &impl Storage) {
    storage.add(vec![daily("a", 0)]).await.unwrap();
    let error = storage.add(vec![daily("b", 0), daily("a", 5)]).await.unwrap_err();
    assert_eq!(error, Error::Duplicate("a".parse().unwrap()));
    let all = storage.subscriptions(None, 10).await.unwrap();
    let standing = Standing { subscription: daily("a", 0), period: 0, wake: at(0), attempts: 0 };
    assert_eq!(all, [standing]);
}

async fn lists_come_in_pages(storage: &impl Storage) {
    storage.add(["c", "a", "b"].map(|id| daily(id, 0)).to_vec()).await.unwrap();
    let page = storage.subscriptions(Some("a".parse().unwrap()), 1).await.unwrap();
    assert_eq!(page[0].subscription.id.as_str(), "b");
    while let Some(charge) = claim(storage, "s", DAY).await {
        storage.settle(settled("s", &charge, paid(), DAY)).await.unwrap();
    }
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = storage.charges(after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.subscription.clone(), last.period));
        keys.extend(page.iter().map(key));
    }
    assert_eq!(keys, ["a:0", "a:1", "b:0", "b:1", "c:0", "c:1"]);
}
