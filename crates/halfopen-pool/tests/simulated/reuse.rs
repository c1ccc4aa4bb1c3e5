//! What becomes of a connection after its response.

use halfopen_core::idle::OnOrphan;
use halfopen_pool::policy::{Policy, Reuse};
use halfopen_pool::shelf::Discard;
use tokio::time::sleep;

use super::*;

#[test]
fn a_second_request_uses_the_connection_of_the_first() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        assert_eq!(post(&client).await.unwrap(), "paid");
        assert_eq!(client.idle(), 1);
        assert_eq!(get(&client).await.unwrap(), "paid");
    });
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_reused, tally.returned), (1, 1, 2));
    let requests = requests.lock().unwrap();
    assert!(requests[0].starts_with("POST /pay HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("host: server:8080\r\n"), "{requests:?}");
    assert!(requests[0].ends_with("\r\n\r\n10 won"), "{requests:?}");
}

#[test]
fn an_idle_connection_is_closed_at_the_cap_though_nobody_asks() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).idle_max(seconds(300)).build().unwrap();
    scene.run(async move {
        get(&client).await.unwrap();
        sleep(seconds(299)).await;
        assert_eq!(client.idle(), 1);
        sleep(seconds(2)).await;
        assert_eq!(client.idle(), 0);
        get(&client).await.unwrap();
    });
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.discarded.get(&Discard::IdleLimit)), (2, Some(&1)));
}

#[test]
fn a_hint_of_the_server_shortens_the_cap() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene
        .answer("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=9\r\nContent-Length: 0\r\n\r\n");
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        get(&client).await.unwrap();
        sleep(seconds(3)).await;
        assert_eq!(client.idle(), 1);
        sleep(seconds(2)).await;
        assert_eq!(client.idle(), 0);
    });
}

#[test]
fn a_connection_that_the_server_closes_is_not_kept() {
    for last in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nKeep-Alive: max=0\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut scene = Scene::new(OnOrphan::Reset);
        let _requests = scene.answer(last);
        let client = scene.builder(Policy::default()).build().unwrap();
        scene.run(async move {
            get(&client).await.unwrap();
            assert_eq!(client.idle(), 0);
            get(&client).await.unwrap();
        });
        assert_eq!((scene.tally().opened, scene.tally().returned), (2, 0), "{last}");
    }
}

#[test]
fn without_reuse_each_request_has_a_connection_of_its_own_and_says_so() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = scene.answer(OK);
    let policy = Policy { reuse: Reuse::Never, ..Policy::default() };
    let client = scene.builder(policy).build().unwrap();
    scene.run(async move {
        for _ in 0..3 {
            post(&client).await.unwrap();
        }
        assert_eq!(client.idle(), 0);
    });
    assert_eq!(scene.tally().opened, 3);
    assert!(requests.lock().unwrap().iter().all(|text| text.contains("connection: close\r\n")));
}

#[test]
fn a_response_that_is_dropped_unread_takes_its_connection_along() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await?;
        never().await
    });
    let client = scene.builder(Policy::default()).max_per_host(1).build().unwrap();
    scene.run(async move {
        drop(client.get(URI).await.unwrap());
        assert_eq!(client.idle(), 0);
        drop(client.get(URI).await.unwrap());
    });
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.discarded.get(&Discard::NotKept)), (2, Some(&2)));
}

#[test]
fn connections_opened_together_do_not_end_together() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let policy = Policy { learns: false, ..Policy::default() };
    let client = scene
        .builder(policy)
        .idle_max(None)
        .max_lifetime(seconds(300), seconds(100))
        .seed(3)
        .build()
        .unwrap();
    scene.run(async move {
        let requests = (0..20).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { get(&client).await.unwrap() })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
        sleep(seconds(199)).await;
        assert_eq!(client.idle(), 20);
        sleep(seconds(50)).await;
        assert!((5..=15).contains(&client.idle()), "{} of 20 left", client.idle());
        sleep(seconds(52)).await;
        assert_eq!(client.idle(), 0);
    });
    assert_eq!(scene.tally().discarded.get(&Discard::Lifetime), Some(&20));
}

#[test]
fn a_client_that_is_shut_down_closes_what_is_idle_and_takes_no_more() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        get(&client).await.unwrap();
        let under_way = client.get(URI).await.unwrap();
        client.shut_down();
        assert_eq!(under_way.into_body().bytes().await.unwrap(), "paid");
        assert_eq!(client.idle(), 0);
        let error = get(&client).await.unwrap_err();
        assert_eq!(error.to_string(), "the client was shut down");
    });
}

#[test]
fn a_client_that_is_drained_goes_on_with_new_connections() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        get(&client).await.unwrap();
        let under_way = client.get(URI).await.unwrap();
        client.drain();
        assert_eq!(under_way.into_body().bytes().await.unwrap(), "paid");
        assert_eq!(client.idle(), 1, "what was in use is kept");
        client.drain();
        assert_eq!(client.idle(), 0);
        assert_eq!(get(&client).await.unwrap(), "paid");
    });
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.discarded.get(&Discard::Drained)), (2, Some(&1)));
}
