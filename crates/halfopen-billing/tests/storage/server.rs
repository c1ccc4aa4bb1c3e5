//! A private PostgreSQL server: in a folder of its own, on a socket in it, and gone afterwards.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

/// Who runs the server where the tests run as root, which PostgreSQL refuses: nobody, on Debian.
const NOBODY: u32 = 65534;

/// What the server is started by: it ends when its standard input does, and so when the test's
/// process ends, however that happens.
const KEEPER: &str = r#"
    "$0" "$@" &
    server=$!
    read -r _
    kill -INT "$server"
    wait "$server"
"#;

pub(crate) struct Server {
    keeper: Child,
    folder: tempfile::TempDir,
    databases: AtomicU32,
}

impl Server {
    /// Returns the server that tests of this process share while one of them runs.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap();
        let is_root = folder.path().metadata().unwrap().uid() == 0;
        if is_root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(folder.path()).env_clear().stdout(Stdio::null());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let initialised = command(&programs.join("initdb"))
            .args(["--pgdata=data", "--username=postgres", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C"])
            .output()
            .unwrap();
        assert!(initialised.status.success(), "{}", String::from_utf8_lossy(&initialised.stderr));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let keeper = command(Path::new("/bin/sh"))
            .args(["-c", KEEPER])
            .arg(programs.join("postgres"))
            .args(["-D", "data", "-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { keeper, folder, databases: AtomicU32::new(0) };
        server.wait();
        server
    }

    fn wait(&self) {
        let socket = self.folder.path().join(".s.PGSQL.5432");
        let begun = Instant::now();
        while !socket.exists() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let in_time = begun.elapsed() < Duration::from_mins(1);
            assert!(in_time, "PostgreSQL's server does not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Creates an empty database and returns its connection string.
    pub(crate) async fn create_database(&self) -> String {
        let name = format!("billing{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        self.address(&name)
    }

    /// Runs a statement in a database, as an operator does.
    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        let address = self.address(database);
        let begun = Instant::now();
        // The socket is there a moment before the server takes requests.
        let (client, connection) = loop {
            match tokio_postgres::connect(&address, NoTls).await {
                Ok(connected) => break connected,
                Err(error) if begun.elapsed() > Duration::from_mins(1) => panic!("{error:?}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }

    pub(crate) fn address(&self, database: &str) -> String {
        format!("host={} user=postgres dbname={database}", self.folder.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

/// Returns the folder with the programs of the newest PostgreSQL server that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let mut whole: Vec<PathBuf> = folders
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    whole.sort();
    whole.pop().expect(
        "there is no PostgreSQL server in /usr/lib/postgresql; install Debian's package: \
         apt-get install postgresql",
    )
}
