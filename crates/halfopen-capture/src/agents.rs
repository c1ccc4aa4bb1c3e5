//! What the clients of a path call themselves, where their requests can be read.

use core::str;

/// So many different names are kept.
const AGENTS_MAX: usize = 4;
/// So many requests are looked at: who is on a path shows soon.
const LOOKED_AT_MAX: u8 = 64;
/// The longest name that is kept, in bytes.
const NAME_MAX: usize = 120;
/// The field (RFC 9110 section 10.1.5), between two line ends.
const FIELD: &[u8] = b"\r\nuser-agent:";

/// The names that clients have given themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agents {
    names: Vec<Box<str>>,
    looked_at: u8,
}

impl Agents {
    /// Takes note of the name in a request that begins with these bytes, if they hold one.
    pub(crate) fn note(&mut self, request: &[u8]) {
        // A method begins with a capital letter; TLS and most else do not.
        if self.looked_at == LOOKED_AT_MAX || !request.first().is_some_and(u8::is_ascii_uppercase) {
            return;
        }
        self.looked_at += 1;
        let Some(name) = user_agent(request) else { return };
        if self.names.len() < AGENTS_MAX && self.names.iter().all(|known| **known != *name) {
            self.names.push(name.into());
        }
    }

    /// Returns the names, in the order in which they were seen.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }
}

fn user_agent(request: &[u8]) -> Option<&str> {
    let at = request.windows(FIELD.len()).position(|part| part.eq_ignore_ascii_case(FIELD))?;
    let value = &request[at + FIELD.len()..];
    let value = &value[..value.iter().position(|&byte| byte == b'\r')?];
    let value = &value[..value.len().min(NAME_MAX)];
    let name = str::from_utf8(value).ok()?.trim();
    let printable = !name.is_empty() && name.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    printable.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(requests: &[&str]) -> Vec<String> {
        let mut agents = Agents::default();
        for request in requests {
            agents.note(request.as_bytes());
        }
        agents.names().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_client_is_named_once() {
        let curl = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8.5.0\r\n\r\n";
        let go = "POST /pay HTTP/1.1\r\nuser-agent:Go-http-client/1.1\r\n\r\n";
        assert_eq!(names(&[curl, go, curl]), ["curl/8.5.0", "Go-http-client/1.1"]);
    }

    #[test]
    fn what_is_cut_or_unprintable_names_nobody() {
        assert_eq!(names(&["GET / HTTP/1.1\r\nUser-Agent: curl/8"]), [""; 0]);
        assert_eq!(names(&["GET / HTTP/1.1\r\nUser-Agent: \u{7}\r\n\r\n"]), [""; 0]);
        assert_eq!(names(&["\u{16}\u{3}\u{1}\r\nUser-Agent: curl/8\r\n", ""]), [""; 0]);
    }
}
