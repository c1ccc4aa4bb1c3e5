//! The far end: a host that answers requests, and closes connections on which nothing comes.

use core::sync::atomic::{AtomicU32, Ordering};
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::scenario::{Close, FarEnd};
use halfopen_core::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

use crate::reproduce::log::Log;
use crate::reproduce::machine::{Clock, Listener as _, Machine, Stream};
use crate::reproduce::message;

/// Something that the far end did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Instant,
    /// The other end of the connection, as the far end sees it.
    pub peer: SocketAddr,
    /// What.
    pub act: Act,
}

/// What a far end does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Accepted it.
    Accepted,
    /// Received the request of this number.
    Received(u32),
    /// Sent the response to the request of this number.
    Answered(u32),
    /// Closed it in order, for nothing had come for as long as its timer allows.
    ClosedIdle,
    /// Reset it for that reason.
    ResetIdle,
    /// Reset it of its own accord, idle as it was.
    Aborted,
    /// Closed it after the client had.
    ClosedToo,
    /// Found it broken.
    Broken,
}

/// Serves the connections that `listener` accepts for as long as `machine` lasts.
pub(super) async fn run<M: Machine>(
    machine: M,
    listener: M::Listener,
    config: FarEnd,
    aborts: Vec<Instant>,
    log: Log<Deed>,
) {
    /// How long to wait where accepting fails, as for want of file descriptors.
    const BREATH: Duration = Duration::from_millis(100);
    let unnumbered = Arc::new(AtomicU32::new(0));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let (clock, aborts, log) = (machine.clock(), aborts.clone(), log.clone());
        let unnumbered = Arc::clone(&unnumbered);
        let connection = Connection { config, clock, aborts, unnumbered, peer, log };
        machine.start(connection.serve(stream));
    }
}

struct Connection {
    config: FarEnd,
    clock: Clock,
    aborts: Vec<Instant>,
    /// How many requests came without a number, on all connections.
    unnumbered: Arc<AtomicU32>,
    peer: SocketAddr,
    log: Log<Deed>,
}

impl Connection {
    async fn serve(self, mut stream: impl Stream) {
        self.note(Act::Accepted);
        if stream.set_keepalive(self.config.keepalive).is_err() {
            return self.note(Act::Broken);
        }
        loop {
            let request = tokio::select! {
                biased;
                request = message::read(&mut stream) => request,
                () = self.abort() => return self.reset(stream, Act::Aborted),
                () = sleep(self.config.idle_timeout) => return self.close_idle(stream),
            };
            let number = match request {
                Ok(Some(request)) => self.number(request),
                Ok(None) => return self.note(Act::ClosedToo),
                Err(_) => return self.note(Act::Broken),
            };
            self.note(Act::Received(number));
            tokio::time::sleep(self.config.answers_after).await;
            let FarEnd { response_bytes, hint, .. } = self.config;
            let response = message::response(number, response_bytes, hint);
            if stream.write_all(&response).await.is_err() {
                return self.note(Act::Broken);
            }
            self.note(Act::Answered(number));
        }
    }

    /// Returns a request's number. Those of other clients than the scenario's have none.
    fn number(&self, request: message::Request) -> u32 {
        request.number.unwrap_or_else(|| self.unnumbered.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Waits for the next time that idle connections are reset.
    async fn abort(&self) {
        let now = self.clock.now();
        match self.aborts.iter().find(|&&at| at > now) {
            Some(&at) => self.clock.sleep_until(at).await,
            None => core::future::pending().await,
        }
    }

    fn close_idle(&self, stream: impl Stream) {
        match self.config.closes_with {
            Close::Fin => {
                self.note(Act::ClosedIdle);
                drop(stream);
            }
            Close::Reset => self.reset(stream, Act::ResetIdle),
        }
    }

    fn reset(&self, stream: impl Stream, act: Act) {
        self.note(act);
        // It fails on a connection that is gone already, which is what a reset is for.
        let _gone = stream.abort();
    }

    fn note(&self, act: Act) {
        self.log.push(Deed { at: self.clock.now(), peer: self.peer, act });
    }
}

/// Waits for as long as that; for ever if there is no end to it.
async fn sleep(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => core::future::pending().await,
    }
}
