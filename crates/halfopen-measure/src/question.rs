//! What a connection is asked, and what counts as an answer.
//!
//! A question touches no socket: it makes bytes and reads bytes, and the prober carries them. TLS
//! is no question but a [`Connect`](halfopen_pool::connect::Connect) around another.

pub mod http;
mod login;
pub mod mysql;
pub mod plain;
pub mod postgres;
pub mod redis;

pub use login::Login;

/// What connections are asked. It must be safe to repeat.
pub trait Question: Send + Sync {
    /// Returns the talk on a connection of its own.
    fn begin(&self) -> Box<dyn Dialogue>;
}

/// The talk on one connection.
pub trait Dialogue: Send {
    /// Returns what is to be sent in order to ask. It is asked once when the connection is open,
    /// and once more after the pause. Nothing to send means that the far end speaks first.
    fn ask(&mut self) -> Vec<u8>;

    /// Takes what came since, and tells what it means.
    fn take(&mut self, received: &[u8]) -> Taken;

    /// Tells whether the far end answers at all. If it does not, TCP's acknowledgment has to do,
    /// and on systems that do not show it nothing can be measured so.
    fn is_answered(&self) -> bool {
        true
    }
}

/// What came means this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The answer is not complete.
    More,
    /// This has to be sent before there is an answer.
    Send(Vec<u8>),
    /// It is answered, and may be asked again.
    Answered,
    /// It is answered, and the far end says that it closes the connection.
    AnsweredLast,
    /// The far end speaks something else; the words say what is wrong, as part of a sentence.
    Foreign(String),
}
