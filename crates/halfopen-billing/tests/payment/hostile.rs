//! Clients that mean harm, or are broken.

use tokio::time::sleep;

use super::*;

#[test]
fn garbage_is_answered_once_and_let_go() {
    let mut scene = Scene::new(|_| ());
    scene.run(async {
        for garbage in [
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03 TLS\r\n\r\n",
            "\0\0\0\0\r\n\r\n",
            "GET\r\n\r\n",
        ] {
            let mut client = Client::connect().await;
            client.write(garbage).await;
            assert_eq!(client.read().await.status, 400);
            assert_eq!(client.closed().await, Duration::ZERO);
        }
    });
    assert_eq!(scene.endings(), [Closing::Malformed; 3]);
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    let mut scene = Scene::new(|settings| settings.head_max = 8192);
    scene.run(async {
        let mut client = Client::connect().await;
        client.write(&format!("GET /health HTTP/1.1\r\nx: {}", "y".repeat(20_000))).await;
        assert_eq!(client.read().await.status, 431);
    });
    assert_eq!(scene.endings(), [Closing::Malformed]);
}

#[test]
fn a_head_that_trickles_in_is_refused_in_time_however_long_connections_may_idle() {
    let mut scene = Scene::new(|settings| {
        settings.keep_alive = None;
        settings.head_timeout = seconds(10);
    });
    scene.run(async {
        let mut client = Client::connect().await;
        sleep(seconds(1000)).await;
        let since = Instant::now();
        for byte in "GET /heal".chars() {
            client.write(&byte.to_string()).await;
            sleep(seconds(1)).await;
        }
        let answer = client.read().await;
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
        assert_eq!(since.elapsed(), seconds(10));
    });
    assert_eq!(scene.endings(), [Closing::SlowHead]);
}

#[test]
fn a_body_that_trickles_in_is_refused_in_time_and_charges_nobody() {
    let mut scene = Scene::new(|settings| settings.body_timeout = seconds(30));
    scene.run(async {
        let mut client = Client::connect().await;
        let order = request("k1", ORDER);
        client.write(&order[..order.len() - 1]).await;
        let since = Instant::now();
        let answer = client.read().await;
        assert_eq!((answer.status, since.elapsed()), (408, seconds(30)));
        assert_eq!(client.closed().await, Duration::ZERO);
    });
    assert!(scene.charged().is_empty());
}

#[test]
fn a_body_too_long_is_refused_and_the_next_request_served() {
    let mut scene = Scene::new(|settings| settings.body_max = 1000);
    scene.run(async {
        let mut client = Client::connect().await;
        let long = format!("{ORDER}{}", " ".repeat(1000));
        let answer = client.pay("k1", &long).await;
        assert_eq!((answer.status, answer.header("connection")), (413, None));
        assert!(answer.detail().contains("at most 1000 bytes"));
        assert_eq!(client.pay("k1", ORDER).await.status, 201);
    });
    assert_eq!(scene.charged().len(), 1);
}

#[test]
fn a_body_without_end_is_refused_after_a_while() {
    let mut scene = Scene::new(|settings| settings.body_max = 1000);
    scene.run(async {
        let chunked = request("k1", "").replace("content-length: 0", "transfer-encoding: chunked");
        let mut client = Client::connect().await;
        client.write(&chunked).await;
        let chunk = format!("3e8\r\n{}\r\n", "z".repeat(1000));
        for _ in 0..65 {
            client.write(&chunk).await;
        }
        let answer = client.read().await;
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));

        let mut asks = Client::connect().await;
        asks.write(&request("k1", "").replace("length: 0", "length: 9999\r\nexpect: 100-continue"))
            .await;
        assert_eq!(asks.read().await.status, 413, "it is not asked to go on");
    });
    assert!(scene.charged().is_empty());
}

#[test]
fn a_body_with_broken_chunks_charges_nobody() {
    let mut scene = Scene::new(|_| ());
    scene.run(async {
        let chunked = request("k1", "").replace("content-length: 0", "transfer-encoding: chunked");
        let mut client = Client::connect().await;
        client.write(&format!("{chunked}zz\r\n{ORDER}\r\n0\r\n\r\n")).await;
        assert_eq!(client.read().await.status, 400);
    });
    assert!(scene.charged().is_empty());
}

#[test]
fn requests_sent_in_one_go_are_answered_in_order() {
    let mut scene = Scene::new(|_| ());
    scene.run(async {
        let mut client = Client::connect().await;
        client
            .write(&[request("k1", ORDER), request("k1", ORDER), request("k2", "{}")].concat())
            .await;
        for status in [201, 200, 400] {
            assert_eq!(client.read().await.status, status);
        }
    });
}

#[test]
fn half_a_request_piped_behind_another_holds_no_connection_for_ever() {
    let mut scene = Scene::new(|settings| {
        settings.keep_alive = Some(seconds(5));
        settings.body_timeout = seconds(30);
    });
    scene.run(async {
        let mut client = Client::connect().await;
        client.write(&format!("{}GET /hea", request("k1", ORDER))).await;
        assert_eq!(client.read().await.status, 201);
        let since = Instant::now();
        let mut rest = Vec::new();
        let _reset = client.stream.read_to_end(&mut rest).await;
        assert!(since.elapsed() <= seconds(35), "{:?}", since.elapsed());
    });
}

#[test]
fn a_client_that_takes_no_answers_is_let_go() {
    let mut scene = Scene::new(|settings| {
        settings.body_timeout = seconds(30);
        settings.connections_max = 1;
    });
    scene.run(async {
        let mut client = Client::connect().await;
        let (_reads, mut writes) = client.stream.split();
        let flood = "GET /health HTTP/1.1\r\nhost: p\r\n\r\n".repeat(100);
        let flooding = async { while writes.write_all(flood.as_bytes()).await.is_ok() {} };
        tokio::time::timeout(seconds(600), flooding).await.expect("the module closes");
    });
    assert_eq!(scene.endings(), [Closing::SlowReader]);
}
