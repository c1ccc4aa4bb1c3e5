//! Connections that come back while others are opened.
//!
//! A connection takes ten milliseconds to open and ten for a request and its response. The first
//! request begins at once, so that its connection comes back after twenty.

use std::sync::atomic::{AtomicUsize, Ordering};

use halfopen_core::idle::OnOrphan;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::*;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Timers stand on whole milliseconds.
const TICK: Duration = millis(2);

/// Sends requests that begin so many milliseconds after the first, which they join. Returns how
/// long each took; `None` if it was not answered.
async fn send(client: &Client, begin: &[u64]) -> Vec<Option<Duration>> {
    let start = Instant::now();
    let sent: Vec<_> = begin
        .iter()
        .map(|&begin| {
            let client = client.clone();
            tokio::spawn(async move {
                sleep_until(start + millis(begin)).await;
                let since = Instant::now();
                get(&client).await.ok().map(|_| since.elapsed())
            })
        })
        .collect();
    let mut took = Vec::new();
    for sent in sent {
        took.push(sent.await.unwrap());
    }
    took
}

fn assert_took(took: &[Option<Duration>], expected: &[u64]) {
    assert_eq!(took.len(), expected.len());
    for (took, &expected) in took.iter().zip(expected) {
        assert!(took.unwrap().abs_diff(millis(expected)) < TICK, "{took:?}, not {expected}");
    }
}

/// Connects as told for each connection in turn.
struct Told {
    host: FromHost,
    connections: AtomicUsize,
    tell: fn(usize) -> Way,
    /// Held by each attempt while it lasts.
    attempts: Arc<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Connects,
    FailsAfter(Duration),
    Hangs,
}

impl Connect for Told {
    type Transport = Simulated;

    async fn connect(&self, to: &Destination) -> io::Result<Simulated> {
        let _attempt = Arc::clone(&self.attempts);
        match (self.tell)(self.connections.fetch_add(1, Ordering::Relaxed)) {
            Way::Connects => self.host.connect(to).await,
            Way::FailsAfter(pause) => {
                sleep(pause).await;
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Way::Hangs => never().await,
        }
    }
}

/// Returns a client whose connections are opened as `tell` says, and what each attempt holds.
fn told(scene: &Scene, tell: fn(usize) -> Way) -> (Client, Arc<()>) {
    let attempts = Arc::new(());
    let host = FromHost(scene.client.clone());
    let connector =
        Told { host, connections: AtomicUsize::new(0), tell, attempts: Arc::clone(&attempts) };
    let client = scene.builder(Policy::default()).max_per_host(2).connector(connector);
    (client.build().unwrap(), attempts)
}

#[test]
fn a_request_that_connects_takes_a_connection_that_comes_back() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    let idle = client.clone();
    let took = scene.run(async move { send(&client, &[0, 12]).await });
    assert_took(&took, &[20, 18]);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_new, tally.leased_reused), (2, 1, 1));
    assert_eq!((tally.shelved, tally.returned), (1, 2));
    assert_eq!(idle.idle(), 2);
}

#[test]
fn what_was_opened_in_vain_serves_the_next() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    let took = scene.run(async move { send(&client, &[0, 12, 23]).await });
    assert_took(&took, &[20, 18, 10]);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_new, tally.leased_reused), (2, 1, 2));
}

#[test]
fn a_request_whose_own_connection_is_there_first_uses_that() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    let took = scene.run(async move { send(&client, &[0, 5]).await });
    assert_took(&took, &[20, 20]);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_new, tally.shelved), (2, 2, 0));
}

#[test]
fn a_policy_may_let_each_request_wait_for_its_own() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).handover(false).build().unwrap();
    let took = scene.run(async move { send(&client, &[0, 12]).await });
    assert_took(&took, &[20, 20]);
    assert_eq!((scene.tally().leased_new, scene.tally().shelved), (2, 0));
}

#[test]
fn of_two_that_connect_the_first_to_come_is_served_first() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    let took = scene.run(async move { send(&client, &[0, 12, 14]).await });
    // The last one takes what the second left behind.
    assert_took(&took, &[20, 18, 18]);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_new, tally.shelved), (3, 1, 2));
}

#[test]
fn a_request_that_is_given_up_leaves_its_place_to_the_next() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    let took = scene.run(async move {
        let given_up = async {
            sleep(millis(12)).await;
            timeout(millis(3), get(&client)).await.is_err()
        };
        let (took, given_up) = tokio::join!(send(&client, &[0, 14]), given_up);
        assert!(given_up);
        took
    });
    assert_took(&took, &[20, 16]);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_new, tally.leased_reused), (2, 1, 1));
}

#[test]
fn a_request_that_is_given_up_after_its_choice_leaves_what_it_began() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    let idle = client.clone();
    scene.run(async move {
        let given_up = async {
            sleep(millis(12)).await;
            timeout(millis(9), get(&client)).await.is_err()
        };
        let (_took, given_up) = tokio::join!(send(&client, &[0]), given_up);
        assert!(given_up);
        sleep(millis(10)).await;
    });
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.shelved, idle.idle()), (2, 1, 1));
}

#[test]
fn who_waits_for_a_turn_comes_before_who_connects() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).max_per_host(2).build().unwrap();
    let took = scene.run(async move { send(&client, &[0, 12, 14]).await });
    assert_took(&took, &[20, 20, 16]);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_new, tally.shelved), (2, 2, 0));
}

#[test]
fn a_connection_that_nobody_waits_for_counts_against_the_limit() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).max_per_host(2).build().unwrap();
    let took = scene.run(async move { send(&client, &[0, 12, 21]).await });
    // The last one waits until the connection that the second began to open is there.
    assert_took(&took, &[20, 18, 11]);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.shelved, tally.leased_reused), (2, 1, 2));
}

#[test]
fn an_attempt_that_fails_when_nobody_waits_fails_no_request_and_gives_its_turn_back() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let (client, _attempts) = told(&scene, |number| match number {
        1 => Way::FailsAfter(millis(15)),
        _ => Way::Connects,
    });
    let took = scene.run(async move {
        let took = send(&client, &[0, 12]).await;
        assert_eq!(client.idle(), 1);
        // Both turns are there.
        assert_took(&send(&client, &[0, 0]).await, &[10, 20]);
        took
    });
    assert_took(&took, &[20, 18]);
    let tally = scene.tally();
    assert_eq!((tally.not_opened, tally.failures(), tally.shelved), (1, 0, 0));
}

#[test]
fn an_attempt_that_nobody_waits_for_ends_with_the_client() {
    for shuts_down in [false, true] {
        let mut scene = Scene::new(OnOrphan::Reset);
        let _requests = scene.answer(OK);
        let (client, attempts) = told(&scene, |number| match number {
            1 => Way::Hangs,
            _ => Way::Connects,
        });
        scene.run(async move {
            assert_took(&send(&client, &[0, 12]).await, &[20, 18]);
            assert_eq!(Arc::strong_count(&attempts), 3, "the connector's and the attempt's");
            let kept = shuts_down.then(|| client.clone());
            if shuts_down {
                client.shut_down();
            }
            drop(client);
            sleep(millis(1)).await;
            let held = 1 + usize::from(kept.is_some());
            assert_eq!(Arc::strong_count(&attempts), held, "it hangs still");
        });
        assert_eq!(scene.tally().not_opened, 0);
    }
}
