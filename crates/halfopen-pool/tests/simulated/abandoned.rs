//! Requests whose sender does not wait until the client gives up.

use halfopen_core::idle::OnOrphan;
use halfopen_pool::idle::Clock;
use halfopen_pool::policy::Policy;
use halfopen_pool::retry::{Failure, Objection};
use halfopen_pool::shelf::Discard;
use tokio::time::{sleep, timeout};

use super::*;

/// Opens `idle` connections, is quiet for `pause`, and then waits for one answer for `patience`.
async fn give_up_after(client: &Client, idle: usize, pause: Duration, patience: Duration) {
    let sent: Vec<_> = (0..idle)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { post(&client).await.unwrap() })
        })
        .collect();
    for sent in sent {
        sent.await.unwrap();
    }
    sleep(pause).await;
    timeout(patience, post(client)).await.unwrap_err();
}

/// Answers the first request on a connection at once and each further one after a minute.
fn answer_slowly(scene: &Scene) {
    scene.listen(|_, mut stream| async move {
        for takes in [0, 60, 60] {
            if read_request(&mut stream).await?.is_none() {
                break;
            }
            sleep(seconds(takes)).await;
            stream.write_all(OK.as_bytes()).await?;
        }
        Ok(())
    });
}

#[test]
fn whoever_gives_up_on_a_silent_path_teaches_it_to_all() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).build().unwrap();
    let known = client.clone();
    scene.run(async move {
        give_up_after(&client, 3, seconds(1_200), seconds(2)).await;
        assert_eq!(client.idle(), 0, "nobody is to meet the siblings");
        timeout(seconds(2), post(&client)).await.unwrap().unwrap();
        sleep(seconds(1_200)).await;
        timeout(seconds(2), post(&client)).await.unwrap().unwrap();
    });
    let ledger = known.ledger().unwrap();
    let path = ledger.paths().next().unwrap();
    let died = ledger.bracket(path, Clock::Packets).died().unwrap();
    assert!(died.abs_diff(seconds(1_200)) < seconds(1), "{died:?}");
    assert_eq!(requests.lock().unwrap().len(), 5);
    let tally = scene.tally();
    assert_eq!(tally.died_reused.get(&Failure::Silence), Some(&1));
    assert_eq!(tally.given_up.get(&Objection::Abandoned), Some(&1));
    assert_eq!(tally.discarded.get(&Discard::SiblingDied), Some(&2));
    assert_eq!(tally.discarded.get(&Discard::NotKept), None, "its end was told");
}

#[test]
fn whoever_gives_up_on_a_slow_server_teaches_nothing() {
    let mut scene = Scene::new(OnOrphan::Drop);
    answer_slowly(&scene);
    let client = scene.builder(Policy::learning()).build().unwrap();
    let known = client.clone();
    scene.run(async move {
        give_up_after(&client, 2, seconds(300), seconds(10)).await;
        assert_eq!(client.idle(), 1, "it may be used");
    });
    assert_eq!(known.ledger().unwrap().paths().count(), 0);
    let tally = scene.tally();
    assert_eq!((tally.died_reused.len(), tally.given_up.len()), (0, 0));
}

#[test]
fn whoever_gives_up_before_tcp_does_teaches_nothing() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).build().unwrap();
    scene.run(async move {
        // Linux: the first retransmission is after 200 ms and more, the second 400 ms after it.
        give_up_after(&client, 2, seconds(1_200), Duration::from_millis(500)).await;
        assert_eq!(client.idle(), 1, "one packet may have been lost");
    });
    assert_eq!(scene.tally().died_reused.len(), 0);
}

#[test]
fn a_server_that_takes_longer_than_the_read_timeout_teaches_nothing() {
    let mut scene = Scene::new(OnOrphan::Drop);
    answer_slowly(&scene);
    let client = scene.builder(Policy::learning()).read_timeout(seconds(10)).build().unwrap();
    let known = client.clone();
    scene.run(async move {
        post(&client).await.unwrap();
        sleep(seconds(300)).await;
        let error = post(&client).await.unwrap_err();
        assert_eq!(error.broken().unwrap().failure, Failure::Silence);
    });
    assert_eq!(known.ledger().unwrap().paths().count(), 0);
}

#[cfg(feature = "http2")]
#[test]
fn whoever_gives_up_waiting_for_a_pong_teaches_too() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let _requests = http2::echo(&scene);
    let builder = scene.builder(Policy::learning()).http2_prior_knowledge();
    let client = builder.http2_ping(seconds(1), seconds(10)).build().unwrap();
    scene.run(async move {
        give_up_after(&client, 1, seconds(1_200), seconds(2)).await;
        timeout(seconds(2), post(&client)).await.unwrap().unwrap();
        sleep(seconds(1_200)).await;
        timeout(seconds(2), post(&client)).await.unwrap().unwrap();
    });
    let tally = scene.tally();
    assert_eq!(tally.discarded.get(&Discard::NoPong), Some(&1));
    assert_eq!(tally.discarded.get(&Discard::NotKept), None, "its end was told");
    assert_eq!(tally.cap_changes, 1);
}

#[cfg(feature = "http2")]
#[test]
fn whoever_gives_up_on_a_shared_connection_teaches_too() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let _requests = http2::echo(&scene);
    let policy = Policy { ping: None, ..Policy::learning() };
    let client = scene.builder(policy).http2_prior_knowledge().build().unwrap();
    scene.run(async move {
        give_up_after(&client, 1, seconds(1_200), seconds(2)).await;
        timeout(seconds(2), post(&client)).await.unwrap().unwrap();
        sleep(seconds(1_200)).await;
        timeout(seconds(2), post(&client)).await.unwrap().unwrap();
    });
    let tally = scene.tally();
    assert_eq!(tally.died_reused.get(&Failure::Silence), Some(&1));
    assert_eq!(tally.given_up.get(&Objection::Abandoned), Some(&1));
    assert_eq!((tally.opened, tally.cap_changes), (3, 1));
}
