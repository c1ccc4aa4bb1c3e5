//! What a server wants to know of whoever asks it, and what of its answer may be shown.

/// No answer to a login or to a no-op is longer, in bytes. What is longer is another protocol.
pub(super) const MESSAGE_MAX: usize = 64 << 10;

/// Who asks. Its debugging output leaves the password out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// A name that the server knows.
    pub user: Option<String>,
    /// What proves it.
    pub password: Option<String>,
    /// Which database, where there are several.
    pub database: Option<String>,
}

impl core::fmt::Debug for Login {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { user, database, password: _ } = self;
        let mut shown = f.debug_struct("Login");
        shown.field("user", user).field("database", database).finish_non_exhaustive()
    }
}

/// Returns text that a server sent as far as it is fit to be shown.
pub(super) fn shown(text: &[u8]) -> String {
    const SHOWN_MAX: usize = 200;
    let text = String::from_utf8_lossy(text);
    text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_to_nobody() {
        let login = Login { password: Some("secret".to_owned()), ..Login::default() };
        assert!(!format!("{login:?}").contains("secret"));
    }

    #[test]
    fn what_a_server_says_cannot_move_a_cursor() {
        assert_eq!(shown(b"no\x1b[2J\xff!"), "no[2J\u{fffd}!");
    }
}
