//! What comes back.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::net::SocketAddr;

use bytes::Bytes;
use halfopen_core::time::Instant;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::failure::{self, Failed};
use super::hint::KeepAlive;
use super::lease::Lease;
use crate::error::{Broken, Error};
use crate::event::What;
use crate::idle::WireIdle;
use crate::name::ConnectionId;
use crate::retry::{Objection, Processed, Written};

/// Which connection a response came on, among its
/// [extensions](http::Response::extensions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Which.
    pub connection: ConnectionId,
    /// For how long it had been quiet; `None` if it was new.
    pub quiet: Option<WireIdle>,
    /// How often the request was sent again.
    pub retries: u32,
    /// The address of this end.
    pub local: Option<SocketAddr>,
    /// The address of the other end.
    pub peer: Option<SocketAddr>,
}

/// The body of a response.
///
/// When it has been read to its end, its connection goes back to the pool. If it is dropped before,
/// the connection is closed; if that carries other requests, the server is told to stop instead.
pub struct ResponseBody {
    content: Content,
}

enum Content {
    Alone(AloneBody),
    #[cfg(feature = "http2")]
    Shared(super::multiplex::SharedBody),
}

/// A body that has its connection for itself.
struct AloneBody {
    incoming: Incoming,
    /// `None` once the body has been read, or has failed.
    lease: Option<Lease>,
    hint: KeepAlive,
    retries: u32,
    /// Until when the next piece is waited for, if it is.
    deadline: Option<Instant>,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, lease: Lease, hint: KeepAlive, retries: u32) -> Self {
        Self { content: Content::Alone(AloneBody::new(incoming, lease, hint, retries)) }
    }

    #[cfg(feature = "http2")]
    pub(super) fn shared(body: super::multiplex::SharedBody) -> Self {
        Self { content: Content::Shared(body) }
    }

    /// Reads the body to its end. It is held in memory whole, however long it is.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        Ok(self.collect().await?.to_bytes())
    }
}

impl AloneBody {
    fn new(incoming: Incoming, lease: Lease, hint: KeepAlive, retries: u32) -> Self {
        let mut body = Self { incoming, lease: Some(lease), hint, retries, deadline: None };
        if body.incoming.is_end_stream() {
            body.end();
        }
        body
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take()
            && self.hint.max != Some(0)
        {
            lease.give_back(self.hint.timeout);
        }
    }

    fn fail(&mut self, failed: Failed) -> Option<Error> {
        let Lease { connection, mut turn, id, quiet, .. } = self.lease.take()?;
        turn.learn();
        drop(connection);
        turn.holds = None;
        let Failed { failure, source, .. } = failed;
        let (processed, objection) = (Processed::Maybe, Objection::Answered);
        let path = turn.path().clone();
        turn.shared().with(|state, now| {
            state.tell(now, &path, || What::Died { id, failure, quiet, processed });
            state.tell(now, &path, || What::GivenUp { id: Some(id), why: objection });
        });
        let retries = self.retries;
        let broken =
            Broken { path, connection: id, quiet, failure, processed, retries, objection, source };
        Some(Error::Broken(Box::new(broken)))
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &self.lease {
            Some(lease) => lease.connection.poll_frame(&mut self.incoming, cx),
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Lease { connection, turn, .. }) = &mut self.lease else { return Poll::Pending };
        // Others may need to know before the body is here.
        turn.learn();
        let shared = turn.shared();
        let Some(patience) = shared.policy.timeouts.read else { return Poll::Pending };
        let clock = &shared.clock;
        let deadline = *self.deadline.get_or_insert_with(|| clock.now() + patience);
        connection.alarm.poll_until(deadline, clock, cx)
    }
}

impl AloneBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = match self.poll_incoming(cx) {
            Poll::Ready(polled) => polled,
            Poll::Pending if self.poll_patience(cx).is_ready() => {
                let failed = self.fail(Failed::silent(Written::Whole));
                return Poll::Ready(failed.map(Err));
            }
            Poll::Pending => return Poll::Pending,
        };
        // Between pieces the reader may take its time: patience begins when it asks.
        self.deadline = None;
        match polled {
            Some(Ok(frame)) => {
                if self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let Some(lease) = &self.lease else { return Poll::Ready(None) };
                let failed = failure::of_body(error, &lease.connection.gauge);
                Poll::Ready(self.fail(failed).map(Err))
            }
            None => {
                self.end();
                Poll::Ready(None)
            }
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.content {
            Content::Alone(body) => body.poll_frame(cx),
            #[cfg(feature = "http2")]
            Content::Shared(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Alone(body) => body.incoming.is_end_stream(),
            #[cfg(feature = "http2")]
            Content::Shared(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Alone(body) => body.incoming.size_hint(),
            #[cfg(feature = "http2")]
            Content::Shared(body) => body.size_hint(),
        }
    }
}

impl core::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ResponseBody")
            .field("size", &http_body::Body::size_hint(self))
            .finish_non_exhaustive()
    }
}
