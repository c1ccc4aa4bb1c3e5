//! What is said of a TUN device that cannot be had.

use std::io::ErrorKind;

use halfopen_live::tun::Error;

#[test]
fn whoever_may_not_open_the_device_is_told_what_to_run() {
    let error = Error::Device(ErrorKind::PermissionDenied.into()).to_string();
    assert!(error.contains("sudo chmod 666 /dev/net/tun"), "{error}");
}

#[test]
fn where_there_is_no_device_it_says_how_to_get_one() {
    let error = Error::Device(ErrorKind::NotFound.into()).to_string();
    assert!(error.contains("modprobe tun"), "{error}");
    assert!(!error.contains("chmod"), "{error}");
}
