//! When connections end, and what clients are told about it.

use halfopen_billing::payment::settings::{Hint, Slowness};
use tokio::time::sleep;

use super::*;

#[test]
fn an_idle_connection_is_closed_with_a_fin_at_the_second() {
    for limit in [1, 180, 300, 350, 4000] {
        let mut scene = Scene::new(|settings| settings.keep_alive = Some(seconds(limit)));
        scene.run(async {
            let mut client = Client::connect().await;
            sleep(Duration::from_millis(limit * 1000 - 1)).await;
            assert_eq!(client.pay("k1", ORDER).await.status, 201, "the timer starts anew");
            assert_eq!(client.closed().await, seconds(limit));

            assert_eq!(Client::connect().await.closed().await, seconds(limit), "unused");
        });
        assert_eq!(scene.endings(), [Closing::Idle, Closing::Idle]);
    }
}

#[test]
fn time_that_an_answer_takes_is_not_idle_time() {
    let mut scene = Scene::new(|settings| {
        settings.keep_alive = Some(seconds(5));
        settings.answer = Slowness::always(seconds(60));
    });
    scene.run(async {
        let mut client = Client::connect().await;
        assert_eq!(client.pay("k1", ORDER).await.status, 201);
        assert_eq!(client.closed().await, seconds(5));
    });
}

#[test]
fn a_module_without_a_timer_keeps_connections_and_says_nothing() {
    let mut scene = Scene::new(|_| ());
    scene.run(async {
        let mut client = Client::connect().await;
        for key in ["k1", "k2"] {
            let answer = client.pay(key, ORDER).await;
            assert_eq!((answer.status, answer.header("keep-alive")), (201, None));
            assert_eq!(answer.header("connection"), None);
            assert_eq!(answer.header("date"), None, "virtual time has no date");
            sleep(seconds(86_400)).await;
        }
    });
    assert_eq!(scene.endings(), []);
}

#[test]
fn the_hint_is_a_hint_and_binds_nobody() {
    let mut scene = Scene::new(|settings| {
        settings.hint = Some(Hint { timeout: 5, max: Some(100) });
        settings.keep_alive = Some(seconds(60));
    });
    scene.run(async {
        let mut client = Client::connect().await;
        let answer = client.pay("k1", ORDER).await;
        assert_eq!(answer.header("keep-alive"), Some("timeout=5, max=100"));
        assert_eq!(client.closed().await, seconds(60));
    });
}

#[test]
fn the_last_request_of_a_connection_is_told_so() {
    let mut scene = Scene::new(|settings| settings.requests_per_connection = Some(2));
    scene.run(async {
        let mut client = Client::connect().await;
        assert_eq!(client.get("/health").await.header("connection"), None);
        assert_eq!(client.get("/health").await.header("connection"), Some("close"));
        assert_eq!(client.closed().await, Duration::ZERO);
    });
    assert_eq!(scene.endings(), [Closing::Finished]);
}

#[test]
fn a_connection_too_many_waits_until_there_is_room() {
    let mut scene = Scene::new(|settings| settings.connections_max = 2);
    scene.run(async {
        let (mut first, mut second) = (Client::connect().await, Client::connect().await);
        assert_eq!(first.get("/health").await.status, 200);
        assert_eq!(second.get("/health").await.status, 200);
        let mut third = Client::connect().await;
        third.write("GET /health HTTP/1.1\r\nhost: p\r\n\r\n").await;
        let waited = tokio::time::timeout(seconds(30), third.read()).await;
        assert!(waited.is_err(), "it was not accepted");
        drop(first);
        assert_eq!(third.read().await.status, 200);
    });
}

#[test]
fn draining_ends_idle_connections_and_finishes_what_has_begun() {
    let mut scene = Scene::new(|settings| {
        settings.work = Slowness::always(seconds(3));
        settings.drain_timeout = seconds(10);
    });
    let module = scene.module.clone();
    scene.run(async move {
        let (mut idle, mut busy) = (Client::connect().await, Client::connect().await);
        let mut late = Client::connect().await;
        assert_eq!(idle.get("/health").await.status, 200);
        let order = request("k2", ORDER);
        let (begun, rest) = order.split_at(20);
        late.write(begun).await;
        busy.write(&request("k1", ORDER)).await;
        sleep(seconds(1)).await;

        module.drain();

        assert_eq!(idle.closed().await, Duration::ZERO);
        late.write(rest).await;
        let refused = late.read().await;
        assert_eq!((refused.status, refused.header("connection")), (503, Some("close")));
        assert_eq!(refused.header("retry-after"), Some("1"));
        let answer = busy.read().await;
        assert_eq!((answer.status, answer.header("connection")), (201, Some("close")));
        assert_eq!(busy.closed().await, Duration::ZERO);
        assert!(TcpStream::connect("payment:8080").await.is_err(), "nobody listens");
    });
    assert_eq!(scene.endings(), [Closing::Draining; 3]);
    let charged = scene.charged();
    assert_eq!(charged.values().copied().collect::<Vec<u64>>(), [1]);
}

#[test]
fn draining_waits_no_longer_than_it_is_told_to() {
    let mut scene = Scene::new(|settings| {
        settings.work = Slowness::always(seconds(3600));
        settings.drain_timeout = seconds(10);
    });
    let (module, book) = (scene.module.clone(), scene.module.clone());
    let served = scene.server.spawn(async move {
        let listener = TcpListener::bind("0.0.0.0:8081").await.unwrap();
        module.serve(move |cx| listener.poll_accept(cx)).await;
        Instant::now()
    });
    let (since, ended) = scene.run(async move {
        let mut client = Client { stream: TcpStream::connect("payment:8081").await.unwrap() };
        client.write(&request("k1", ORDER)).await;
        sleep(seconds(1)).await;
        book.drain();
        let since = Instant::now();
        (since, served.await.unwrap())
    });
    assert_eq!(ended - since, seconds(10));
    assert_eq!(scene.endings(), [Closing::Draining]);
    assert!(scene.charged().is_empty());
}
