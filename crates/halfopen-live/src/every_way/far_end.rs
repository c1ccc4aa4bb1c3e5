//! The server: it answers every request, keeps every connection, and remembers what it received.

use core::net::SocketAddr;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use halfopen_core::time::{Duration, Instant};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::carry::Clock;

/// A client has two requests to make; one that makes more than this is cut off.
const REQUESTS_MAX: usize = 1 << 10;

/// A request that came whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// The client's end of the connection.
    pub(super) connection: SocketAddr,
    pub(super) at: Instant,
    /// When it was answered, unless it was not.
    pub(super) answered: Option<Instant>,
}

/// The server. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct FarEnd {
    clock: Clock,
    /// A request on a connection that was quiet for so long is not answered but ends it.
    closes_after: Option<Duration>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl FarEnd {
    pub(super) fn new(clock: Clock, closes_after: Option<Duration>) -> Self {
        Self { clock, closes_after, received: Arc::default() }
    }

    /// Serves whoever connects, for ever.
    pub(super) async fn serve(self, listener: TcpListener) {
        while let Ok((stream, connection)) = listener.accept().await {
            let far_end = self.clone();
            // A connection that breaks is the client's to judge.
            tokio::spawn(async move { drop(far_end.connection(stream, connection).await) });
        }
    }

    /// Returns what came, in the order of time.
    pub(super) fn received(&self) -> Vec<Received> {
        self.log().clone()
    }

    async fn connection(&self, stream: TcpStream, connection: SocketAddr) -> hyper::Result<()> {
        // The answer's head and body go out at once.
        let answer = service_fn(|request| self.answer(connection, request));
        http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await
    }

    /// Answers a request; an error ends the connection.
    async fn answer(
        &self,
        connection: SocketAddr,
        request: Request<Incoming>,
    ) -> io::Result<Response<Full<Bytes>>> {
        request.into_body().collect().await.map_err(io::Error::other)?;
        let now = self.clock.now();
        let mut log = self.log();
        let before = log.iter().rev().find(|one| one.connection == connection);
        let quiet = before.and_then(|one| Some(now.saturating_since(one.answered?)));
        let closes = quiet.zip(self.closes_after).is_some_and(|(quiet, limit)| quiet >= limit);
        if log.len() < REQUESTS_MAX {
            log.push(Received { connection, at: now, answered: (!closes).then_some(now) });
        }
        if closes || log.len() == REQUESTS_MAX {
            return Err(io::Error::other("it was quiet for too long"));
        }
        Ok(Response::new(Full::new(Bytes::from_static(b"ok"))))
    }

    fn log(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
