//! The words in which a path is judged, by a diagnosis and by a scenario that says what is true.
//!
//! A path has one cause; how it showed, who did it and what it did to requests are separate words.
//! Each is written in TOML and JSON as its name in kebab case.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Declares a closed set of words, each with its one spelling.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word, in the order of the list above.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the word as reports and scenarios spell it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Why connections of a path failed, or would have.
    Cause {
        /// Nothing happened.
        None = "none",
        /// A box forgot a flow that was idle.
        IdleExpiry = "idle-expiry",
        /// A box forgot an idle flow while a request waited for its response.
        IdleExpiryInFlight = "idle-expiry-in-flight",
        /// The far end's own keep-alive timer closed as a request was under way.
        CloseRace = "close-race",
        /// A box forgot flows for another reason than idleness.
        StateLoss = "state-loss",
        /// Full-size packets vanish on the path, and smaller ones pass.
        MtuBlackHole = "mtu-black-hole",
        /// The far end went down and came up again.
        ServerRestart = "server-restart",
        /// The far end reset an idle connection.
        PeerAbort = "peer-abort",
        /// The far end closed, outside any timer's pattern.
        PeerClose = "peer-close",
        /// The client does not close what the far end has closed.
        HalfClosedLeak = "half-closed-leak",
        /// Packets were lost.
        PacketLoss = "packet-loss",
        /// No more connections can be opened while so many are open.
        PortExhaustion = "port-exhaustion",
        /// The far end refused the connection.
        Refused = "refused",
        /// Nothing answered.
        Unreachable = "unreachable",
        /// What was seen does not suffice.
        Inconclusive = "inconclusive",
    }
}

words! {
    /// How a forgotten flow showed itself.
    Mechanism {
        /// The next packet was answered with a reset.
        ResetOnReuse = "reset-on-reuse",
        /// The next packet vanished.
        SilentDrop = "silent-drop",
        /// Resets came at the moment of expiry.
        ResetAtExpiry = "reset-at-expiry",
        /// A FIN came at the moment of expiry.
        FinAtExpiry = "fin-at-expiry",
    }
}

words! {
    /// Who did it.
    Culprit {
        /// A box on the path.
        Hop = "hop",
        /// The far end.
        Peer = "peer",
        /// The client itself.
        Client = "client",
        /// It cannot be told.
        Unknown = "unknown",
    }
}

words! {
    /// What it did to requests; the later word is the worse.
    Harm {
        /// Nothing was harmed.
        None = "none",
        /// It happened to packets that carried no request.
        Latent = "latent",
        /// A request got no response on its connection, and went out again on another within a
        /// second.
        Masked = "masked",
        /// A request got no response, and did not go out again.
        Failed = "failed",
    }
}

words! {
    /// What became of a flow.
    Finding {
        /// Nothing wrong.
        Healthy = "healthy",
        /// Used again after a pause, and answered by a reset.
        ResetOnReuse = "reset-on-reuse",
        /// Used again after a pause, and nobody answered.
        SilentDrop = "silent-drop",
        /// Reset by a box while nobody sent anything.
        ResetAtExpiry = "reset-at-expiry",
        /// Closed by a box in an end's name while nobody sent anything.
        FinAtExpiry = "fin-at-expiry",
        /// Forgotten while a request waited for its response.
        ForgottenInFlight = "forgotten-in-flight",
        /// Closed by one end, and forgotten before the other end closed it too.
        LateClose = "late-close",
        /// The far end closed as a request was under way.
        CloseRace = "close-race",
        /// The client sent a request on a connection that the far end had closed well before.
        UsedAfterClose = "used-after-close",
        /// A box reset or swallowed it although it had not paused.
        LostState = "lost-state",
        /// Its large segments never got through, and small ones did.
        LargeLost = "large-lost",
        /// The far end reset it.
        PeerAbort = "peer-abort",
        /// The far end closed it without answering the request that it had taken.
        PeerClose = "peer-close",
        /// The far end closed it, and the client never did.
        LeftHalfClosed = "left-half-closed",
        /// The client gave up a request that the far end had taken.
        ClientGaveUp = "client-gave-up",
        /// The far end refused the connection.
        Refused = "refused",
        /// Nothing answered the attempt to connect.
        Unreachable = "unreachable",
        /// A request was lost, and the capture does not show why.
        Inconclusive = "inconclusive",
    }
}

impl Finding {
    /// Returns how the flow showed that a box had forgotten it; `None` if no box had, or if a
    /// request was waiting, which shows in several ways.
    #[must_use]
    pub const fn mechanism(self) -> Option<Mechanism> {
        match self {
            Self::ResetOnReuse | Self::LateClose => Some(Mechanism::ResetOnReuse),
            Self::SilentDrop => Some(Mechanism::SilentDrop),
            Self::ResetAtExpiry => Some(Mechanism::ResetAtExpiry),
            Self::FinAtExpiry => Some(Mechanism::FinAtExpiry),
            Self::Healthy
            | Self::ForgottenInFlight
            | Self::CloseRace
            | Self::UsedAfterClose
            | Self::LostState
            | Self::LargeLost
            | Self::PeerAbort
            | Self::PeerClose
            | Self::LeftHalfClosed
            | Self::ClientGaveUp
            | Self::Refused
            | Self::Unreachable
            | Self::Inconclusive => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_spelled_in_toml_as_it_is_printed() {
        #[derive(Deserialize)]
        struct Line {
            cause: Cause,
        }
        for &cause in Cause::ALL {
            let line: Line = toml::from_str(&format!("cause = \"{cause}\"")).unwrap();
            assert_eq!(line.cause, cause);
        }
    }
}
