//! Limits of gateways, ours and the kernel's, all at once: it takes as long as the longest.

use std::thread;

use crate::lab::{SERVER, Way, join, join_by_kernel, networks, run, serve};
use crate::namespace::inside;
use crate::{answer, check, halfopen};

/// Which gateway stands between.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Ours,
    Kernels,
}

fn measure(whose: Whose, way: Way, limit: u64) {
    let networks = networks();
    serve(&networks, 80);
    let joined = match whose {
        Whose::Ours => join(networks, way.gateway(limit)),
        Whose::Kernels => join_by_kernel(networks, &way.gateway(limit)),
    };
    let url = format!("http://{SERVER}/");
    let output = run(&joined, halfopen(&["--up-to", "3min", "--json", &url]));
    let what = format!("{whose:?} {way:?} {limit}");
    assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
    check(&what, &answer(&output), lossless(limit), way.mechanism(), "hop");
    joined.stop().unwrap();
}

fn lossless(seconds: u64) -> f64 {
    u32::try_from(seconds).unwrap().into()
}

/// Measures all of these at once.
fn measure_all(paths: Vec<(Whose, Way, u64)>) {
    thread::scope(|scope| {
        for (whose, way, limit) in paths {
            scope.spawn(move || measure(whose, way, limit));
        }
    });
}

#[test]
fn our_gateways_limits_are_found_to_the_second_whatever_it_does_then() {
    inside("paths::our_gateways_limits_are_found_to_the_second_whatever_it_does_then", || {
        let at = |limit| Way::ALL.map(|way| (Whose::Ours, way, limit));
        measure_all([at(20), at(60)].concat());
    });
}

#[test]
fn the_kernels_gateways_limits_are_found_to_the_second() {
    inside("paths::the_kernels_gateways_limits_are_found_to_the_second", || {
        let ways = [Way::ResetsNext, Way::SwallowsNext];
        let at = |limit| ways.map(|way| (Whose::Kernels, way, limit));
        measure_all([at(20), at(60)].concat());
    });
}
