//! The words of the wire log, and bytes as text.

use core::fmt::Write as _;

use crate::retry::{Failure, Objection, Permission};
use crate::shelf::Discard;

pub(super) const fn discard(why: Discard) -> &'static str {
    match why {
        Discard::NotKept => "not kept",
        Discard::IdleLimit => "idle for as long as the policy or the server's hint allows",
        Discard::LearntCap => "idle for as long as this path is known to allow",
        Discard::Lifetime => "end of its lifetime",
        Discard::TooManyIdle => "too many idle connections",
        Discard::MadeRoom => "made room for another",
        Discard::SiblingDied => "another that was no longer idle died",
        Discard::NoPong => "it did not answer a PING",
        Discard::Drained => "the pool is drained",
    }
}

pub(super) const fn failure(failure: Failure) -> &'static str {
    match failure {
        Failure::Connect => "it could not be opened",
        Failure::Reset => "Connection reset",
        Failure::Closed => "the other end closed it without a response",
        Failure::Silence => "Read timed out",
        Failure::Truncated => "it ended within a response",
        Failure::Malformed => "what came is not HTTP",
        Failure::Refused => "the server did not take the request",
    }
}

pub(super) const fn permission(why: Permission) -> &'static str {
    match why {
        Permission::NeverWritten => "it was never written",
        Permission::Refused => "the server says that it did not process it",
        Permission::Method => "its method may be repeated",
        Permission::Key => "it carries an Idempotency-Key",
    }
}

pub(super) const fn objection(why: Objection) -> &'static str {
    match why {
        Objection::Attempts => "no attempts are left",
        Objection::NewConnection => "its connection was new",
        Objection::BodyGone => "its body cannot be had again",
        Objection::Answered => "it was answered, if badly",
        Objection::MayBeProcessed => "it may have been processed, and twice may do harm",
        Objection::Abandoned => "nobody waits for its response any more",
    }
}

/// How much of a message was shown.
#[derive(Default)]
pub(super) struct Shown {
    head: usize,
    /// The last bytes of the head, to find its end across pieces.
    tail: [u8; 4],
    body: usize,
    in_body: bool,
    told_rest: bool,
}

impl Shown {
    /// Returns the next bytes of a message as lines, up to so many of its head and of its body.
    pub(super) fn show(&mut self, bytes: &[u8], head_max: usize, body_max: usize) -> Vec<String> {
        let length = if self.in_body { 0 } else { self.head_length(bytes) };
        let (head, body) = bytes.split_at(length);
        let (head_shown, body_shown) = (
            head.len().min(head_max.saturating_sub(self.head)),
            body.len().min(body_max.saturating_sub(self.body)),
        );
        self.head = self.head.saturating_add(head.len());
        self.body = self.body.saturating_add(body.len());
        let mut lines = quoted(&head[..head_shown]);
        lines.extend(quoted(&body[..body_shown]));
        let cut = head_shown < head.len() || body_shown < body.len();
        if cut && !self.told_rest {
            self.told_rest = true;
            lines.push("[the rest is not shown]".to_owned());
        }
        lines
    }

    /// Returns how many of the bytes belong to the head: up to the first empty line.
    fn head_length(&mut self, bytes: &[u8]) -> usize {
        for (&byte, length) in bytes.iter().zip(1..) {
            self.tail.rotate_left(1);
            self.tail[3] = byte;
            if &self.tail == b"\r\n\r\n" {
                self.in_body = true;
                return length;
            }
        }
        bytes.len()
    }
}

/// Returns the lines of `bytes`, quoted, with what cannot be printed spelled out.
fn quoted(bytes: &[u8]) -> Vec<String> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(quote).collect()
}

fn quote(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len() + 8);
    text.push('"');
    for &byte in line {
        match byte {
            b'\r' => text.push_str("[\\r]"),
            b'\n' => text.push_str("[\\n]"),
            b' '..=b'~' => text.push(char::from(byte)),
            other => {
                let _fits = write!(text, "[0x{other:x}]");
            }
        }
    }
    text.push('"');
    text
}
