//! What is asked of `MySQL` and `MariaDB`: `COM_PING`.
//!
//! It takes a login: who has none is closed after `connect_timeout`, ten seconds by default.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html> (2026-11-22).

use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use super::login::{Login, MESSAGE_MAX, shown};
use super::{Dialogue, Question, Taken};

/// A packet begins with its length in three bytes and its number in one.
const HEADER: usize = 4;
/// The only version of the first packet that servers send (`Protocol::HandshakeV10`).
const GREETING: u8 = 10;
/// First bytes of what servers answer.
const OK: u8 = 0x00;
const MORE: u8 = 0x01;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// What MORE is about with `caching_sha2_password`: it knows the password, or wants all of it.
const KNOWN: u8 = 3;
const UNKNOWN: u8 = 4;
/// `COM_PING`.
const PING: u8 = 0x0e;
/// `utf8mb4_general_ci`.
const CHARSET: u8 = 45;

// Capabilities (group_cs_capabilities_flags).
const LONG_PASSWORD: u32 = 1;
const CONNECT_WITH_DB: u32 = 8;
const PROTOCOL_41: u32 = 0x200;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;

/// Asks for a pong, after a login.
#[derive(Clone, Debug)]
pub struct Mysql {
    login: Login,
}

#[derive(Debug)]
struct Conversation {
    login: Login,
    stage: Stage,
    came: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server speaks first.
    New,
    LoggingIn,
    LoggedIn,
}

impl Mysql {
    /// Asks as this user, `root` if none is named.
    #[must_use]
    pub fn new(login: &Login) -> Self {
        Self { login: login.clone() }
    }
}

impl Question for Mysql {
    fn begin(&self) -> Box<dyn Dialogue> {
        let login = self.login.clone();
        Box::new(Conversation { login, stage: Stage::New, came: Vec::new() })
    }
}

impl Dialogue for Conversation {
    fn ask(&mut self) -> Vec<u8> {
        match self.stage {
            Stage::New | Stage::LoggingIn => Vec::new(),
            Stage::LoggedIn => framed(0, &[PING]),
        }
    }

    fn take(&mut self, received: &[u8]) -> Taken {
        self.came.extend(received);
        loop {
            let heeded = match packet(&mut self.came) {
                Ok(None) => return Taken::More,
                Ok(Some((number, body))) => self.heed(number, &body),
                Err(why) => Err(why),
            };
            match heeded {
                Ok(None) => {}
                Ok(Some(taken)) => return taken,
                Err(why) => return Taken::Foreign(why),
            }
        }
    }
}

impl Conversation {
    /// Returns what follows from a packet, if anything does.
    fn heed(&mut self, number: u8, body: &[u8]) -> Result<Option<Taken>, String> {
        let say = |body: &[u8]| Ok(Some(Taken::Send(framed(number.wrapping_add(1), body))));
        match (self.stage, body) {
            (Stage::New, [GREETING, rest @ ..]) => {
                self.stage = Stage::LoggingIn;
                say(&self.answer(rest)?)
            }
            (Stage::LoggingIn | Stage::LoggedIn, [OK, ..]) => {
                self.stage = Stage::LoggedIn;
                Ok(Some(Taken::Answered))
            }
            (Stage::LoggingIn, [SWITCH, rest @ ..]) => {
                let (method, salt) = switch(rest).ok_or_else(stranger)?;
                say(&self.proof(&method, &salt)?)
            }
            (Stage::LoggingIn, [MORE, UNKNOWN, ..]) => Err(
                "MySQL wants the password itself, which is not sent in the open; log in once with \
                 another client, so that the server knows it, or name a user without one"
                    .to_owned(),
            ),
            // Such as 4031, wait_timeout: what follows is a FIN, which says enough.
            (Stage::LoggedIn, [ERROR, ..]) | (Stage::LoggingIn, [MORE, KNOWN, ..]) => Ok(None),
            (_, [ERROR, rest @ ..]) => Err(format!("MySQL refuses: {}", reason(rest))),
            _ => Err(stranger()),
        }
    }

    fn answer(&self, greeting: &[u8]) -> Result<Vec<u8>, String> {
        let (salt, method) = salt_and_method(greeting).ok_or_else(stranger)?;
        let proof = self.proof(&method, &salt)?;
        let mut capabilities = LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
        if self.login.database.is_some() {
            capabilities |= CONNECT_WITH_DB;
        }
        let mut body = Vec::new();
        body.extend(capabilities.to_le_bytes());
        body.extend(u32::to_le_bytes(1 << 24)); // the longest packet
        body.push(CHARSET);
        body.extend([0; 23]);
        body.extend(self.login.user.as_deref().unwrap_or("root").as_bytes());
        body.extend([0, u8::try_from(proof.len()).map_err(|_| stranger())?]);
        body.extend(&proof);
        for name in self.login.database.as_deref().into_iter().chain([method.as_str()]) {
            body.extend(name.as_bytes());
            body.push(0);
        }
        Ok(body)
    }

    fn proof(&self, method: &str, salt: &[u8]) -> Result<Vec<u8>, String> {
        let Some(password) = self.login.password.as_deref().filter(|it| !it.is_empty()) else {
            return Ok(Vec::new());
        };
        match method {
            "mysql_native_password" => Ok(scramble(&SHA1_FOR_LEGACY_USE_ONLY, password, salt)),
            "caching_sha2_password" => Ok(scramble(&SHA256, password, salt)),
            other => Err(format!(
                "MySQL wants a proof by `{}`; known are mysql_native_password and \
                 caching_sha2_password",
                shown(other.as_bytes())
            )),
        }
    }
}

/// Returns the salt, and by which method a password is to be proved; a greeting has them after its
/// version.
fn salt_and_method(mut greeting: &[u8]) -> Option<(Vec<u8>, String)> {
    zero_terminated(&mut greeting)?; // the server's version
    greeting = greeting.get(4..)?; // the connection's number
    let mut salt = greeting.get(..8)?.to_vec();
    // A filler, half of the capabilities, charset, status, the other half; the salt's length.
    greeting = greeting.get(8 + 1 + 2 + 1 + 2 + 2..)?;
    let length = usize::from(*greeting.first()?);
    greeting = greeting.get(1 + 10..)?;
    let rest = length.saturating_sub(8).max(13);
    // It ends with a zero that is no part of it.
    salt.extend(greeting.get(..rest - 1)?);
    greeting = greeting.get(rest..)?;
    Some((salt, zero_terminated(&mut greeting)?))
}

fn switch(mut body: &[u8]) -> Option<(String, Vec<u8>)> {
    let method = zero_terminated(&mut body)?;
    Some((method, body.strip_suffix(&[0]).unwrap_or(body).to_vec()))
}

fn zero_terminated(bytes: &mut &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    *bytes = &bytes[end + 1..];
    Some(text)
}

/// Proves a password without telling it. Both methods hash it twice; they differ in what they hash
/// the salt with and in which order: `SHA1(pw) ^ SHA1(salt + SHA1(SHA1(pw)))`, and
/// `SHA256(pw) ^ SHA256(SHA256(SHA256(pw)) + salt)`.
fn scramble(by: &'static digest::Algorithm, password: &str, salt: &[u8]) -> Vec<u8> {
    let once = digest::digest(by, password.as_bytes());
    let twice = digest::digest(by, once.as_ref());
    let parts = if by == &SHA256 { [twice.as_ref(), salt] } else { [salt, twice.as_ref()] };
    let salted = digest::digest(by, &parts.concat());
    once.as_ref().iter().zip(salted.as_ref()).map(|(one, other)| one ^ other).collect()
}

/// Takes a packet, if one is whole, and its number.
fn packet(came: &mut Vec<u8>) -> Result<Option<(u8, Vec<u8>)>, String> {
    let Some(&[one, two, three, number]) = came.first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_le_bytes([one, two, three, 0]) as usize;
    if length > MESSAGE_MAX {
        return Err(stranger());
    }
    if came.len() < HEADER + length {
        return Ok(None);
    }
    let body = came.drain(..HEADER + length).skip(HEADER).collect();
    Ok(Some((number, body)))
}

fn framed(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("what is said here is short");
    let [one, two, three, _] = length.to_le_bytes();
    [&[one, two, three, number], body].concat()
}

fn stranger() -> String {
    "it does not speak MySQL's protocol".to_owned()
}

/// Returns what the server says of an error: after a code, and a state after a `#` that is not
/// there before a login.
fn reason(body: &[u8]) -> String {
    let [low, high, text @ ..] = body else { return "it does not say why".to_owned() };
    let text = if text.starts_with(b"#") { text.get(6..).unwrap_or_default() } else { text };
    format!("{} ({})", shown(text), u16::from_le_bytes([*low, *high]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &[u8] = b"abcdefghijklmnopqrst";

    fn greeting(method: &str) -> Vec<u8> {
        let mut body = vec![GREETING];
        body.extend(b"8.4.0\0\x07\0\0\0abcdefgh\0");
        body.extend([0xff, 0xff, 45, 2, 0, 0xff, 0xdf, 21]);
        body.extend([0; 10]);
        body.extend(b"ijklmnopqrst\0");
        body.extend(method.as_bytes());
        body.push(0);
        framed(0, &body)
    }

    /// Talks until the server has heard who asks; returns what it heard.
    fn introduced(method: &str) -> (Box<dyn Dialogue>, Vec<u8>) {
        let [user, password] = ["me", "secret"].map(|it| Some(it.to_owned()));
        let mut talk = Mysql::new(&Login { user, password, database: None }).begin();
        assert!(talk.ask().is_empty(), "the server speaks first");
        let Taken::Send(said) = talk.take(&greeting(method)) else { panic!() };
        (talk, said)
    }

    fn refusal(taken: Taken) -> String {
        let Taken::Foreign(why) = taken else { panic!("{taken:?}") };
        why
    }

    #[test]
    fn a_greeting_has_the_salt_in_two_parts() {
        let (salt, method) = salt_and_method(&greeting("any")[HEADER + 1..]).unwrap();
        assert_eq!((&*salt, &*method), (SALT, "any"));
    }

    #[test]
    fn a_proof_is_what_the_server_can_undo_that_knows_the_double_hash() {
        // The server has SHA1(SHA1(pw)), takes the mask off, and hashes what is left.
        let sha1 = |bytes: &[u8]| digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
        let twice = sha1(sha1(b"secret").as_ref());
        let mask = sha1(&[SALT, twice.as_ref()].concat());
        let proof = scramble(&SHA1_FOR_LEGACY_USE_ONLY, "secret", SALT);
        let back: Vec<u8> =
            proof.iter().zip(mask.as_ref()).map(|(one, other)| one ^ other).collect();
        assert_eq!(sha1(&back).as_ref(), twice.as_ref());
    }

    #[test]
    fn a_login_by_the_cached_hash_takes_one_answer() {
        let (mut talk, said) = introduced("caching_sha2_password");
        assert_eq!(said[3], 1, "packets are numbered");
        assert!(said.ends_with(b"caching_sha2_password\0"));
        assert_eq!(said[HEADER + 32..][..4], [b'm', b'e', 0, 32]);
        assert_eq!(talk.take(&framed(2, &[MORE, KNOWN])), Taken::More);
        assert_eq!(talk.take(&framed(3, &[OK, 0, 0, 2, 0, 0, 0])), Taken::Answered);
        assert_eq!(talk.ask(), [1, 0, 0, 0, PING]);
        assert_eq!(talk.take(&framed(1, &[OK, 0, 0, 2, 0, 0, 0])), Taken::Answered);
    }

    #[test]
    fn a_server_may_choose_another_method() {
        let (mut talk, _) = introduced("caching_sha2_password");
        let other = [&[SWITCH][..], b"mysql_native_password\0", SALT, &[0]].concat();
        let Taken::Send(said) = talk.take(&framed(2, &other)) else { panic!() };
        assert_eq!((said.len(), said[3]), (HEADER + 20, 3));
    }

    #[test]
    fn a_password_is_not_sent_in_the_open() {
        let (mut talk, _) = introduced("caching_sha2_password");
        let why = refusal(talk.take(&framed(2, &[MORE, UNKNOWN])));
        assert!(why.contains("log in once"), "{why}");
    }

    #[test]
    fn a_host_that_is_blocked_is_told_before_any_login() {
        let mut talk = Mysql::new(&Login::default()).begin();
        let blocked = [&[ERROR, 0x69, 0x04][..], b"Host 'x' is blocked"].concat();
        let why = refusal(talk.take(&framed(0, &blocked)));
        assert_eq!(why, "MySQL refuses: Host 'x' is blocked (1129)");
    }

    #[test]
    fn what_speaks_http_is_no_database() {
        let mut talk = Mysql::new(&Login::default()).begin();
        assert_eq!(refusal(talk.take(b"HTTP/1.1 400\r\n")), stranger());
    }
}
