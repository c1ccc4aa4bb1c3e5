//! Servers that mean no good.

use halfopen_core::idle::OnOrphan;
use halfopen_pool::error::Error;
use halfopen_pool::policy::Policy;
use halfopen_pool::retry::Failure;
use tokio::time::sleep;

use super::*;

/// Returns how a GET fails at a server that answers so and then closes.
fn failure_of(response: impl AsRef<[u8]> + Clone + Send + Sync + 'static) -> Failure {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(move |_, mut stream| {
        let response = response.clone();
        async move {
            read_request(&mut stream).await?;
            stream.write_all(response.as_ref()).await
        }
    });
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        let error = get(&client).await.unwrap_err();
        assert_eq!(client.idle(), 0);
        error.broken().unwrap().failure
    })
}

#[test]
fn what_is_not_http_is_malformed() {
    assert_eq!(failure_of("SSH-2.0-OpenSSH_9.2\r\n"), Failure::Malformed);
    assert_eq!(failure_of([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46]), Failure::Malformed);
    let contradicts = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na";
    assert_eq!(failure_of(contradicts), Failure::Malformed);
}

#[test]
fn endless_headers_come_to_an_end() {
    let many = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(100_000));
    assert_eq!(failure_of(many), Failure::Malformed);
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(2_000_000));
    assert_eq!(failure_of(long), Failure::Malformed);
}

#[test]
fn a_response_that_breaks_off_is_truncated() {
    assert_eq!(failure_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Failure::Truncated);
    assert_eq!(failure_of("HTTP/1.1 200 OK\r\nContent-Len"), Failure::Truncated);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    assert_eq!(failure_of(chunked), Failure::Truncated);
}

#[test]
fn a_server_that_drips_does_not_hold_a_request_for_ever() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
        loop {
            sleep(seconds(1)).await;
            stream.write_all(b"a: b\r\n").await?;
        }
    });
    let client = scene.builder(Policy::default()).read_timeout(seconds(10)).build().unwrap();
    scene.run(async move {
        let error = client.post(URI, "").await.unwrap_err();
        assert!(
            matches!(&error, Error::Broken(broken) if broken.failure == Failure::Silence),
            "{error}"
        );
    });
}

#[test]
fn a_body_that_stops_coming_ends_with_the_read_timeout() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await?;
        never().await
    });
    let client = scene.builder(Policy::default()).read_timeout(seconds(10)).build().unwrap();
    scene.run(async move {
        let error = get(&client).await.unwrap_err();
        assert_eq!(error.broken().unwrap().failure, Failure::Silence);
    });
}

#[test]
fn a_hint_of_a_thousand_years_keeps_nothing_longer_than_the_cap() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=99999999999999999999\r\nContent-Length: 0\r\n\r\n",
    );
    let client = scene.builder(Policy::default()).idle_max(seconds(60)).build().unwrap();
    scene.run(async move {
        get(&client).await.unwrap();
        sleep(seconds(59)).await;
        assert_eq!(client.idle(), 1);
        sleep(seconds(2)).await;
        assert_eq!(client.idle(), 0);
    });
}

#[test]
fn more_than_was_announced_is_not_taken_for_the_next_response() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = scene.answer(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npaid\
         HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    );
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        for _ in 0..3 {
            assert_eq!(post(&client).await.unwrap(), "paid");
        }
    });
    assert_eq!(requests.lock().unwrap().len(), 3);
    assert_eq!(scene.tally().opened, 3);
}
