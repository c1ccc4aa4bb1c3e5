//! Which client it is, by what it says of itself.

use halfopen_core::client::Client;

/// A client that is known, and how.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// What is known of its kind.
    pub client: Client,
    /// Its version, if it says one: `4.5.14`.
    pub version: Option<String>,
    /// What it was recognised by, in words: "its User-Agent, `curl/8.5.0`".
    pub by: String,
}

impl Recognised {
    /// Recognises a client by its `User-Agent` field; of several that fit, the one whose file says
    /// most of it.
    #[must_use]
    pub fn by_user_agent(agent: &str) -> Option<Self> {
        let clients = Client::names().filter_map(Client::shipped);
        let fits = |client: &Client| {
            let name = client.user_agent.as_deref()?;
            let rest = agent.strip_prefix(name)?;
            let whole = name.ends_with('/') || !rest.starts_with(|c: char| c.is_alphanumeric());
            whole.then_some(name.len())
        };
        let best = clients.filter_map(|client| Some((fits(&client)?, client)));
        let (_, client) = best.max_by_key(|(len, client)| (*len, client.name.clone()))?;
        let agent = shortened(agent);
        let version = client.version_after.as_deref().and_then(|name| version(&agent, name));
        Some(Self { client, version, by: format!("its User-Agent, `{agent}`") })
    }

    /// Takes the client that the user names.
    #[must_use]
    pub fn named(client: Client) -> Self {
        Self { client, version: None, by: "the command line".to_owned() }
    }
}

/// Returns a field that somebody else wrote as far as it is fit to be shown.
fn shortened(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(80).collect()
}

fn version(agent: &str, name: &str) -> Option<String> {
    let (_, rest) = agent.split_once(name)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-_+".contains(c)));
    let version = &rest[..end.unwrap_or(rest.len())];
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}
