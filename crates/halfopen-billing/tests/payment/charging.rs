//! Orders, and what becomes of them.

use halfopen_billing::payment::settings::{Ending, Slowness};
use tokio::time::sleep;

use super::*;

const OTHER: &str = r#"{"subscription":"s1","period":"2024-02","amount":990,"currency":"KRW"}"#;

fn times(charged: &Charged) -> Vec<(&str, u64)> {
    charged.iter().map(|((_, period), times)| (period.as_str(), *times)).collect()
}

#[test]
fn a_key_charges_once_and_its_answer_is_repeated() {
    let mut scene = Scene::new(|_| ());
    scene.run(async {
        let mut client = Client::connect().await;
        let first = client.pay("k1", ORDER).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
        assert_eq!(first.body["payment"]["outcome"], "charged");
        assert_eq!(first.body["payment"]["amount"], 990);

        let spaced = ORDER.replace(',', " , ");
        let again = Client::connect().await.pay("\"k1\"", &spaced).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
        assert_eq!(again.body, first.body);

        let other = client.pay("k1", OTHER).await;
        assert_eq!(other.status, 422);
        assert!(other.detail().contains("another order"));

        for name in ["k1", "1"] {
            assert_eq!(client.get(&format!("/payments/{name}")).await.body, first.body);
        }
        assert_eq!(client.get("/payments/k2").await.status, 404);
        assert_eq!(client.pay("k2", OTHER).await.body["payment"]["id"], 2);
    });
    assert_eq!(times(&scene.charged()), [("2024-01", 1), ("2024-02", 1)]);
}

#[test]
fn another_key_for_the_same_period_is_a_second_charge_and_shows() {
    let mut scene = Scene::new(|_| ());
    scene.run(async {
        let mut client = Client::connect().await;
        assert_eq!(client.pay("k1", ORDER).await.status, 201);
        assert_eq!(client.pay("k2", ORDER).await.status, 201);
    });
    assert_eq!(times(&scene.charged()), [("2024-01", 2)]);
}

#[test]
fn a_declined_payment_stays_declined_and_charges_nobody() {
    let mut scene = Scene::new(|settings| settings.declines = Some(Ending(90)));
    scene.run(async {
        let mut client = Client::connect().await;
        let first = client.pay("k1", ORDER).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (402, None));
        let again = client.pay("k1", ORDER).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (402, Some("true")));
        assert_eq!(again.body, first.body);
    });
    assert_eq!(times(&scene.charged()), []);
}

#[test]
fn a_key_in_progress_is_a_conflict_and_its_answer_is_there_afterwards() {
    let mut scene = Scene::new(|settings| settings.work = Slowness::always(seconds(3)));
    scene.run(async {
        let (mut first, mut second) = (Client::connect().await, Client::connect().await);
        first.write(&request("k1", ORDER)).await;
        sleep(seconds(1)).await;
        assert_eq!(second.pay("k1", ORDER).await.status, 409);
        assert_eq!(first.read().await.status, 201);
        let since = Instant::now();
        assert_eq!(second.pay("k1", ORDER).await.status, 200);
        assert_eq!(since.elapsed(), seconds(3));
    });
    assert_eq!(times(&scene.charged()), [("2024-01", 1)]);
}

#[test]
fn who_leaves_before_the_payment_is_written_is_not_charged() {
    let mut scene = Scene::new(|settings| settings.work = Slowness::always(seconds(3)));
    scene.run(async {
        let mut client = Client::connect().await;
        client.write(&request("k1", ORDER)).await;
        sleep(seconds(1)).await;
        drop(client);
        sleep(seconds(10)).await;
    });
    assert_eq!(times(&scene.charged()), []);
    scene.run(async { assert_eq!(Client::connect().await.pay("k1", ORDER).await.status, 201) });
    assert_eq!(times(&scene.charged()), [("2024-01", 1)]);
}

#[test]
fn who_leaves_before_the_answer_was_charged_and_can_ask_for_it() {
    let mut scene = Scene::new(|settings| settings.answer = Slowness::always(seconds(3)));
    scene.run(async {
        let mut client = Client::connect().await;
        client.write(&request("k1", ORDER)).await;
        sleep(seconds(1)).await;
        drop(client);
        assert_eq!(Client::connect().await.pay("k1", ORDER).await.status, 200);
    });
    assert_eq!(times(&scene.charged()), [("2024-01", 1)]);
}

#[test]
fn what_is_no_order_is_told_why() {
    let mut scene = Scene::new(|_| ());
    scene.run(async {
        let mut client = Client::connect().await;
        let keyless = request("k1", ORDER).replace("idempotency-key: k1\r\n", "");
        client.write(&keyless).await;
        let answer = client.read().await;
        assert_eq!((answer.status, answer.header("connection")), (400, None));
        assert!(answer.detail().contains("Idempotency-Key"), "{}", answer.detail());

        let twice = request("k1\r\nidempotency-key: k2", ORDER);
        client.write(&twice).await;
        assert_eq!(client.read().await.status, 400);
        assert!(client.pay("two words", ORDER).await.detail().contains("key has 1 to 128"));

        client.write(&request("k1", ORDER).replace("application/json", "text/plain")).await;
        assert_eq!(client.read().await.status, 415);

        for (order, why) in [
            ("{", "EOF"),
            (r#"["s1","2024-01",990,"KRW"]"#, "not a JSON object"),
            ("", "not a JSON object"),
            (r#"{"subscription":"s1"}"#, "missing field `period`"),
            (&ORDER.replace("990", "9.9"), "invalid type: floating point"),
            (&ORDER.replace("990", "0"), "`amount` must be from 1"),
            (&ORDER.replace("KRW", "WON"), "WON"),
            (&ORDER.replace('}', r#","tip":1}"#), "unknown field `tip`"),
            (&ORDER.replace("990", &"[".repeat(1000)), "expected i64"),
        ] {
            let answer = client.pay("k1", order).await;
            assert_eq!(answer.status, 400, "{order}");
            assert!(answer.detail().contains(why), "{order}: {}", answer.detail());
        }
    });
    assert_eq!(times(&scene.charged()), []);
}

#[test]
fn other_paths_and_methods_are_told_what_there_is() {
    let mut scene = Scene::new(|_| ());
    let module = scene.module.clone();
    scene.run(async move {
        let mut client = Client::connect().await;
        for path in ["/", "/payment", "/payments/", "/healthy"] {
            assert_eq!(client.get(path).await.status, 404, "{path}");
        }
        for (line, allowed) in [
            ("GET /payments", "post"),
            ("PUT /payments/k", "get, head"),
            ("POST /health", "get, head"),
        ] {
            client.write(&format!("{line} HTTP/1.1\r\nhost: p\r\ncontent-length: 0\r\n\r\n")).await;
            let answer = client.read().await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{line}");
        }
        assert_eq!(client.get("/health").await.status, 200);
        module.set_healthy(false);
        assert_eq!(client.get("/health").await.status, 503);
        assert_eq!(client.pay("k1", ORDER).await.status, 201);
    });
}
