//! HTTP/2: requests that share a connection, and asking by PING before one is used again.

use bytes::Bytes;
use h2::Reason;
use h2::server::{self, SendResponse};
use halfopen_core::idle::OnOrphan;
use halfopen_pool::client::Used;
use halfopen_pool::error::Error;
use halfopen_pool::policy::{Policy, Retry, Reuse};
use halfopen_pool::retry::{Failure, Objection, Permission, Processed};
use halfopen_pool::shelf::Discard;
use http::Response;
use tokio::time::{Instant, sleep};

use super::*;

/// How long a request takes on the wire, twice.
const TRIPS: Duration = Duration::from_millis(50);

/// What servers were asked.
pub(super) type Requests = Arc<Mutex<Vec<String>>>;

/// Answers each request with its body after a while. `refuses` may say why a request, counted from
/// 0 on each connection, is not answered.
async fn serve(
    stream: TcpStream,
    seen: Requests,
    server: server::Builder,
    takes: Duration,
    refuses: impl Fn(usize) -> Option<Reason>,
) -> io::Result<()> {
    let mut connection = server.handshake(stream).await.map_err(io::Error::other)?;
    let mut number = 0;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request.map_err(io::Error::other)?;
        if let Some(reason) = refuses(number) {
            respond.send_reset(reason);
        } else {
            let seen = Arc::clone(&seen);
            halfopen_sim::spawn(async move {
                // A connection that breaks is the client's to judge.
                let _broken = answer(request, respond, seen, takes).await;
            });
        }
        number += 1;
    }
    Ok(())
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: Requests,
    takes: Duration,
) -> Result<(), h2::Error> {
    let (parts, mut body) = request.into_parts();
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    let text = String::from_utf8_lossy(&whole[..whole.len().min(20)]).into_owned();
    seen.lock().unwrap().push(format!("{} {} {text}", parts.method, parts.uri));
    sleep(takes).await;
    let mut stream = respond.send_response(Response::new(()), false)?;
    stream.send_data(whole.into(), true)
}

/// Listens, and answers each request at once.
pub(super) fn echo(scene: &Scene) -> Requests {
    echo_slowly(scene, server::Builder::new(), Duration::ZERO)
}

fn echo_slowly(scene: &Scene, server: server::Builder, takes: Duration) -> Requests {
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    scene
        .listen(move |_, stream| serve(stream, Arc::clone(&seen), server.clone(), takes, |_| None));
    requests
}

fn client(scene: &Scene) -> Builder {
    scene.builder(Policy::learning()).http2_prior_knowledge()
}

/// Charges once before a pause and once after. Returns how that ended and how long the second took.
fn charge_twice(
    scene: &mut Scene,
    client: Client,
    pause: Duration,
) -> (Result<Bytes, Error>, Duration) {
    scene.run(async move {
        assert_eq!(post(&client).await.unwrap(), "10 won");
        sleep(pause).await;
        let since = Instant::now();
        let second = post(&client).await;
        (second, since.elapsed())
    })
}

#[test]
fn a_ping_saves_the_charge() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = echo(&scene);
    let client = client(&scene).build().unwrap();
    let (second, took) = charge_twice(&mut scene, client.clone(), seconds(1_200));
    assert_eq!(second.unwrap(), "10 won");
    assert!(took < TRIPS, "{took:?}");
    let charges = ["POST http://server:8080/pay 10 won"; 2];
    assert_eq!(*requests.lock().unwrap(), charges, "each charge once");
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.failures(), tally.cap_changes), (2, 0, 1));
    assert_eq!(tally.discarded.get(&Discard::NoPong), Some(&1));

    let third = scene.run(async move {
        sleep(seconds(1_200)).await;
        post(&client).await
    });
    assert_eq!(third.unwrap(), "10 won");
    let tally = scene.tally();
    let learnt = tally.discarded.get(&Discard::LearntCap);
    assert_eq!((tally.opened, learnt), (3, Some(&1)), "nobody asks what is known");
}

#[test]
fn without_a_ping_the_charge_is_lost() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = echo(&scene);
    let policy = Policy { ping: None, ..Policy::learning() };
    let client = scene.builder(policy).http2_prior_knowledge().build().unwrap();
    let (second, _) = charge_twice(&mut scene, client, seconds(1_200));
    let error = second.unwrap_err();
    assert_eq!(error.broken().unwrap().failure, Failure::Reset, "{error}");
    assert_eq!(error.processed(), Processed::Maybe);
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[test]
fn a_path_that_swallows_the_ping_costs_its_timeout_and_nothing_else() {
    let mut scene = Scene::new(OnOrphan::Drop);
    let requests = echo(&scene);
    let client = client(&scene).http2_ping(seconds(5), seconds(3)).build().unwrap();
    let (second, took) = charge_twice(&mut scene, client.clone(), seconds(1_200));
    assert_eq!(second.unwrap(), "10 won");
    assert!((seconds(3)..seconds(3) + TRIPS).contains(&took), "{took:?}");
    assert_eq!(requests.lock().unwrap().len(), 2);
    assert_eq!(client.ledger().unwrap().paths().count(), 1);
    assert_eq!(scene.tally().cap_changes, 1);
}

#[test]
fn what_is_known_to_be_safe_is_not_asked() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = echo(&scene);
    let client = client(&scene).build().unwrap();
    scene.run(async move {
        for pause in [0, 300, 200, 299] {
            sleep(seconds(pause)).await;
            post(&client).await.unwrap();
        }
    });
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.pongs), (1, 1));
}

#[test]
fn a_client_that_always_asks_asks_once_for_each_request() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = echo(&scene);
    let policy = Policy { learns: false, ..Policy::learning() };
    let client = scene.builder(policy).http2_prior_knowledge();
    let client = client.http2_ping(Duration::ZERO, seconds(1)).build().unwrap();
    scene.run(async move {
        for _ in 0..3 {
            let under_way = client.get(URI).await.unwrap();
            post(&client).await.unwrap();
            drop(under_way);
        }
    });
    assert_eq!((scene.tally().opened, scene.tally().pongs), (1, 5));
}

#[test]
fn a_ping_that_nobody_answers_ends_what_is_under_way_too() {
    let mut scene = Scene::new(OnOrphan::Drop);
    scene.listen(|number, stream| {
        let takes = if number == 0 { seconds(2_000) } else { Duration::ZERO };
        serve(stream, Requests::default(), server::Builder::new(), takes, |_| None)
    });
    let client = client(&scene).read_timeout(None).build().unwrap();
    scene.run(async move {
        let slow = tokio::spawn({
            let client = client.clone();
            async move { post(&client).await }
        });
        sleep(seconds(1_200)).await;
        let other = tokio::spawn(async move { post(&client).await });
        let error = slow.await.unwrap().unwrap_err();
        assert_eq!(error.processed(), Processed::Maybe, "{error}");
        assert_eq!(other.await.unwrap().unwrap(), "10 won");
    });
    assert_eq!(scene.tally().opened, 2);
}

#[test]
fn a_ping_is_a_packet_and_no_data() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, stream| async move {
        let mut connection = server::handshake(stream).await.map_err(io::Error::other)?;
        let mut pings = connection.ping_pong().unwrap();
        halfopen_sim::spawn(async move {
            loop {
                sleep(seconds(100)).await;
                if pings.ping(h2::Ping::opaque()).await.is_err() {
                    break;
                }
            }
        });
        while let Some(request) = connection.accept().await {
            let (_, mut respond) = request.map_err(io::Error::other)?;
            respond.send_response(Response::new(()), true).map_err(io::Error::other)?;
        }
        Ok(())
    });
    let client = client(&scene).build().unwrap();
    let quiet = scene.run(async move {
        get(&client).await.unwrap();
        sleep(seconds(450)).await;
        let response = client.get(URI).await.unwrap();
        response.extensions().get::<Used>().unwrap().quiet.unwrap()
    });
    assert!(quiet.since_any_packet < seconds(1), "it was asked just now: {quiet:?}");
    assert!(quiet.since_data.abs_diff(seconds(450)) < seconds(1), "{quiet:?}");
}

#[test]
fn requests_at_once_share_one_connection() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let requests = echo_slowly(&scene, server::Builder::new(), seconds(1));
    let client = client(&scene).max_per_host(1).build().unwrap();
    let took = scene.run(async move {
        let since = Instant::now();
        let sent: Vec<_> = (0..50)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { post(&client).await.unwrap() })
            })
            .collect();
        for sent in sent {
            assert_eq!(sent.await.unwrap(), "10 won");
        }
        assert_eq!(client.idle(), 1);
        since.elapsed()
    });
    assert!(took < seconds(1) + TRIPS, "{took:?}");
    assert_eq!(requests.lock().unwrap().len(), 50);
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.leased_new, tally.leased_reused), (1, 1, 49));
}

#[test]
fn requests_beyond_the_limit_of_streams_wait_for_as_long_as_for_a_turn() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let mut server = server::Builder::new();
    server.max_concurrent_streams(2);
    let requests = echo_slowly(&scene, server, seconds(1));
    let client = client(&scene).lease_timeout(Duration::from_millis(1_500)).build().unwrap();
    let refused = scene.run(async move {
        post(&client).await.unwrap();
        let sent: Vec<_> = (0..6)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { post(&client).await })
            })
            .collect();
        let mut refused = 0;
        for sent in sent {
            if let Err(error) = sent.await.unwrap() {
                assert!(matches!(error, Error::NoTurn { .. }), "{error}");
                assert_eq!(error.processed(), Processed::No);
                refused += 1;
            }
        }
        sleep(seconds(10)).await;
        refused
    });
    assert_eq!(refused, 2);
    assert_eq!(requests.lock().unwrap().len(), 5, "who gave up never sends");
    assert_eq!(scene.tally().opened, 1);
}

#[test]
fn more_than_a_window_of_data_goes_both_ways() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = echo(&scene);
    let client = client(&scene).build().unwrap();
    scene.run(async move {
        let much = vec![b'x'; 3_000_000];
        let response = client.post(URI, much.clone()).await.unwrap();
        assert!(response.into_body().bytes().await.unwrap() == much, "not the same");
    });
}

/// RFC 9113 section 4.1: a frame.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, 0, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}

/// Reads a request's head, and answers by GOAWAY with the last stream and the reason.
async fn go_away(mut stream: TcpStream, last: u32, reason: Reason) -> io::Result<()> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    stream.write_all(&frame(SETTINGS, &[])).await?;
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await?;
        if head[3] == HEADERS {
            break;
        }
    }
    let payload = [last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
    stream.write_all(&frame(GOAWAY, &payload)).await?;
    // What came after the head is read, so that the end is no reset.
    let mut rest = Vec::new();
    let _went = tokio::time::timeout(seconds(1), stream.read_to_end(&mut rest)).await;
    Ok(())
}

/// Answers the first connection by GOAWAY, and all others in earnest.
fn goes_away_first(scene: &Scene, last: u32, reason: Reason) -> Requests {
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    scene.listen(move |number, stream| {
        let seen = Arc::clone(&seen);
        async move {
            if number == 0 {
                return go_away(stream, last, reason).await;
            }
            serve(stream, seen, server::Builder::new(), Duration::ZERO, |_| None).await
        }
    });
    requests
}

#[test]
fn a_charge_above_the_last_stream_of_a_goaway_goes_out_again() {
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let mut scene = Scene::new(OnOrphan::Reset);
        let requests = goes_away_first(&scene, 0, reason);
        let client = client(&scene).build().unwrap();
        scene.run(async move { assert_eq!(post(&client).await.unwrap(), "10 won") });
        assert_eq!(requests.lock().unwrap().len(), 1);
        let tally = scene.tally();
        assert_eq!((tally.opened, tally.retried.get(&Permission::Refused)), (2, Some(&1)));
    }
}

#[test]
fn a_charge_that_a_goaway_does_not_disclaim_may_have_been_made() {
    for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let mut scene = Scene::new(OnOrphan::Reset);
        let requests = goes_away_first(&scene, 1, reason);
        let client = client(&scene).build().unwrap();
        scene.run(async move {
            let error = post(&client).await.unwrap_err();
            assert_eq!(error.processed(), Processed::Maybe, "{error}");
            assert_eq!(error.broken().unwrap().objection, Objection::MayBeProcessed);
        });
        assert_eq!(requests.lock().unwrap().len(), 0);
    }
}

/// Charges once at a server that resets the first request of its first connection.
fn reset_by(reason: Reason) -> (Scene, Result<Bytes, Error>) {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(move |connection, stream| {
        let refuses = move |number| (connection == 0 && number == 0).then_some(reason);
        serve(stream, Requests::default(), server::Builder::new(), Duration::ZERO, refuses)
    });
    let client = client(&scene).build().unwrap();
    let answer = scene.run(async move {
        let answer = post(&client).await;
        post(&client).await.unwrap();
        answer
    });
    (scene, answer)
}

#[test]
fn a_stream_that_is_refused_goes_out_again() {
    let (scene, answer) = reset_by(Reason::REFUSED_STREAM);
    assert_eq!(answer.unwrap(), "10 won");
    assert_eq!(scene.tally().retried.get(&Permission::Refused), Some(&1));
}

#[test]
fn a_stream_that_is_reset_fails_alone() {
    let (scene, answer) = reset_by(Reason::INTERNAL_ERROR);
    let error = answer.unwrap_err();
    assert_eq!(error.processed(), Processed::Maybe);
    assert_eq!((scene.tally().opened, scene.tally().failures()), (1, 1));
}

#[test]
fn an_answer_that_takes_too_long_leaves_the_connection_to_others() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, stream| async move {
        let mut connection = server::handshake(stream).await.map_err(io::Error::other)?;
        let mut kept = Vec::new();
        while let Some(request) = connection.accept().await {
            let (request, mut respond) = request.map_err(io::Error::other)?;
            if request.method() == http::Method::POST {
                kept.push(respond);
            } else {
                respond.send_response(Response::new(()), true).map_err(io::Error::other)?;
            }
        }
        Ok(())
    });
    let client = client(&scene).read_timeout(seconds(10)).build().unwrap();
    scene.run(async move {
        let slow = tokio::spawn({
            let client = client.clone();
            async move { post(&client).await }
        });
        sleep(seconds(5)).await;
        get(&client).await.unwrap();
        let error = slow.await.unwrap().unwrap_err();
        assert_eq!(error.broken().unwrap().failure, Failure::Silence, "{error}");
        get(&client).await.unwrap();
    });
    assert_eq!(scene.tally().opened, 1);
}

#[test]
fn a_server_that_says_goodbye_while_idle_is_noticed() {
    let mut scene = Scene::new(OnOrphan::Reset);
    scene.listen(|_, stream| async move {
        let mut connection = server::handshake(stream).await.map_err(io::Error::other)?;
        if let Some(request) = connection.accept().await {
            let (_, mut respond) = request.map_err(io::Error::other)?;
            respond.send_response(Response::new(()), true).map_err(io::Error::other)?;
        }
        connection.graceful_shutdown();
        while connection.accept().await.is_some() {}
        Ok(())
    });
    let client = client(&scene).build().unwrap();
    scene.run(async move {
        for _ in 0..3 {
            get(&client).await.unwrap();
            sleep(seconds(1)).await;
            assert_eq!(client.idle(), 0);
        }
    });
    let tally = scene.tally();
    assert_eq!((tally.opened, tally.failures()), (3, 0));
}

#[test]
fn a_server_that_speaks_something_else_is_malformed() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = scene.answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let client = client(&scene).build().unwrap();
    scene.run(async move {
        let error = get(&client).await.unwrap_err();
        assert_eq!(error.broken().unwrap().failure, Failure::Malformed, "{error}");
        assert_eq!(client.idle(), 0);
    });
}

#[test]
fn nobody_listens_and_all_are_told() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let client = client(&scene).build().unwrap();
    scene.run(async move {
        let sent: Vec<_> = (0..5)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { post(&client).await })
            })
            .collect();
        for sent in sent {
            let error = sent.await.unwrap().unwrap_err();
            assert!(matches!(error, Error::NotConnected { .. }), "{error}");
        }
    });
}

#[test]
fn without_reuse_each_request_has_a_connection_of_its_own() {
    let mut scene = Scene::new(OnOrphan::Reset);
    let _requests = echo(&scene);
    let policy = Policy {
        reuse: Reuse::Never,
        retry: Retry { attempts: 0, ..Policy::default().retry },
        ..Policy::default()
    };
    let client = scene.builder(policy).http2_prior_knowledge().build().unwrap();
    scene.run(async move {
        for _ in 0..3 {
            assert_eq!(post(&client).await.unwrap(), "10 won");
        }
        assert_eq!(client.idle(), 0);
    });
    assert_eq!(scene.tally().opened, 3);
}
