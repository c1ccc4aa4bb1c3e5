//! What a program finds under names of hosts and processes, in a mount namespace of its own
//! (`mount_namespaces(7)`). Nothing of it is on a disk, and all of it goes with the namespace.

use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gethostname;

use crate::namespace::Error;

const HOSTS: &str = "/etc/hosts";
/// Which sources of names glibc and Go ask, and in which order: `nsswitch.conf(5)`.
const SOURCES: &str = "/etc/nsswitch.conf";
/// Which name servers are asked: `resolv.conf(5)`.
const SERVERS: &str = "/etc/resolv.conf";
/// Where glibc finds a daemon that knows names from outside: `nscd(8)`.
const CACHES: [&str; 2] = ["/run/nscd", "/var/run/nscd"];

/// Where files are made. When the program starts, the folder is what it was.
const STAGE: &str = "/tmp";

/// For a mount without a source, a type or options.
const NONE: Option<&str> = None;

/// Moves this process to a mount namespace where names are looked up in `hosts`, lines as of
/// `hosts(5)`, then in the system's own file, and nowhere else.
pub(super) fn replace(hosts: &str) -> Result<(), Error> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("make a mount namespace"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(failed("keep mounts from others"))?;

    mount_memory(STAGE)?;
    let system = fs::read_to_string(HOSTS).unwrap_or_default();
    let own_name = gethostname().ok().and_then(|name| name.into_string().ok());
    put(HOSTS, &with_own_name(format!("{hosts}{system}"), own_name.as_deref()))?;
    if let Ok(sources) = fs::read_to_string(SOURCES) {
        put(SOURCES, &from_files(&sources))?;
    }
    if Path::new(SERVERS).exists() {
        // No one listens there, and the kernel says so at once.
        put(SERVERS, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
    }
    umount2(STAGE, MntFlags::MNT_DETACH).map_err(failed("give /tmp back"))?;
    CACHES.into_iter().filter(|cache| Path::new(cache).is_dir()).try_for_each(mount_memory)
}

/// Makes `/proc` show the processes of this process namespace, and no others.
pub(super) fn renew_processes() -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, NONE).map_err(failed("mount a /proc"))
}

fn mount_memory(folder: &str) -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), folder, Some("tmpfs"), flags, Some("mode=755,size=16m"))
        .map_err(failed(&format!("mount memory on {folder}")))
}

/// Puts a file that is in memory in the place of another.
fn put(path: &'static str, content: &str) -> Result<(), Error> {
    let staged = format!("{STAGE}/{}", path.replace('/', "-"));
    fs::write(&staged, content).map_err(failed(&format!("write another {path}")))?;
    mount(Some(staged.as_str()), path, NONE, MsFlags::MS_BIND, NONE)
        .map_err(failed(&format!("put another file in the place of {path}")))
}

/// Adds the name of this host unless it is there: many programs ask for their own address, and the
/// system may have other ways to tell them.
fn with_own_name(hosts: String, name: Option<&str>) -> String {
    let knows = |name: &str| {
        let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
        lines.flat_map(|line| line.split_whitespace().skip(1)).any(|host| host == name)
    };
    match name {
        Some(name) if !name.is_empty() && !knows(name) => format!("{hosts}\n127.0.0.1\t{name}\n"),
        Some(_) | None => hosts,
    }
}

/// Changes `nsswitch.conf(5)` so that files are the only source of hosts.
fn from_files(sources: &str) -> String {
    let others = sources.lines().filter(|line| !line.trim_start().starts_with("hosts:"));
    others.chain(["hosts: files"]).flat_map(|line| [line, "\n"]).collect()
}

fn failed<E: Into<io::Error>>(step: &str) -> impl FnOnce(E) -> Error + use<E> {
    let step = step.to_owned();
    |error| Error::new(step, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_from_files_and_everything_else_from_where_it_came() {
        let sources = "passwd: files systemd\nhosts:  files mdns4 [NOTFOUND=return] dns\n# end";
        assert_eq!(from_files(sources), "passwd: files systemd\n# end\nhosts: files\n");
    }

    #[test]
    fn a_host_knows_its_own_name_once() {
        let add = |hosts: &str| with_own_name(hosts.to_owned(), Some("here"));
        assert_eq!(add("127.0.0.1 localhost"), "127.0.0.1 localhost\n127.0.0.1\there\n");
        assert_eq!(add("10.0.0.1 x # here\n"), "10.0.0.1 x # here\n\n127.0.0.1\there\n");
        assert_eq!(add("127.0.1.1\there.lan here\n"), "127.0.1.1\there.lan here\n");
        assert_eq!(with_own_name("::1 x\n".to_owned(), None), "::1 x\n");
    }
}
