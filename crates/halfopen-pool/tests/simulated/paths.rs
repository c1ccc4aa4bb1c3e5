//! Paths that forget.

use halfopen_core::idle::OnOrphan;
use halfopen_pool::error::Error;
use halfopen_pool::policy::{Keep, Notice, Policy, Retry, Reuse, Timeouts};
use halfopen_pool::retry::{Failure, Objection, Permission, Processed};
use halfopen_pool::shelf::Discard;
use halfopen_pool::wirelog::WireLog;
use tokio::time::{Instant, sleep};

use super::*;

/// A policy that keeps idle connections for ever, sends nothing again, and looks at a connection
/// that was idle for two seconds: the client of the outage.
fn outage() -> Policy {
    let policy = Policy::learning();
    let Reuse::Kept(keep) = policy.reuse else { unreachable!("it learns from what it keeps") };
    let notice = Notice::WhenTaken { after: seconds(2) };
    Policy {
        reuse: Reuse::Kept(Keep { idle_max: None, lifetime: None, notice, ..keep }),
        retry: Retry { attempts: 0, ..policy.retry },
        learns: false,
        ..policy
    }
}

#[test]
fn a_charge_that_met_a_reset_fails_and_may_have_been_made() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).build().unwrap();
    scene.run(async move {
        post(&client).await.unwrap();
        sleep(seconds(1_200)).await;
        let error = post(&client).await.unwrap_err();
        assert_eq!(error.processed(), Processed::Maybe);
        let broken = error.broken().unwrap();
        assert_eq!((broken.failure, broken.objection), (Failure::Reset, Objection::MayBeProcessed));
        let quiet = broken.quiet.unwrap().since_data;
        assert!((seconds(1_199)..seconds(1_201)).contains(&quiet), "{quiet:?}");
        assert!(error.to_string().ends_with("may have processed the request"), "{error}");
        post(&client).await.unwrap();
    });
    assert_eq!(requests.lock().unwrap().len(), 2, "the far end has seen two of three");
    assert_eq!(scene.tally().failures(), 1);
}

#[test]
fn a_charge_with_a_key_goes_out_again_once_on_a_new_connection() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).build().unwrap();
    scene.run(async move {
        post(&client).await.unwrap();
        sleep(seconds(1_200)).await;
        let request = http::Request::post(URI).header("Idempotency-Key", "may-4711");
        let response = client.send(request.body("10 won").unwrap()).await.unwrap();
        let used = response.extensions().get::<halfopen_pool::client::Used>().unwrap();
        assert_eq!((used.connection.0, used.quiet, used.retries), (1, None, 1));
    });
    assert_eq!(scene.tally().retried.get(&Permission::Key), Some(&1));
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].contains("idempotency-key: may-4711\r\n"), "{requests:?}");
    assert!(requests[1].ends_with("10 won"), "{requests:?}");
}

#[test]
fn a_question_is_asked_again() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).build().unwrap();
    scene.run(async move {
        get(&client).await.unwrap();
        sleep(seconds(1_200)).await;
        get(&client).await.unwrap();
    });
    let tally = scene.tally();
    assert_eq!((tally.retried.get(&Permission::Method), tally.failures()), (Some(&1), 0));
}

#[test]
fn what_one_connection_died_of_no_other_meets() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).build().unwrap();
    let failures = scene.run(async move {
        let mut failures = Vec::new();
        for pause in [0, 1_200, 1_200, 400] {
            sleep(seconds(pause)).await;
            let sent: Vec<_> = (0..10)
                .map(|number| {
                    let client = client.clone();
                    // One after another, so that each takes a connection of its own.
                    let sent = async move {
                        sleep(Duration::from_millis(number)).await;
                        post(&client).await.is_err()
                    };
                    tokio::spawn(sent)
                })
                .collect();
            let mut failed = 0;
            for sent in sent {
                failed += usize::from(sent.await.unwrap());
            }
            failures.push(failed);
        }
        failures
    });
    // The resets of the second burst are under way when the first of them arrives.
    assert_eq!(failures[0], 0);
    assert!(failures[1] >= 1, "{failures:?}");
    assert_eq!(failures[2..], [0, 0], "nothing that long is tried again");
}

#[test]
fn of_ten_that_are_idle_past_the_limit_one_fails() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::learning()).build().unwrap();
    scene.run(async move {
        let sent: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { post(&client).await.unwrap() })
            })
            .collect();
        for sent in sent {
            sent.await.unwrap();
        }
        assert_eq!(client.idle(), 10);
        sleep(seconds(1_200)).await;
        assert_eq!(client.idle(), 10, "nothing tells the client");
        post(&client).await.unwrap_err();
        assert_eq!(client.idle(), 0);
        for _ in 0..10 {
            post(&client).await.unwrap();
        }
    });
    let tally = scene.tally();
    assert_eq!(tally.discarded.get(&Discard::SiblingDied), Some(&9));
    assert_eq!(tally.failures(), 1);
}

#[test]
fn a_path_that_swallows_ends_with_the_read_timeout() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let _requests = scene.answer(OK);
    let timeouts = Timeouts { read: Some(seconds(10)), ..Timeouts::default() };
    let policy = Policy { timeouts, user_timeout: None, ..Policy::learning() };
    let client = scene.builder(policy).build().unwrap();
    scene.run(async move {
        post(&client).await.unwrap();
        sleep(seconds(1_200)).await;
        let since = Instant::now();
        let error = post(&client).await.unwrap_err();
        assert!(since.elapsed().abs_diff(seconds(10)) < Duration::from_millis(5));
        assert!(
            matches!(&error, Error::Broken(broken) if broken.failure == Failure::Silence),
            "{error}"
        );
        assert_eq!(error.processed(), Processed::Maybe);
    });
}

#[test]
fn a_default_client_meets_nothing_on_this_path() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        for pause in [1, 49, 51, 349, 351, 1_200, 7_200] {
            sleep(seconds(pause)).await;
            post(&client).await.unwrap();
        }
    });
    assert_eq!(scene.tally().failures(), 0);
}

/// What a sink was given.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn append(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_wire_log_tells_of_a_connection_whose_request_took_another() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let sink = Sink::default();
    let builder = scene.builder(Policy::default()).wire_log(WireLog::new(sink.clone()));
    let client = builder.build().unwrap();
    scene.run(async move {
        let later = async {
            sleep(Duration::from_millis(12)).await;
            get(&client).await.unwrap();
        };
        let (first, ()) = tokio::join!(get(&client), later);
        first.unwrap();
    });
    let log = sink.text();
    let kept = "Connection kept: [id: 1][its request took another][route: http://server:8080]\
                [total available: 1; route allocated: 2 of 64; total allocated: 2 of 1024]";
    assert!(log.contains(kept), "{log}");
}

#[test]
fn the_outage_can_be_read_from_the_wire_log() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer(OK);
    let sink = Sink::default();
    let client = scene.builder(outage()).wire_log(WireLog::new(sink.clone())).build().unwrap();
    scene.run(async move {
        post(&client).await.unwrap();
        sleep(seconds(1_200)).await;
        post(&client).await.unwrap_err();
        post(&client).await.unwrap();
    });
    let log = sink.text();
    let story = [
        "Connection request: [route: http://server:8080][total available: 0; \
         route allocated: 0 of 64; total allocated: 0 of 1024]",
        "http-outgoing-0: Connection established 10.0.0.7:",
        "Connection leased: [id: 0][new]",
        "http-outgoing-0 >> \"POST /pay HTTP/1.1[\\r][\\n]\"",
        "http-outgoing-0 >> \"10 won\"",
        "http-outgoing-0 << \"HTTP/1.1 200 OK[\\r][\\n]\"",
        "http-outgoing-0 << \"paid\"",
        "Connection released: [id: 0]",
        "Connection request: [route: http://server:8080][total available: 1; \
         route allocated: 1 of 64; total allocated: 1 of 1024]",
        "Connection leased: [id: 0][reused after 1200.",
        "http-outgoing-0: Stale check: nothing to read",
        "http-outgoing-0 >> \"POST /pay HTTP/1.1[\\r][\\n]\"",
        "http-outgoing-0 << \"[read] I/O error: ",
        "http-outgoing-0: Shutdown connection: Connection reset; it was idle for 1200.",
        "Connection discarded: [id: 0]",
        "Connection leased: [id: 1][new]",
        "http-outgoing-1 << \"paid\"",
    ];
    let mut rest = log.as_str();
    for line in story {
        let (_, after) = rest.split_once(line).unwrap_or_else(|| panic!("no {line} in\n{log}"));
        rest = after;
    }
}
