//! A connection that its own host resets at a given moment, whatever is under way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use halfopen_sim::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

pub(crate) struct Brittle {
    /// `None` once it was reset.
    stream: Option<TcpStream>,
    reset: Option<Pin<Box<Sleep>>>,
}

impl Brittle {
    /// Returns a connection that is reset after a time, if one is given.
    pub(crate) fn new(stream: TcpStream, reset: Option<Duration>) -> Self {
        Self { stream: Some(stream), reset: reset.map(|after| Box::pin(sleep(after))) }
    }

    fn stream(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        if let Some(reset) = &mut self.reset
            && reset.as_mut().poll(cx).is_ready()
        {
            self.reset = None;
            self.stream.take().map_or(Ok(()), TcpStream::abort)?;
        }
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
}

impl AsyncRead for Brittle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Brittle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream(cx)?.poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream(cx)?.poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}
