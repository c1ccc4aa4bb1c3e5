//! How the end of an idle connection is noticed.

use halfopen_core::idle::OnOrphan;
use halfopen_pool::policy::{Keep, Notice, Policy, Retry, Reuse};
use halfopen_pool::retry::Failure;
use tokio::time::sleep;

use super::*;

fn noticing(notice: Notice) -> Policy {
    let policy = Policy::learning();
    let Reuse::Kept(keep) = policy.reuse else { unreachable!("it learns from what it keeps") };
    Policy {
        reuse: Reuse::Kept(Keep { notice, ..keep }),
        retry: Retry { attempts: 0, ..policy.retry },
        learns: false,
        ..policy
    }
}

/// Sends two charges, between which the server closes the connection. Returns how the second
/// failed, and how many connections were found to have ended.
fn after_a_fin(notice: Notice, pause: Duration) -> (Option<Failure>, u64) {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(OK.as_bytes()).await?;
        sleep(Duration::from_millis(100)).await;
        Ok(())
    });
    let client = scene.builder(noticing(notice)).build().unwrap();
    let failure = scene.run(async move {
        post(&client).await.unwrap();
        sleep(pause).await;
        post(&client).await.err().map(|error| error.broken().unwrap().failure)
    });
    (failure, scene.tally().closed_idle)
}

#[test]
fn a_client_that_reads_in_the_background_notices_at_once() {
    assert_eq!(after_a_fin(Notice::AtOnce, seconds(1)), (None, 1));
}

#[test]
fn a_client_that_looks_after_a_while_does_not_notice_before() {
    let notice = Notice::WhenTaken { after: seconds(2) };
    assert_eq!(after_a_fin(notice, seconds(3)), (None, 1));
    // What it wrote reaches a socket that was closed, and is reset or finds the FIN.
    let (failure, ended) = after_a_fin(notice, seconds(1));
    assert!(matches!(failure, Some(Failure::Closed | Failure::Reset)), "{failure:?}");
    assert_eq!(ended, 0);
}

#[test]
fn a_client_that_never_looks_finds_out_by_failing() {
    let (failure, ended) = after_a_fin(Notice::Never, seconds(60));
    assert!(matches!(failure, Some(Failure::Closed | Failure::Reset)), "{failure:?}");
    assert_eq!(ended, 0);
}

#[test]
fn what_a_balancer_says_unasked_is_no_answer_to_the_next_request() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|number, mut stream| async move {
        read_request(&mut stream).await?;
        stream.write_all(OK.as_bytes()).await?;
        if number == 0 {
            sleep(seconds(5)).await;
            stream.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n").await?;
        }
        never().await
    });
    let client = scene.builder(Policy::default()).build().unwrap();
    scene.run(async move {
        post(&client).await.unwrap();
        sleep(seconds(6)).await;
        assert_eq!(client.idle(), 0);
        assert_eq!(post(&client).await.unwrap(), "paid");
    });
    assert_eq!(scene.tally().opened, 2);
}
