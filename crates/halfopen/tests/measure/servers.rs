//! Servers of Debian with their own idle timers, and TLS.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::lab::{SERVER, Way, join, networks, run};
use crate::namespace::inside;
use crate::{answer, check, halfopen};

/// A server that is stopped when this is dropped.
struct Server {
    child: Child,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and nobody minds.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Prepares nginx with this in its `server` block.
fn nginx(server: &str) -> (Command, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/measure");
    for name in ["certificate.pem", "key.pem"] {
        fs::copy(tree.join(name), folder.path().join(name)).unwrap();
    }
    let configuration = format!(
        "daemon off; master_process off; pid nginx.pid;
         events {{ worker_connections 1000; }}
         http {{
             access_log off;
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             server {{ {server} return 200; }}
         }}"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let mut nginx = Command::new(program("nginx", "nginx-light"));
    nginx.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
    (nginx, folder)
}

fn haproxy(configuration: &str) -> (Command, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, configuration).unwrap();
    let mut haproxy = Command::new(program("haproxy", "haproxy"));
    haproxy.arg("-f").arg(&file);
    (haproxy, folder)
}

fn program(name: &str, package: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    let place = places.find(|folder| folder.join(name).is_file());
    let missing = || panic!("{name} is needed: apt-get install {package}");
    place.unwrap_or_else(missing).join(name)
}

fn start((mut command, folder): (Command, TempDir)) -> Server {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    Server { child, _folder: folder }
}

/// Starts a server on loopback, and waits until it listens.
fn start_here(server: (Command, TempDir), port: u16) -> Server {
    let server = start(server);
    for _ in 0..300 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return server;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing listens on port {port}");
}

/// Measures a server on loopback whose own timer is 20 s.
fn measure_timer(what: &str, server: (Command, TempDir), url: &str, port: u16) {
    let _server = start_here(server, port);
    let output = halfopen(&["--up-to", "60s", "--insecure", "--json", url]).output().unwrap();
    let answer = answer(&output);
    check(what, &answer, 20.0, "fin-at-expiry", "peer");
    let unknown = answer["unknown"].to_string();
    assert!(unknown.contains("beyond the far end's own timer"), "{what}: {answer:#}");
}

#[test]
fn servers_own_timers_are_told_from_a_paths_also_under_tls() {
    inside("servers::servers_own_timers_are_told_from_a_paths_also_under_tls", || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let server = nginx("listen 127.0.0.1:8080; keepalive_timeout 20s;");
                measure_timer("nginx", server, "http://127.0.0.1:8080/", 8080);
            });
            scope.spawn(|| {
                let server = haproxy(
                    "defaults\n mode http\n timeout client 50s\n timeout connect 5s\n \
                     timeout server 50s\n timeout http-keep-alive 20s\n\
                     frontend all\n bind 127.0.0.1:8081\n http-request return status 200\n",
                );
                measure_timer("HAProxy", server, "http://127.0.0.1:8081/", 8081);
            });
            scope.spawn(|| {
                let server = nginx(
                    "listen 127.0.0.1:8443 ssl; keepalive_timeout 20s;
                     ssl_certificate certificate.pem; ssl_certificate_key key.pem;",
                );
                measure_timer("nginx, TLS", server, "https://localhost:8443/", 8443);
            });
            scope.spawn(measure_path_under_tls);
        });
    });
}

/// A gateway forgets what runs under TLS, and TCP alone sees the same.
fn measure_path_under_tls() {
    let networks = networks();
    let server = nginx(&format!(
        "listen {SERVER}:443 ssl; keepalive_timeout 600s;
         ssl_certificate certificate.pem; ssl_certificate_key key.pem;"
    ));
    let _server = networks.server().namespace().run(|| start(server)).unwrap();
    let joined = join(networks, Way::ResetsNext.gateway(20));
    // nginx begins within that, or the command fails and says so.
    thread::sleep(Duration::from_secs(2));
    let urls = [format!("https://{SERVER}/"), format!("tcp://{SERVER}:443")];
    thread::scope(|scope| {
        for url in &urls {
            let joined = &joined;
            scope.spawn(move || {
                let options = ["--up-to", "60s", "--insecure", "--json", url];
                let output = run(joined, halfopen(&options));
                check(url, &answer(&output), 20.0, "reset-on-reuse", "hop");
            });
        }
    });
    joined.stop().unwrap();
}
