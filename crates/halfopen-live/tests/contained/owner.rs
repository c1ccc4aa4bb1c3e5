//! Running a test with the right to make namespaces.

use std::env;
use std::process::Command;
use std::thread;

use nix::unistd::geteuid;

/// Runs the body of the test on whose thread this is called: here, or in a user namespace.
pub(crate) fn as_owner(body: fn()) {
    if geteuid().is_root() {
        return body();
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", thread::current().name().unwrap(), "--nocapture"])
        .output()
        .expect("unshare is there: install util-linux");
    assert!(
        output.status.success(),
        "failed in its user namespace. If unshare was refused, run this as root, or allow user \
         namespaces (sysctl user.max_user_namespaces, \
         kernel.apparmor_restrict_unprivileged_userns).\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
