//! Each fuzz target's committed corpus, replayed without a fuzzer.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "the fuzz targets reach it")]
#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

/// Runs a target on each file of its corpus and returns how many there were.
#[expect(clippy::print_stdout, reason = "the last file is shown if the target panics")]
fn replay(target: &str, run: fn(&[u8])) -> usize {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files =
        fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("the folder is readable").path();
        println!("{}", path.display());
        run(&fs::read(&path).expect("the file is readable"));
        count += 1;
    }
    count
}

#[test]
fn packets_of_the_corpus_are_read_and_rewritten() {
    assert!(replay("packet", fuzz::packet::run) >= 12);
}

#[test]
fn captures_of_the_corpus_are_read() {
    assert!(replay("pcap", fuzz::pcap::run) >= 12);
}

#[test]
fn captures_and_scripts_of_the_corpus_are_diagnosed() {
    assert!(replay("tracker", fuzz::tracker::run) >= 12);
}

#[test]
fn histories_of_the_corpus_pass_through_a_gateway() {
    assert!(replay("gateway", fuzz::gateway::run) >= 12);
}

#[test]
fn texts_and_histories_of_the_corpus_teach_a_ledger() {
    assert!(replay("ledger", fuzz::ledger::run) >= 12);
}

#[test]
fn talk_of_the_corpus_passes_through_a_balancer() {
    assert!(replay("balancer", fuzz::balancer::run) >= 12);
}

#[test]
fn tables_of_sockets_of_the_corpus_are_read() {
    assert!(replay("sockets", fuzz::logs::sockets) >= 12);
}

#[test]
fn flow_logs_of_the_corpus_are_read() {
    assert!(replay("flows", fuzz::logs::flows) >= 12);
}

#[test]
fn metrics_of_the_corpus_are_read() {
    assert!(replay("metrics", fuzz::logs::metrics) >= 12);
}

#[test]
fn logs_of_the_corpus_are_recognised_and_read() {
    assert!(replay("logs", fuzz::logs::any) >= 12);
}

#[test]
fn balancers_logs_of_the_corpus_are_read() {
    assert!(replay("alb", fuzz::logs::alb) >= 12);
}

#[test]
fn programs_logs_of_the_corpus_are_read() {
    assert!(replay("program", fuzz::logs::program) >= 12);
}

#[test]
fn pattern_files_of_the_corpus_are_read_and_read_logs() {
    assert!(replay("patterns", fuzz::logs::patterns) >= 12);
}
