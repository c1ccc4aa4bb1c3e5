//! `HEAD` and `OPTIONS` over HTTP/1.1: safe, and so safe to repeat (RFC 9110 section 9.2.1).

use super::{Dialogue, Question, Taken};

/// No head of a response is longer than this, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// Nor has it more fields.
const FIELDS_MAX: usize = 128;

/// Asks an HTTP server.
#[derive(Clone, Debug)]
pub struct Http {
    request: String,
    has_body: bool,
}

#[derive(Debug)]
struct Conversation {
    question: Http,
    came: Vec<u8>,
    /// How much of a body is still to come.
    body: Option<u64>,
    closes: bool,
}

impl Http {
    /// Asks for the head of what `path` names on `authority`, such as `example.com:8080`.
    #[must_use]
    pub fn head(authority: &str, path: &str) -> Self {
        Self { request: request("HEAD", authority, path), has_body: false }
    }

    /// Asks what can be asked of `path`; `*` is the server as a whole.
    #[must_use]
    pub fn options(authority: &str, path: &str) -> Self {
        Self { request: request("OPTIONS", authority, path), has_body: true }
    }
}

fn request(method: &str, authority: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: halfopen\r\n\r\n")
}

impl Question for Http {
    fn begin(&self) -> Box<dyn Dialogue> {
        let question = self.clone();
        Box::new(Conversation { question, came: Vec::new(), body: None, closes: false })
    }
}

impl Dialogue for Conversation {
    fn ask(&mut self) -> Vec<u8> {
        self.came.clear();
        self.body = None;
        self.question.request.clone().into_bytes()
    }

    fn take(&mut self, received: &[u8]) -> Taken {
        self.came.extend_from_slice(received);
        if self.body.is_none()
            && let Some(other) = self.read_head()
        {
            return other;
        }
        let came = self.came.len() as u64;
        self.body = self.body.map(|left| left.saturating_sub(came));
        self.came.clear();
        match (self.body, self.closes) {
            (Some(1..), _) => Taken::More,
            (_, true) => Taken::AnsweredLast,
            (_, false) => Taken::Answered,
        }
    }
}

impl Conversation {
    /// Reads the head, or says what stands in the way.
    fn read_head(&mut self) -> Option<Taken> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(&self.came) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.came.len() < HEAD_MAX => {
                return Some(Taken::More);
            }
            Ok(httparse::Status::Partial) => {
                return Some(Taken::Foreign("the head of its response has no end".to_owned()));
            }
            Err(error) => {
                return Some(Taken::Foreign(format!("it does not speak HTTP/1.1 ({error})")));
            }
        };
        // RFC 9110 section 15.2: an interim response comes before the answer
        let is_interim = matches!(response.code, Some(100..200));
        let is_old = response.version == Some(0);
        let field = |name: &str| {
            let mut all = response.headers.iter();
            let found = all.find(|field| field.name.eq_ignore_ascii_case(name))?;
            core::str::from_utf8(found.value).ok().map(str::trim)
        };
        let names = |word: &str| {
            let options = field("connection").unwrap_or_default();
            options.split(',').any(|option| option.trim().eq_ignore_ascii_case(word))
        };
        let told = field("content-length").and_then(|length| length.parse().ok());
        let is_empty = response.code == Some(204) || response.code == Some(304);
        let endless = self.question.has_body && !is_empty && told.is_none();
        // A body without a length ends with the connection, or is chunked, which nobody needs here.
        self.closes = names("close") || is_old && !names("keep-alive") || endless;
        self.body = Some(if self.question.has_body { told.unwrap_or(0) } else { 0 });
        self.came.drain(..length);
        if is_interim {
            self.body = None;
            return self.read_head();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_come_in_pieces() {
        let mut talk = Http::head("example.com", "/").begin();
        assert!(talk.ask().starts_with(b"HEAD / HTTP/1.1\r\nHost: example.com\r\n"));
        assert_eq!(talk.take(b"HTTP/1.1 200 OK\r\nContent-"), Taken::More);
        assert_eq!(talk.take(b"Length: 5\r\n\r\n"), Taken::Answered);
        talk.ask();
        assert_eq!(talk.take(b"HTTP/1.1 404 Not Found\r\n\r\n"), Taken::Answered);
    }

    #[test]
    fn a_server_that_closes_after_its_answer_says_so() {
        let closes = |head: &[u8]| {
            let mut talk = Http::head("example.com", "/").begin();
            talk.ask();
            talk.take(head) == Taken::AnsweredLast
        };
        assert!(closes(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"));
        assert!(closes(b"HTTP/1.0 200 OK\r\n\r\n"));
        assert!(!closes(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn the_body_belongs_to_the_answer() {
        let mut talk = Http::options("example.com", "*").begin();
        talk.ask();
        assert_eq!(talk.take(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"), Taken::More);
        assert_eq!(talk.take(b"cd"), Taken::Answered);
    }

    #[test]
    fn an_interim_response_is_no_answer() {
        let mut talk = Http::head("example.com", "/").begin();
        talk.ask();
        assert_eq!(talk.take(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Taken::More);
        assert_eq!(talk.take(b"HTTP/1.1 200 OK\r\n\r\n"), Taken::Answered);
    }

    #[test]
    fn what_is_not_http_is_foreign() {
        let mut talk = Http::head("example.com", "/").begin();
        talk.ask();
        assert!(matches!(talk.take(b"SSH-2.0-OpenSSH_9.9\r\n"), Taken::Foreign(_)));
    }
}
