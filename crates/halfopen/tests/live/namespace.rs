//! Running a test in a network namespace of its own.

use std::env;
use std::process::Command;

/// Set for the test that runs inside.
const INSIDE: &str = "HALFOPEN_TEST_INSIDE";

/// Runs `body` in a network namespace with loopback: `test` starts itself again there.
pub(crate) fn inside(test: &str, body: fn()) {
    if env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        body();
        return;
    }
    let namespaces: &[&str] =
        if is_root() { &["--net"] } else { &["--user", "--map-root-user", "--net"] };
    let output = Command::new("unshare")
        .args(namespaces)
        .arg(env::current_exe().expect("the test's own program"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare is there: install util-linux");
    assert!(
        output.status.success(),
        "failed in its namespace. If unshare was refused, run it as root, or allow user namespaces \
         (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns).\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Sets up interfaces.
pub(crate) fn ip(command: &str) {
    let status = Command::new("ip").args(command.split(' ')).status();
    assert!(status.expect("ip is there: install iproute2").success(), "ip {command}");
}

/// Tells whether root may become another user: not if root is all that a namespace knows.
pub(crate) fn may_change_user() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let ids: u64 = map.split_whitespace().nth(2).unwrap().parse().unwrap();
    ids > 65_534
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id is there: install coreutils");
    output.stdout == b"0\n"
}
