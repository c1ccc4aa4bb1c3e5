//! The pool that learns over every profile and many pauses.

use halfopen_core::profile::Profile;
use halfopen_lab::contest::{Order, meet};
use halfopen_lab::matrix::lane;
use halfopen_pool::policy::Policy;

/// The series that a client meets on each path.
const ORDERS: [Order; 2] = [Order::Growing, Order::Shuffled(1)];

#[test]
fn who_learns_fails_at_most_once_on_a_path_and_doubles_nothing() {
    let mut offences = Vec::new();
    for profile in Profile::names().map(|name| Profile::shipped(name).unwrap()) {
        for (order, key) in ORDERS.into_iter().flat_map(|order| [(order, false), (order, true)]) {
            let lane = lane(&profile).unwrap().with_policy(Policy::learning()).with_key(key);
            let score = meet(&lane, order).unwrap();
            let errors_max = u64::from(!key);
            if score.errors > errors_max || score.doubled > 0 {
                offences.push(format!("{}, {order:?}, key {key}: {score:?}", profile.name));
            }
        }
    }
    assert!(offences.is_empty(), "{offences:#?}");
}
