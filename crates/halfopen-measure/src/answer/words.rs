//! The words for what is known and what is not, as parts of sentences.

use core::fmt;

use halfopen_core::time::brief;

use super::{Because, Failure, Remark, Unknown};

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => write!(f, "the far end refuses connections"),
            Self::TimedOut => write!(f, "the far end does not complete the handshake"),
            Self::Unreachable => write!(f, "no way leads to the far end"),
            Self::NoDescriptors => write!(f, "the system gives no more file descriptors"),
            Self::NoPorts => write!(f, "the system gives no more ports"),
            Self::Reset => write!(f, "the far end resets connections before it answers"),
            Self::ClosedAtOnce => write!(f, "the far end closes connections before it answers"),
            Self::ClosesAfterAnswer => {
                write!(f, "the far end closes each connection after its answer")
            }
            Self::Foreign(words) => write!(f, "the far end speaks something else: {words}"),
            Self::NoAnswer => write!(f, "the far end does not answer the first question"),
            Self::Local(words) => write!(f, "a connection could not be used: {words}"),
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotAsk(failure) => failure.fmt(f),
            Self::Restarted { times } => write!(
                f,
                "all connections were lost at once, {times} times: something restarts, and it is \
                 no timer of idle connections"
            ),
            Self::Evicted { open } => write!(
                f,
                "with {open} connections open, those opened first were lost whatever their age: a \
                 table is full, and it is no timer; try fewer connections"
            ),
            Self::Erratic { deaths, asked } => write!(
                f,
                "{deaths} of {asked} connections died of pauses that others survived: the path \
                 loses connections at random"
            ),
            Self::TooFew { deaths } => write!(
                f,
                "{deaths} connections died, and too few were left to see whether others agree"
            ),
            Self::Stopped => write!(f, "it was stopped before anything was known"),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closer => write!(
                f,
                "whether the far end or a box on the path ended the connections: at this end's \
                 sockets both look alike"
            ),
            Self::BeyondPeer => write!(
                f,
                "how long the path remembers beyond the far end's own timer: a request would start \
                 the path's timer again, and a TCP keepalive probe does not hold off the far end's"
            ),
            Self::Class => write!(
                f,
                "whether TCP's keepalive probes start the timer again: no connection with probes \
                 was there to be asked"
            ),
            Self::Direction => write!(
                f,
                "whether packets from outside alone start the timer again: each of them is \
                 acknowledged by one from inside"
            ),
            Self::Precision => {
                write!(f, "the limit more exactly: too few connections of the right age were left")
            }
            Self::FarEndProbes { every } => write!(
                f,
                "longer pauses: the far end sends a packet of its own every {}",
                brief(*every)
            ),
            Self::Stopped => write!(f, "longer pauses: it was stopped"),
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise { deaths } => write!(
                f,
                "{deaths} connections died of pauses that others survived; they do not count"
            ),
            Self::Restart { at } => write!(
                f,
                "{} after the beginning all connections were lost at once, whatever their age",
                brief(*at)
            ),
            Self::NoMore { open } => {
                write!(f, "with {open} connections open, no more could be opened")
            }
            Self::Slow { answers } => write!(
                f,
                "{answers} answers took long; TCP's acknowledgments show that the path remembered"
            ),
        }
    }
}
