//! An HTTP client that opens a connection for each request, unless it is told that it kept some
//! that the path has forgotten.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use halfopen_sim::host::Host;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tower_service::Service;

/// A client on a host. It dies with whoever drops its future, connection and all.
#[derive(Clone)]
pub(crate) struct Caller {
    host: Host,
    /// How many requests will be sent into a silence, each on another connection.
    silent: Arc<AtomicU32>,
}

impl Caller {
    pub(crate) fn new(host: Host, silent: Arc<AtomicU32>) -> Self {
        Self { host, silent }
    }
}

impl Service<Request<Bytes>> for Caller {
    type Response = Response<Full<Bytes>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (host, silent) = (self.host.clone(), Arc::clone(&self.silent));
        Box::pin(async move {
            let one_less = |left: u32| left.checked_sub(1);
            if silent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
                std::future::pending::<()>().await;
            }
            let authority = request.uri().authority().unwrap().clone();
            let stream = host.connect(authority.as_str()).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let exchange = async {
                let response = sender.send_request(request.map(Full::new)).await?;
                let (head, body) = response.into_parts();
                let body = body.collect().await?.to_bytes();
                Ok(Response::from_parts(head, Full::new(body)))
            };
            let mut connection = pin!(connection);
            let mut exchange = pin!(exchange);
            tokio::select! {
                biased;
                response = &mut exchange => response,
                ended = &mut connection => {
                    ended?;
                    // What the connection brought before it ended is still to be taken.
                    let closed = io::Error::from(io::ErrorKind::UnexpectedEof);
                    tokio::select! {
                        biased;
                        response = &mut exchange => response,
                        () = std::future::ready(()) => Err(closed.into()),
                    }
                }
            }
        })
    }
}
