//! What a request carries.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::error::Error;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::retry;

/// What a request carries: bytes, which can be sent again, or a stream, which cannot.
#[derive(Default)]
pub struct Body {
    content: Content,
}

#[derive(Default)]
enum Content {
    #[default]
    Empty,
    Whole(Bytes),
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = StreamError> + Send>>),
}

type StreamError = Box<dyn Error + Send + Sync>;

impl Body {
    /// Returns a body without a byte.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns a body that is produced while it is sent. A request that carries it is never sent
    /// again once a piece was taken from it.
    #[must_use]
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StreamError>,
    {
        Self { content: Content::Stream(Box::pin(body.map_err(Into::into))) }
    }

    /// Returns the same body again, unless it is a stream.
    pub(crate) fn again(&self) -> Option<Self> {
        let content = match &self.content {
            Content::Empty => Content::Empty,
            Content::Whole(bytes) => Content::Whole(bytes.clone()),
            Content::Stream(_) => return None,
        };
        Some(Self { content })
    }

    /// Tells whether the same body can be had again.
    pub(crate) fn kind(&self) -> retry::Body {
        match &self.content {
            Content::Empty => retry::Body::None,
            Content::Whole(_) => retry::Body::Replayable,
            Content::Stream(_) => retry::Body::Once,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Empty => f.write_str("Body(empty)"),
            Content::Whole(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Content::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let content = if bytes.is_empty() { Content::Empty } else { Content::Whole(bytes) };
        Self { content }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<http_body_util::Empty<Bytes>> for Body {
    fn from(_: http_body_util::Empty<Bytes>) -> Self {
        Self::empty()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        if let Content::Stream(body) = &mut self.content {
            return body.as_mut().poll_frame(cx);
        }
        match core::mem::take(&mut self.content) {
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Content::Empty | Content::Stream(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Whole(_) => false,
            Content::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream(body) => body.size_hint(),
        }
    }
}
