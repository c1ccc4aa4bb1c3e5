//! Running a test with the right to make namespaces.

#![allow(clippy::disallowed_types, reason = "a test starts itself")]

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::thread;

/// Runs the body of the test on whose thread this is called: here as root, or in a user namespace.
pub(crate) fn as_owner(body: fn()) {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
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
