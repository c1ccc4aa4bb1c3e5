#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| halfopen_fuzz::logs::alb(bytes));
