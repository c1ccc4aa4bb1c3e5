//! The statements, which SQLite and PostgreSQL both understand.
//!
//! SQLite numbers `$1` by where it first stands in the text, PostgreSQL by its digits: so the
//! parameters of a statement first appear in order.

/// What brings the tables from each version to the next, from none to the newest.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE subscription (
        id TEXT PRIMARY KEY,
        amount BIGINT NOT NULL CHECK (amount > 0),
        currency TEXT NOT NULL,
        cadence TEXT NOT NULL,
        anchor BIGINT NOT NULL,
        zone TEXT NOT NULL,
        period BIGINT NOT NULL,
        wake BIGINT NOT NULL,
        attempts BIGINT NOT NULL,
        holder TEXT,
        held_until BIGINT NOT NULL
    );
    CREATE INDEX subscription_wake ON subscription (wake, id);
    CREATE INDEX subscription_holder ON subscription (holder) WHERE holder IS NOT NULL;
    CREATE TABLE charge (
        subscription TEXT NOT NULL REFERENCES subscription (id),
        period BIGINT NOT NULL,
        name TEXT NOT NULL,
        key TEXT NOT NULL UNIQUE,
        amount BIGINT NOT NULL CHECK (amount > 0),
        currency TEXT NOT NULL,
        due BIGINT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'paid', 'refused')),
        attempts BIGINT NOT NULL,
        intended BIGINT NOT NULL,
        asked BIGINT NOT NULL,
        settled BIGINT,
        payment TEXT,
        reason TEXT,
        PRIMARY KEY (subscription, period),
        CHECK ((state = 'open') = (settled IS NULL)),
        CHECK ((state = 'paid') = (payment IS NOT NULL))
    );
    CREATE TABLE run_lock (
        one BIGINT PRIMARY KEY CHECK (one = 1),
        holder TEXT NOT NULL,
        until BIGINT NOT NULL
    );
",
    "
    CREATE TABLE payment (
        id BIGINT PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        subscription TEXT NOT NULL,
        period TEXT NOT NULL,
        amount BIGINT NOT NULL CHECK (amount > 0),
        currency TEXT NOT NULL,
        charged BIGINT NOT NULL CHECK (charged IN (0, 1))
    );
",
];

pub(super) const ADD: &str = "
    INSERT INTO subscription
        (id, amount, currency, cadence, anchor, zone, period, wake, attempts, held_until)
    VALUES ($1, $2, $3, $4, $5, $6, 0, $5, 0, 0)
    ON CONFLICT (id) DO NOTHING";

/// Returns a row if the lock was free, over, or this scheduler's own.
pub(super) const LOCK: &str = "
    INSERT INTO run_lock (one, holder, until) VALUES (1, $1, $2)
    ON CONFLICT (one) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE run_lock.until <= $3 OR run_lock.holder = excluded.holder
    RETURNING holder";

pub(super) const LOCKED_BY: &str = "SELECT holder, until FROM run_lock WHERE one = 1";

pub(super) const KEEP_LOCK: &str =
    "UPDATE run_lock SET until = $1 WHERE holder = $2 AND until < $1";

pub(super) const UNLOCK: &str = "DELETE FROM run_lock WHERE holder = $1";

pub(super) const RELEASE: &str =
    "UPDATE subscription SET holder = NULL, held_until = 0 WHERE holder = $1";

pub(super) const COUNT_DUE: &str = "
    SELECT count(*) FROM subscription
    WHERE wake <= $1 AND held_until <= $2 AND attempts >= $3 AND attempts <= $4";

macro_rules! find {
    () => {
        "
    SELECT id, amount, currency, cadence, anchor, zone, period FROM subscription
    WHERE wake <= $1 AND held_until <= $2 AND attempts >= $3 AND attempts <= $4
    ORDER BY wake, id LIMIT 1"
    };
}

/// Finds what has been due for longest, where one transaction at a time writes.
pub(super) const FIND: &str = find!();

/// Finds what has been due for longest of that which no other transaction has locked.
pub(super) const FIND_AND_LOCK: &str = concat!(find!(), " FOR UPDATE SKIP LOCKED");

pub(super) const HOLD: &str = "
    UPDATE subscription SET holder = $1, held_until = $2, attempts = attempts + 1 WHERE id = $3";

/// Only whoever holds the charge may hold it for longer.
pub(super) const HOLD_LONGER: &str = "
    UPDATE subscription SET held_until = $1
    WHERE id = $2 AND period = $3 AND holder = $4 AND attempts = $5";

/// An attempt that is not the first keeps to what the first one asked for.
pub(super) const INTEND: &str = "
    INSERT INTO charge
        (subscription, period, name, key, amount, currency, due, state, attempts, intended, asked)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', 1, $8, $8)
    ON CONFLICT (subscription, period)
        DO UPDATE SET attempts = charge.attempts + 1, asked = excluded.asked
    RETURNING name, amount, currency, due, attempts";

pub(super) const FINISH: &str = "
    UPDATE charge SET state = $1, settled = $2, payment = $3, reason = $4
    WHERE subscription = $5 AND period = $6 AND state = 'open'";

pub(super) const MOVE_ON: &str = "
    UPDATE subscription
    SET period = $1, wake = $2, attempts = 0, holder = NULL, held_until = 0
    WHERE id = $3 AND period = $4";

/// Only whoever holds the charge may say that nothing is known: his lease may be over, and
/// somebody else may be asking.
pub(super) const POSTPONE: &str = "
    UPDATE subscription SET wake = $1, holder = NULL, held_until = 0
    WHERE id = $2 AND period = $3 AND holder = $4 AND attempts = $5";

pub(super) const NOTE: &str = "
    UPDATE charge SET reason = $1 WHERE subscription = $2 AND period = $3 AND state = 'open'";

pub(super) const SUBSCRIPTIONS: &str = "
    SELECT id, amount, currency, cadence, anchor, zone, period, wake, attempts
    FROM subscription WHERE id > $1 ORDER BY id LIMIT $2";

pub(super) const CHARGES: &str = "
    SELECT subscription, period, name, amount, currency, state, attempts, intended, settled,
        payment, reason
    FROM charge WHERE subscription > $1 OR (subscription = $1 AND period > $2)
    ORDER BY subscription, period LIMIT $3";

/// Writes a payment, unless its key is taken or somebody else takes its number.
pub(super) const PAY: &str = "
    INSERT INTO payment (id, key, subscription, period, amount, currency, charged)
    VALUES ((SELECT coalesce(max(id), 0) + 1 FROM payment), $1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING";

pub(super) const PAYMENT_OF_KEY: &str = "
    SELECT id, key, subscription, period, amount, currency, charged FROM payment WHERE key = $1";

pub(super) const PAYMENT_OF_ID: &str = "
    SELECT id, key, subscription, period, amount, currency, charged FROM payment WHERE id = $1";

pub(super) const CHARGED: &str = "
    SELECT subscription, period, count(*) FROM payment WHERE charged = 1
    GROUP BY subscription, period";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_first_appear_in_order() {
        let all = [
            ADD,
            LOCK,
            KEEP_LOCK,
            UNLOCK,
            RELEASE,
            COUNT_DUE,
            FIND,
            HOLD,
            HOLD_LONGER,
            INTEND,
            FINISH,
            MOVE_ON,
            POSTPONE,
            NOTE,
            SUBSCRIPTIONS,
            CHARGES,
            PAY,
        ];
        for statement in all {
            let mut seen: Vec<&str> = Vec::new();
            for after in statement.split('$').skip(1) {
                let number = &after[..1];
                if !seen.contains(&number) {
                    seen.push(number);
                }
            }
            assert!(seen.is_sorted(), "{seen:?} in {statement}");
        }
    }
}
