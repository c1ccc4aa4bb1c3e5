//! How a transport is opened, whoever waits for it: it needs nothing of the pool.

use core::pin::Pin;
use core::task::Poll;
use std::io;
use std::sync::Arc;

use halfopen_core::time::{Duration, Instant};

use super::origin::Origin;
use crate::clock::{Alarm, Clock};
use crate::connect::{Dial, Protocol, Transport};

/// A transport, and what is spoken on it.
pub(super) type Dialled = io::Result<(Box<dyn Transport>, Protocol)>;
/// A transport that is being opened. Dropping it gives that up.
pub(super) type Dialling = Pin<Box<dyn Future<Output = Dialled> + Send>>;

/// Opens transports.
pub(super) struct Dialer {
    pub(super) dial: Box<dyn Dial>,
    pub(super) clock: Clock,
    pub(super) patience: Option<Duration>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    #[cfg(feature = "http2")]
    pub(super) prior_knowledge: bool,
}

impl Dialer {
    /// Opens a transport within the connect timeout, which runs from `since`.
    pub(super) fn open(self: &Arc<Self>, origin: &Arc<Origin>, since: Instant) -> Dialling {
        let (dialer, origin) = (Arc::clone(self), Arc::clone(origin));
        Box::pin(async move {
            let mut dialling = core::pin::pin!(dialer.dial(&origin));
            let Some(patience) = dialer.patience else { return dialling.await };
            let mut alarm = Alarm::default();
            core::future::poll_fn(|cx| {
                if let Poll::Ready(dialled) = dialling.as_mut().poll(cx) {
                    return Poll::Ready(dialled);
                }
                alarm.poll_until(since + patience, &dialer.clock, cx).map(|()| {
                    let text = format!("no connection within {patience:?}");
                    Err(io::Error::new(io::ErrorKind::TimedOut, text))
                })
            })
            .await
        })
    }

    /// Opens a transport, secure if the destination asks for it.
    async fn dial(&self, origin: &Origin) -> Dialled {
        let transport = self.dial.dial(&origin.to).await?;
        #[cfg(feature = "tls")]
        if let Some(config) = self.tls.as_ref().filter(|_| origin.to.tls) {
            return crate::tls::secure(Arc::clone(config), &origin.to.host, transport).await;
        }
        #[cfg(feature = "http2")]
        if self.prior_knowledge {
            return Ok((transport, Protocol::Http2));
        }
        Ok((transport, Protocol::Http1))
    }
}
