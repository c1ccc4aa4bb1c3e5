//! What is asked of Redis, and of what speaks as it does (RESP).
//!
//! `PING` is answered by `PONG`, or by an error before a login; either is an answer.
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/> (2026-11-22).

use core::fmt::Write as _;

use super::login::{Login, MESSAGE_MAX, shown};
use super::{Dialogue, Question, Taken};

/// Asks `PING`, after a login if there is a password.
#[derive(Clone, Debug)]
pub struct Redis {
    auth: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Conversation {
    /// What is to be said first.
    auth: Option<Vec<u8>>,
    /// It was said, and the answer has not come.
    logs_in: bool,
    came: Vec<u8>,
}

impl Redis {
    /// Asks as this user. One without a password does not log in.
    #[must_use]
    pub fn new(login: &Login) -> Self {
        let auth = login.password.as_deref().map(|password| {
            // Until Redis 6 there were no users, and AUTH took a password alone.
            let words = ["AUTH"].into_iter().chain(login.user.as_deref()).chain([password]);
            command(&words.collect::<Vec<_>>())
        });
        Self { auth }
    }
}

impl Question for Redis {
    fn begin(&self) -> Box<dyn Dialogue> {
        Box::new(Conversation { auth: self.auth.clone(), logs_in: false, came: Vec::new() })
    }
}

impl Dialogue for Conversation {
    fn ask(&mut self) -> Vec<u8> {
        match self.auth.take() {
            Some(auth) => {
                self.logs_in = true;
                auth
            }
            None => command(&["PING"]),
        }
    }

    fn take(&mut self, received: &[u8]) -> Taken {
        self.came.extend(received);
        match line(&mut self.came) {
            Err(Stranger) => Taken::Foreign("it does not speak Redis's protocol".to_owned()),
            Ok(None) => Taken::More,
            Ok(Some(_)) if !self.logs_in => Taken::Answered,
            Ok(Some(line)) if line.starts_with(b"+") => {
                self.logs_in = false;
                Taken::Send(command(&["PING"]))
            }
            Ok(Some(line)) => {
                Taken::Foreign(format!("Redis refuses the login: {}", shown(&line[1..])))
            }
        }
    }
}

/// Writes a command as an array of bulk strings.
fn command(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        let _ = write!(text, "${}\r\n{word}\r\n", word.len());
    }
    text.into()
}

/// What came is no answer.
struct Stranger;

/// Takes a simple string or an error, if one is whole.
fn line(came: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Stranger> {
    if !matches!(came.first(), None | Some(b'+' | b'-')) || came.len() > MESSAGE_MAX {
        return Err(Stranger);
    }
    let end = came.windows(2).position(|two| two == b"\r\n");
    Ok(end.map(|end| came.drain(..end + 2).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        let [user, password] = [user, password].map(|it| Some(it.to_owned()));
        Login { user, password, database: None }
    }

    #[test]
    fn a_ping_is_answered_also_before_a_login() {
        for answer in [&b"+PONG\r\n"[..], b"-NOAUTH Authentication required.\r\n"] {
            let mut talk = Redis::new(&Login::default()).begin();
            for _ in 0..2 {
                assert_eq!(talk.ask(), b"*1\r\n$4\r\nPING\r\n");
                assert_eq!(talk.take(&answer[..3]), Taken::More);
                assert_eq!(talk.take(&answer[3..]), Taken::Answered);
            }
        }
    }

    #[test]
    fn a_login_comes_before_the_first_ping_and_once() {
        let mut talk = Redis::new(&login("me", "x")).begin();
        assert_eq!(talk.ask(), b"*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$1\r\nx\r\n");
        assert_eq!(talk.take(b"+OK\r\n"), Taken::Send(command(&["PING"])));
        assert_eq!(talk.take(b"+PONG\r\n"), Taken::Answered);
        assert_eq!(talk.ask(), command(&["PING"]));
    }

    #[test]
    fn a_login_that_is_refused_is_told_with_its_reason() {
        let mut talk = Redis::new(&login("me", "x")).begin();
        talk.ask();
        let Taken::Foreign(why) = talk.take(b"-WRONGPASS invalid pair\r\n") else { panic!() };
        assert!(why.contains("WRONGPASS"), "{why}");
    }

    #[test]
    fn what_speaks_http_is_no_redis() {
        let mut talk = Redis::new(&Login::default()).begin();
        talk.ask();
        assert!(matches!(talk.take(b"HTTP/1.1 400 Bad Request\r\n"), Taken::Foreign(_)));
    }
}
