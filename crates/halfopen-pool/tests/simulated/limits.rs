//! Limits, turns and patience.

use halfopen_core::idle::OnOrphan;
use halfopen_pool::error::Error;
use halfopen_pool::policy::Policy;
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// Timers stand on whole milliseconds.
const TICK: Duration = Duration::from_millis(2);

/// Answers each request after a second.
fn slow(scene: &Scene) {
    scene.listen(|_, mut stream| async move {
        while read_request(&mut stream).await?.is_some() {
            sleep(seconds(1)).await;
            stream.write_all(OK.as_bytes()).await?;
        }
        Ok(())
    });
}

#[test]
fn requests_beyond_the_limit_wait_for_their_turn_in_order() {
    let mut scene = Scene::new(OnOrphan::Reset);
    slow(&scene);
    let client = scene.builder(Policy::default()).max_per_host(2).lease_timeout(None);
    let client = client.build().unwrap();
    let order = scene.run(async move {
        let order = Arc::new(Mutex::new(Vec::new()));
        let sent: Vec<_> = (0..6)
            .map(|number| {
                let (client, order) = (client.clone(), Arc::clone(&order));
                tokio::spawn(async move {
                    get(&client).await.unwrap();
                    order.lock().unwrap().push(number / 2);
                })
            })
            .collect();
        for sent in sent {
            sent.await.unwrap();
        }
        order.lock().unwrap().clone()
    });
    assert_eq!(order, [0, 0, 1, 1, 2, 2]);
    assert_eq!(scene.tally().opened, 2);
}

#[test]
fn who_gets_no_turn_in_time_is_told_so() {
    let mut scene = Scene::new(OnOrphan::Reset);
    slow(&scene);
    let patience = Duration::from_millis(500);
    let client = scene.builder(Policy::default()).max_total(1).lease_timeout(patience);
    let client = client.build().unwrap();
    scene.run(async move {
        let first = tokio::spawn({
            let client = client.clone();
            async move { get(&client).await }
        });
        tokio::task::yield_now().await;
        let since = Instant::now();
        let error = get(&client).await.unwrap_err();
        assert!(matches!(error, Error::NoTurn { .. }), "{error}");
        assert!(since.elapsed().abs_diff(patience) < TICK, "{error}");
        first.await.unwrap().unwrap();
        get(&client).await.unwrap();
    });
    assert_eq!(scene.tally().refused, 1);
}

#[test]
fn a_request_that_is_given_up_leaves_no_turn_behind() {
    let mut scene = Scene::new(OnOrphan::Reset);
    slow(&scene);
    let client = scene.builder(Policy::default()).max_per_host(1).lease_timeout(None);
    let client = client.build().unwrap();
    scene.run(async move {
        // Each of these is given up elsewhere: while it connects, while it waits for an answer,
        // while it waits for its turn, and in the moment in which its turn comes.
        for patience in [1, 9, 11, 500, 900, 1_009, 1_010, 1_011] {
            let patience = Duration::from_millis(patience);
            let other = tokio::spawn({
                let client = client.clone();
                async move { timeout(patience, get(&client)).await.is_ok() }
            });
            let _given_up = timeout(patience, get(&client)).await;
            let _given_up = other.await.unwrap();
        }
        let answer = timeout(seconds(3), get(&client)).await;
        assert_eq!(answer.expect("a turn").unwrap(), "paid");
    });
}

#[test]
fn an_idle_connection_elsewhere_makes_room() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).max_total(1).build().unwrap();
    scene.run(async move {
        get(&client).await.unwrap();
        client.get("http://198.51.100.2:8080/").await.unwrap().into_body().bytes().await.unwrap();
        assert_eq!(client.idle(), 1);
    });
    assert_eq!(scene.tally().discarded.values().sum::<u64>(), 1);
}

#[test]
fn a_destination_that_does_not_answer_ends_with_the_connect_timeout() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let client = scene.builder(Policy::default()).connect_timeout(seconds(1)).build().unwrap();
    scene.run(async move {
        let since = Instant::now();
        let error = client.get("http://203.0.113.77/").await.unwrap_err();
        let Error::NotConnected { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::TimedOut);
        assert!(since.elapsed().abs_diff(seconds(1)) < TICK, "{error}");
    });
}
