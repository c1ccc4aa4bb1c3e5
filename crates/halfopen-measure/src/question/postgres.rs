//! What is asked of `PostgreSQL`: a Sync, which it answers and which does nothing.
//!
//! It takes a login: who has none is closed after `authentication_timeout`, a minute by default.
//! Source: <https://www.postgresql.org/docs/current/protocol-flow.html> (2026-11-22).

use bytes::{Buf as _, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{ErrorResponseBody, Message};
use postgres_protocol::message::frontend;

use super::login::{Login, MESSAGE_MAX, shown};
use super::{Dialogue, Question, Taken};

/// A message begins with its kind and, in four bytes, its length without the former.
const HEADER: usize = 5;

/// Asks for a Sync, after a login.
#[derive(Clone, Debug)]
pub struct Postgres {
    login: Login,
}

struct Conversation {
    login: Login,
    stage: Stage,
    came: BytesMut,
}

enum Stage {
    New,
    LoggingIn(Option<Box<ScramSha256>>),
    LoggedIn,
}

impl Postgres {
    /// Asks as this user, `postgres` if none is named.
    #[must_use]
    pub fn new(login: &Login) -> Self {
        Self { login: login.clone() }
    }
}

impl Question for Postgres {
    fn begin(&self) -> Box<dyn Dialogue> {
        let login = self.login.clone();
        Box::new(Conversation { login, stage: Stage::New, came: BytesMut::new() })
    }
}

impl Dialogue for Conversation {
    fn ask(&mut self) -> Vec<u8> {
        if let Stage::New = self.stage {
            self.stage = Stage::LoggingIn(None);
            return self.introduction();
        }
        let mut sync = BytesMut::new();
        frontend::sync(&mut sync);
        sync.to_vec()
    }

    fn take(&mut self, received: &[u8]) -> Taken {
        self.came.extend_from_slice(received);
        loop {
            match message(&mut self.came) {
                Ok(None) => return Taken::More,
                Ok(Some(message)) => match self.heed(message) {
                    Ok(None) => {}
                    Ok(Some(taken)) => return taken,
                    Err(why) => return Taken::Foreign(why),
                },
                Err(why) => return Taken::Foreign(why),
            }
        }
    }
}

impl Conversation {
    fn user(&self) -> &str {
        self.login.user.as_deref().unwrap_or("postgres")
    }

    fn introduction(&self) -> Vec<u8> {
        let user = self.user();
        let database = self.login.database.as_deref().unwrap_or(user);
        let told =
            [("user", user), ("database", database), ("application_name", "halfopen measure")];
        let mut message = BytesMut::new();
        // It fails on a zero byte. A server that hears nothing will close, and that is told.
        drop(frontend::startup_message(told, &mut message));
        message.to_vec()
    }

    /// Returns what follows from a message, if anything does.
    fn heed(&mut self, message: Message) -> Result<Option<Taken>, String> {
        match (message, &mut self.stage) {
            (Message::ReadyForQuery(_), stage) => {
                *stage = Stage::LoggedIn;
                Ok(Some(Taken::Answered))
            }
            (Message::ErrorResponse(body), Stage::New | Stage::LoggingIn(_)) => {
                Err(format!("PostgreSQL refuses: {}", reason(&body)))
            }
            // Such as 57P05, idle_session_timeout: what follows is a FIN, which says enough.
            (_, Stage::New | Stage::LoggedIn)
            | (
                Message::AuthenticationOk
                | Message::ParameterStatus(_)
                | Message::BackendKeyData(_)
                | Message::NoticeResponse(_),
                Stage::LoggingIn(_),
            ) => Ok(None),
            (Message::AuthenticationSaslFinal(body), Stage::LoggingIn(Some(scram))) => {
                scram.finish(body.data()).map_err(|_| stranger())?;
                Ok(None)
            }
            (wanted, Stage::LoggingIn(_)) => self.prove(&wanted).map(Some),
        }
    }

    /// Writes the answer to what the server wants as a proof.
    #[expect(clippy::wildcard_enum_match_arm, reason = "another crate's enum may grow")]
    fn prove(&mut self, wanted: &Message) -> Result<Taken, String> {
        let password = self
            .login
            .password
            .clone()
            .ok_or("PostgreSQL wants a password: postgres://user:password@host/database")?;
        let mut proof = BytesMut::new();
        let written = match wanted {
            Message::AuthenticationCleartextPassword => {
                return Err("PostgreSQL wants the password itself, which is not sent in the open"
                    .to_owned());
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(self.user().as_bytes(), password.as_bytes(), body.salt());
                frontend::password_message(hash.as_bytes(), &mut proof)
            }
            Message::AuthenticationSasl(_) => {
                let scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                let first = scram.message().to_vec();
                self.stage = Stage::LoggingIn(Some(Box::new(scram)));
                frontend::sasl_initial_response(SCRAM_SHA_256, &first, &mut proof)
            }
            Message::AuthenticationSaslContinue(body) => {
                let Stage::LoggingIn(Some(scram)) = &mut self.stage else {
                    return Err(stranger());
                };
                scram.update(body.data()).map_err(|_| stranger())?;
                frontend::sasl_response(scram.message(), &mut proof)
            }
            _ => {
                return Err("PostgreSQL wants a proof that is no password".to_owned());
            }
        };
        written.map_err(|error| error.to_string())?;
        Ok(Taken::Send(proof.to_vec()))
    }
}

/// Takes a message, if one is whole.
fn message(came: &mut BytesMut) -> Result<Option<Message>, String> {
    if let Some(mut length) = came.get(1..HEADER)
        && length.get_u32() as usize > MESSAGE_MAX
    {
        return Err(stranger());
    }
    Message::parse(came).map_err(|_| stranger())
}

fn stranger() -> String {
    "it does not speak PostgreSQL's protocol".to_owned()
}

/// Returns what the server says of an error: its text (`M`) and its code (`C`).
fn reason(body: &ErrorResponseBody) -> String {
    let (mut text, mut code) = (String::new(), String::new());
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        match field.type_() {
            b'M' => text = shown(field.value_bytes()),
            b'C' => code = shown(field.value_bytes()),
            _ => {}
        }
    }
    format!("{text} ({code})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a message of the server.
    fn told(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// Begins to talk, and returns what is said first.
    fn begin(password: Option<&str>) -> (Box<dyn Dialogue>, Vec<u8>) {
        let password = password.map(str::to_owned);
        let login = Login { user: Some("me".into()), password, database: Some("bills".into()) };
        let mut talk = Postgres::new(&login).begin();
        let first = talk.ask();
        (talk, first)
    }

    fn refusal(taken: Taken) -> String {
        let Taken::Foreign(why) = taken else { panic!("{taken:?}") };
        why
    }

    #[test]
    fn who_is_trusted_is_asked_for_nothing() {
        let (mut talk, first) = begin(None);
        assert_eq!(first[4..8], [0, 3, 0, 0]);
        assert!(first.windows(5).any(|it| it == b"bills"));
        let ready = [told(b'R', &[0; 4]), told(b'S', b"a\0b\0"), told(b'Z', b"I")].concat();
        assert_eq!(talk.take(&ready), Taken::Answered);
        for _ in 0..2 {
            assert_eq!(talk.ask(), [b'S', 0, 0, 0, 4]);
            let ready = told(b'Z', b"I");
            assert_eq!(talk.take(&ready[..4]), Taken::More);
            assert_eq!(talk.take(&ready[4..]), Taken::Answered);
        }
    }

    #[test]
    fn a_password_is_hashed_with_the_salt() {
        let (mut talk, _) = begin(Some("secret"));
        let Taken::Send(said) = talk.take(&told(b'R', &[0, 0, 0, 5, 1, 2, 3, 4])) else { panic!() };
        assert_eq!(said[0], b'p');
        assert!(said[5..].starts_with(b"md5") && said.len() == 5 + 35 + 1);
    }

    #[test]
    fn who_has_no_password_and_needs_one_is_told_where_to_put_it() {
        let (mut talk, _) = begin(None);
        let sasl = [&[0, 0, 0, 10][..], b"SCRAM-SHA-256\0\0"].concat();
        let why = refusal(talk.take(&told(b'R', &sasl)));
        assert!(why.contains("postgres://user:password@host"), "{why}");
    }

    #[test]
    fn a_password_is_not_sent_in_the_open() {
        let (mut talk, _) = begin(Some("secret"));
        let why = refusal(talk.take(&told(b'R', &[0, 0, 0, 3])));
        assert!(why.contains("in the open"), "{why}");
    }

    #[test]
    fn a_login_that_is_refused_is_told_with_its_reason() {
        let (mut talk, _) = begin(Some("secret"));
        let fields = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0";
        let why = refusal(talk.take(&told(b'E', fields)));
        assert_eq!(why, "PostgreSQL refuses: password authentication failed (28P01)");
    }

    #[test]
    fn what_speaks_http_is_no_database_and_takes_no_memory() {
        let (mut talk, _) = begin(None);
        assert_eq!(refusal(talk.take(b"HTTP/1.1 400 Bad Request\r\n")), stranger());
    }
}
