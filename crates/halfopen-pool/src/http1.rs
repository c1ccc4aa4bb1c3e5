//! One HTTP/1.1 connection and who moves it on.
//!
//! hyper's connection does nothing unless it is polled. While a request is under way, whoever waits
//! for its response polls it: no task stands between the two. While it is idle, a watcher does if
//! the policy notices ends at once, and else nobody, so that what has arrived stays unseen until
//! somebody looks.
//!
//! Dropping a [`Connection`] closes it.

use core::future::poll_fn;
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};

use crate::body::Body;
use crate::clock::Alarm;
use crate::idle::{Wire, WireIdle};
use crate::stream::{Gauge, Stream};

mod relay;

use relay::{FromTransport, Relay};

pub(crate) type SendError = TrySendError<Request<Body>>;

/// A connection that is in use or on the shelf.
pub(crate) struct Connection {
    sender: http1::SendRequest<Body>,
    shared: Arc<Shared>,
    pub(crate) gauge: Gauge,
    /// For whoever waits for the other end.
    pub(crate) alarm: Alarm,
}

struct Shared {
    state: Mutex<State>,
    relay: Arc<Relay>,
}

struct State {
    /// `None` when the connection has ended or was closed.
    hyper: Option<Box<http1::Connection<Stream, Body>>>,
    /// Calls the relay.
    waker: Waker,
    idle: bool,
    watched: bool,
}

/// How a connection ended: hyper's word, which `None` says in good order.
pub(crate) type End = Option<hyper::Error>;

impl Connection {
    /// Speaks HTTP/1.1 on a stream on which nothing was said yet.
    pub(crate) async fn new(stream: Stream, gauge: Gauge) -> Result<Box<Self>, hyper::Error> {
        let relay = Arc::new(Relay::default());
        let call = Waker::from(Arc::new(FromTransport(Arc::clone(&relay))));
        let (sender, hyper) = http1::handshake(stream.calling(call)).await?;
        let state = State {
            hyper: Some(Box::new(hyper)),
            waker: Waker::from(Arc::clone(&relay)),
            idle: false,
            watched: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), relay });
        Ok(Box::new(Self { sender, shared, gauge, alarm: Alarm::default() }))
    }

    /// Hands over a request. What is returned sends it and waits for the head of its response.
    pub(crate) fn send(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> + use<> {
        let shared = Arc::clone(&self.shared);
        let response = self.sender.try_send_request(request);
        async move {
            let mut response = pin!(response);
            poll_fn(|cx| {
                // An end is the response's to tell.
                let _end = shared.drive(cx);
                // Nothing else completes the response, so that it needs no waker.
                response.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            })
            .await
        }
    }

    /// Polls for a piece of the response's body, and moves the connection on if there is none.
    pub(crate) fn poll_frame(
        &self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut unheard = Context::from_waker(Waker::noop());
        self.shared.relay.hush();
        let polled = Pin::new(&mut *incoming).poll_frame(&mut unheard);
        if polled.is_ready() {
            return polled;
        }
        // An end is the body's to tell.
        let _end = self.shared.drive(cx);
        Pin::new(incoming).poll_frame(&mut unheard)
    }

    /// Brings the connection to rest after a response. Returns whether it can be used again.
    pub(crate) fn rest(&mut self) -> bool {
        let mut state = self.shared.lock();
        state.idle = true;
        let has_news = self.shared.relay.reach_watcher();
        // As a rule the poll that brought the end of the response went on to wait for the next
        // request, and there is nothing more to do.
        if has_news || !self.sender.is_ready() {
            let _end = state.poll();
        }
        let ended = state.hyper.is_none();
        drop(state);
        !ended && self.sender.is_ready()
    }

    /// Takes the connection back into use. Returns whether it can be used.
    pub(crate) fn wake(&self) -> bool {
        let mut state = self.shared.lock();
        state.idle = false;
        self.shared.relay.hush();
        state.hyper.is_some()
    }

    /// Looks whether the connection has ended, or whether something came that nobody asked for.
    pub(crate) fn look(&self) -> Result<(), End> {
        match self.shared.lock().poll() {
            Poll::Ready(end) => Err(end),
            Poll::Pending => Ok(()),
        }
    }

    /// Returns what is to be run as a task to notice the end of the connection while it is idle, if
    /// there is none yet. It completes when the connection ends; with `None` if it was closed here.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let mut state = self.shared.lock();
        if mem::replace(&mut state.watched, true) {
            return None;
        }
        Some(Watch { shared: Arc::clone(&self.shared) })
    }

    /// Closes in good order as far as that needs no waiting: with TLS's farewell, then a FIN.
    pub(crate) fn close(self) {
        self.gauge.shut_down();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let hyper = state.hyper.take();
        drop(state);
        self.shared.relay.wake_watcher();
        drop(hyper);
    }
}

impl Wire for Connection {
    fn wire_idle(&self) -> Option<WireIdle> {
        self.gauge.wire_idle()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside hyper leaves a connection that is not polled again: its caller is gone.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the connection on for whoever uses it.
    fn drive(&self, cx: &mut Context<'_>) -> Poll<End> {
        let mut state = self.lock();
        self.relay.reach_user(cx.waker());
        state.poll()
    }
}

impl State {
    fn poll(&mut self) -> Poll<End> {
        let Some(hyper) = &mut self.hyper else { return Poll::Ready(None) };
        let mut context = Context::from_waker(&self.waker);
        let Poll::Ready(end) = Pin::new(hyper).poll(&mut context) else { return Poll::Pending };
        self.hyper = None;
        Poll::Ready(end.err())
    }
}

/// Notices the end of a connection while it is idle.
pub(crate) struct Watch {
    shared: Arc<Shared>,
}

impl Future for Watch {
    type Output = Option<End>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.shared.lock();
        if state.hyper.is_none() {
            return Poll::Ready(None);
        }
        self.shared.relay.watched_by(cx.waker());
        if !state.idle {
            return Poll::Pending;
        }
        state.poll().map(Some)
    }
}
