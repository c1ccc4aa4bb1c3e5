//! What goes out again, and what does not.

use halfopen_core::idle::OnOrphan;
use halfopen_pool::policy::{Policy, Resend, Retry};
use halfopen_pool::retry::{Failure, Objection, Processed};
use http_body_util::Full;

use super::*;

/// Closes the first connections at once, and answers on later ones.
fn closes_first(scene: &Scene, closing: usize) {
    scene.listen(move |number, mut stream| async move {
        read_request(&mut stream).await?;
        if number < closing {
            return Ok(());
        }
        stream.write_all(OK.as_bytes()).await
    });
}

#[test]
fn a_question_is_asked_again_once_and_no_more() {
    for (closing, fails) in [(1, false), (2, true)] {
        let mut scene = Scene::new(OnOrphan::Reset);
        closes_first(&scene, closing);
        let client = scene.builder(Policy::default()).build().unwrap();
        let answer = scene.run(async move { get(&client).await });
        assert_eq!(answer.is_err(), fails, "{closing} closed");
        if let Err(error) = answer {
            let broken = error.broken().unwrap();
            assert_eq!(broken.failure, Failure::Closed);
            assert_eq!((broken.retries, broken.objection), (1, Objection::Attempts));
        }
    }
}

#[test]
fn a_stream_that_was_begun_cannot_go_out_again() {
    let mut scene = Scene::new(OnOrphan::Reset);
    closes_first(&scene, 1);
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        let body = halfopen_pool::body::Body::stream(Full::new(bytes::Bytes::from("10 won")));
        let request = http::Request::put(URI).body(body).unwrap();
        let error = client.send(request).await.unwrap_err();
        assert_eq!(error.broken().unwrap().objection, Objection::BodyGone);
        assert_eq!(error.processed(), Processed::Maybe);
    });
}

#[test]
fn a_policy_that_sends_all_again_charges_twice() {
    let mut scene = Scene::new(OnOrphan::Reset);
    closes_first(&scene, 1);
    let retry = Retry { written: Resend::All, ..Policy::default().retry };
    let client = scene.builder(Policy { retry, ..Policy::default() }).build().unwrap();
    scene.run(async move { assert_eq!(post(&client).await.unwrap(), "paid") });
    assert_eq!(scene.tally().opened, 2);
}

#[test]
fn a_connection_that_ended_while_idle_costs_nothing_even_a_charge() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(OK.as_bytes()).await?;
        tokio::time::sleep(seconds(5)).await;
        Ok(())
    });
    let policy =
        Policy { retry: Retry { attempts: 0, ..Policy::default().retry }, ..Policy::default() };
    let client = scene.builder(policy).build().unwrap();
    scene.run(async move {
        post(&client).await.unwrap();
        tokio::time::sleep(seconds(4)).await;
        assert_eq!(client.idle(), 1);
        tokio::time::sleep(seconds(2)).await;
        assert_eq!(client.idle(), 0, "the FIN was noticed");
        post(&client).await.unwrap();
    });
    assert_eq!(scene.tally().closed_idle, 1);
}

#[test]
fn nobody_listens() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        let error = post(&client).await.unwrap_err();
        assert_eq!(error.processed(), Processed::No);
        assert!(error.to_string().contains("no connection to http://server:8080"), "{error}");
    });
    let tally = scene.tally();
    assert_eq!((tally.not_opened, tally.failures()), (1, 1));
}
