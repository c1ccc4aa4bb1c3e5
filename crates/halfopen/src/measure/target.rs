//! Whom to ask, and in which language.

use core::fmt;
use core::str::FromStr;

use halfopen_measure::question::Login;
use halfopen_pool::connect::Destination;
use http::Uri;
use http::uri::Authority;
use percent_encoding::percent_decode_str;

/// Whom to ask, and in which language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) language: Language,
    pub(crate) to: Destination,
    pub(crate) login: Login,
    /// What is asked for over HTTP.
    pub(crate) path: String,
}

/// What is spoken to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Http,
    Redis,
    Postgres,
    Mysql,
    /// None: TCP itself is asked.
    Tcp,
}

/// A scheme: its name, the language, whether it is under TLS, and the port where none is given.
const SCHEMES: [(&str, Language, bool, Option<u16>); 9] = [
    // RFC 9110 section 4.2; the others as IANA has their ports.
    ("http", Language::Http, false, Some(80)),
    ("https", Language::Http, true, Some(443)),
    ("redis", Language::Redis, false, Some(6379)),
    ("rediss", Language::Redis, true, Some(6379)),
    ("postgres", Language::Postgres, false, Some(5432)),
    ("postgresql", Language::Postgres, false, Some(5432)),
    ("mysql", Language::Mysql, false, Some(3306)),
    ("tcp", Language::Tcp, false, None),
    ("tls", Language::Tcp, true, None),
];

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let known = SCHEMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(scheme));
        let &(_, language, tls, port) = known.ok_or_else(|| {
            let names: Vec<&str> = SCHEMES.iter().map(|(name, ..)| *name).collect();
            format!("`{scheme}` is none of {}", names.join(", "))
        })?;
        // What `http` reads is anything that has an authority.
        let uri: Uri = format!("any://{rest}").parse().map_err(|_| "it is no URL".to_owned())?;
        let authority = uri.authority().ok_or("it names no host")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let port = authority.port_u16().or(port).filter(|&port| port > 0);
        let port = port.ok_or("it names no port, as in example.com:443 or https://example.com")?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let login = login(authority, &path, language)?;
        Ok(Self { language, to: Destination { tls, host: host.into(), port }, login, path })
    }
}

/// Returns who asks, as a URL says it: `user:password@`, and the database as the path.
fn login(authority: &Authority, path: &str, language: Language) -> Result<Login, String> {
    let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
    let (name, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((name, password)) => (Some(name), Some(password)),
        None => (None, None),
    };
    let database = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let has_databases = matches!(language, Language::Postgres | Language::Mysql);
    Ok(Login {
        user: decoded(name)?,
        password: decoded(password)?,
        database: decoded(Some(database).filter(|_| has_databases))?,
    })
}

/// Decodes `%40` and the like (RFC 3986 section 2.1); what is empty is not there.
fn decoded(text: Option<&str>) -> Result<Option<String>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let plain = percent_decode_str(text).decode_utf8().map_err(|error| error.to_string())?;
    if plain.contains('\0') {
        return Err("a zero byte is part of no name and no password".to_owned());
    }
    Ok(Some(plain.into_owned()))
}

impl Target {
    /// Returns the host and, unless it goes without saying, the port: HTTP's `Host`.
    pub(crate) fn authority(&self) -> String {
        let Destination { tls, host, port } = &self.to;
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
        let usual = |&&(_, language, secure, usual): &&(_, Language, bool, Option<u16>)| {
            language == self.language && secure == *tls && usual == Some(*port)
        };
        if SCHEMES.iter().any(|scheme| usual(&scheme)) {
            return host;
        }
        format!("{host}:{port}")
    }

    fn scheme(&self) -> &'static str {
        let spoken = |&&(_, language, tls, _): &&(&str, Language, bool, Option<u16>)| {
            language == self.language && tls == self.to.tls
        };
        SCHEMES.iter().find(spoken).map_or("tcp", |(name, ..)| name)
    }
}

impl fmt::Display for Target {
    /// Leaves user, password and path out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Target {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_host_and_a_port_are_asked_by_tcp_itself() {
        for (text, host) in [("db:5432", "db"), ("[2001:db8::1]:5432", "2001:db8::1")] {
            let target = read(text);
            assert_eq!(
                (target.language, &*target.to.host, target.to.port),
                (Language::Tcp, host, 5432)
            );
        }
    }

    #[test]
    fn a_url_says_the_rest() {
        let target = read("https://Example.com/health?deep=1");
        assert!(target.to.tls && target.to.port == 443);
        assert_eq!(target.path, "/health?deep=1");
        assert_eq!(target.authority(), "Example.com");
        assert_eq!(read("http://[::1]:8080").to_string(), "http://[::1]:8080");
    }

    #[test]
    fn a_login_is_decoded_and_not_shown() {
        let target = read("postgres://me:p%40ss@db/bills");
        let Login { user, password, database } = &target.login;
        assert_eq!(user.as_deref(), Some("me"));
        assert_eq!(password.as_deref(), Some("p@ss"));
        assert_eq!(database.as_deref(), Some("bills"));
        assert!(!format!("{target} {target:?}").contains("p@ss"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<Target>().unwrap_err();
        assert!(refused("example.com").contains("no port"));
        assert!(refused("ftp://example.com").contains("none of http"));
        assert!(refused("http://").contains("no "));
        assert!(refused("mysql://a%00b@db").contains("zero byte"));
    }
}
