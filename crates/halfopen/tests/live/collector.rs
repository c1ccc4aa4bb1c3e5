//! Somebody to push to.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// A message comes as soon as there is something to say, or at the end.
const PATIENCE: Duration = Duration::from_mins(1);

/// A collector that takes all that comes.
pub(crate) struct Collector {
    pub(crate) address: String,
    heard: Arc<Heard>,
}

/// The last message to each path.
#[derive(Default)]
struct Heard {
    messages: Mutex<BTreeMap<String, String>>,
    more: Condvar,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<Heard>::default();
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || converse(stream.unwrap(), &shared));
            }
        });
        Self { address, heard }
    }

    /// Waits for a message to this path and returns it.
    pub(crate) fn message(&self, path: &str) -> String {
        let messages = self.heard.messages.lock().unwrap();
        let lacks = |messages: &mut BTreeMap<String, String>| !messages.contains_key(path);
        let waited = self.heard.more.wait_timeout_while(messages, PATIENCE, lacks);
        let (messages, _) = waited.unwrap();
        messages.get(path).unwrap_or_else(|| panic!("nothing came to {path}")).clone()
    }
}

/// Takes one message after the other until the sender closes.
fn converse(mut stream: TcpStream, heard: &Heard) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let mut length = 0;
        loop {
            let mut field = String::new();
            reader.read_line(&mut field).ok()?;
            let field = field.trim().to_ascii_lowercase();
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if field.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let path = request.split(' ').nth(1)?.to_owned();
        let body = String::from_utf8(body).unwrap();
        heard.messages.lock().unwrap().insert(path, body);
        heard.more.notify_all();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok()?;
    }
}
