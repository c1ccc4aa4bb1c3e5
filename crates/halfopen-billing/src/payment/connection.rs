//! One connection, from its acceptance to the reason for its end.

use core::error::Error as _;
use core::future::{Future as _, poll_fn};
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::answer::{self, Answer};
use super::book::Book;
use super::event::{Closing, Event, EventKind};
use super::phase::{Phase, Watch, Watched};
use super::settings::Settings;
use super::{Shared, Stage, reached, service};
use crate::storage;

/// What the answers of one connection share.
pub(super) struct Desk<B> {
    pub(super) module: Arc<Shared<B>>,
    pub(super) watch: Watch,
    number: u64,
    peer: SocketAddr,
    requests: AtomicU64,
    finished: AtomicBool,
}

impl<B: Book> Desk<B> {
    pub(super) fn observe(&self, kind: EventKind) {
        let (connection, peer) = (self.number, self.peer);
        (self.module.observer)(Event { at: Instant::now(), connection, peer, kind });
    }

    /// Counts a request and returns its number on this connection, from 1.
    pub(super) fn count_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes that the connection ends with the answer that is given now.
    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }

    /// Answers that the book cannot be read or written.
    pub(super) fn fail(&self, error: &storage::Error) -> Answer {
        self.observe(EventKind::Failed { error: error.to_string() });
        let detail = "the payments' database failed; ask again with the same key";
        answer::problem(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

/// Serves a connection until it ends.
pub(super) async fn run<B: Book, S>(
    module: Arc<Shared<B>>,
    stream: S,
    peer: SocketAddr,
    number: u64,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Watch::new();
    let desk = Arc::new(Desk {
        module,
        watch: watch.clone(),
        number,
        peer,
        requests: AtomicU64::new(0),
        finished: AtomicBool::new(false),
    });
    desk.observe(EventKind::Accepted);
    let why = serve(&desk, Watched::new(stream, watch)).await;
    let requests = desk.requests.load(Ordering::Relaxed);
    desk.observe(EventKind::Closed { why, requests });
}

/// What a connection meets next.
enum Turn {
    Ended(hyper::Result<()>),
    Due,
    Stage(Stage),
}

async fn serve<B: Book, S>(desk: &Arc<Desk<B>>, stream: Watched<S>) -> Closing
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = &desk.module.settings;
    let mut stages = desk.module.stage.subscribe();
    let service = service_fn(|request| service::serve(Arc::clone(desk), request));
    let mut connection = builder(settings).serve_connection(TokioIo::new(stream), service);
    let mut timer = Timer::new();
    let mut closing = None;
    loop {
        let awaited = if closing.is_none() { Stage::Draining } else { Stage::Over };
        let turn = tokio::select! {
            biased;
            turn = poll_fn(|cx| {
                if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                    return Poll::Ready(Turn::Ended(result));
                }
                timer.poll(cx, desk.watch.phase().deadline(settings)).map(|()| Turn::Due)
            }) => turn,
            stage = reached(&mut stages, awaited) => Turn::Stage(stage),
        };
        match (turn, desk.watch.phase()) {
            (Turn::Ended(Ok(())), _) => {
                let finished = desk.finished.load(Ordering::Relaxed);
                let otherwise = if finished { Closing::Finished } else { Closing::Client };
                return closing.unwrap_or(otherwise);
            }
            (Turn::Ended(Err(error)), _) => return reason(&error),
            (Turn::Stage(Stage::Over), _) => return Closing::Draining,
            (Turn::Stage(Stage::Serving | Stage::Draining), _) => {
                closing = Some(Closing::Draining);
                Pin::new(&mut connection).graceful_shutdown();
            }
            (Turn::Due, Phase::Idle(_)) if closing.is_none() => {
                closing = Some(Closing::Idle);
                Pin::new(&mut connection).graceful_shutdown();
                // What is left is a FIN, or the rest of a request that was piped behind another.
                desk.watch.enter(Phase::Answer(Instant::now()));
            }
            (Turn::Due, Phase::Head(_)) => {
                refuse(connection.into_parts().io.into_inner(), settings).await;
                return Closing::SlowHead;
            }
            (Turn::Due, Phase::Idle(_) | Phase::Request | Phase::Answer(_)) => {
                return closing.unwrap_or(Closing::SlowReader);
            }
        }
    }
}

fn builder(settings: &Settings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .auto_date_header(settings.date)
        .header_read_timeout(None)
        .max_buf_size(settings.head_max)
        .max_header_size(settings.head_max);
    builder
}

/// Answers 408 to half a head, as well as that can be done.
async fn refuse<S: AsyncWrite + Unpin>(mut stream: S, settings: &Settings) {
    const REFUSAL: &[u8] =
        b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let refused = timeout(settings.body_timeout, async {
        stream.write_all(REFUSAL).await?;
        stream.shutdown().await
    });
    // Whoever cannot be told has left, or does not read.
    drop(refused.await);
}

fn reason(error: &hyper::Error) -> Closing {
    if error.is_parse() || error.is_parse_too_large() {
        return Closing::Malformed;
    }
    if error.is_incomplete_message() {
        return Closing::Broken(io::ErrorKind::UnexpectedEof);
    }
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    Closing::Broken(source.map_or(io::ErrorKind::Other, io::Error::kind))
}

/// A timer that is set anew as often as the deadline changes.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    deadline: Option<Instant>,
}

impl Timer {
    fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())), deadline: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(at) = deadline else {
            self.deadline = None;
            return Poll::Pending;
        };
        if self.deadline != deadline {
            self.deadline = deadline;
            self.sleep.as_mut().reset(at);
        }
        self.sleep.as_mut().poll(cx)
    }
}
