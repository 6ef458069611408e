//! The input is what a client sends. It arrives byte by byte, and in pieces whose sizes are the input's
//! own last bytes.

#![no_main]

#[path = "../../tests/it/support/parser_invariants.rs"]
mod parser_invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let sizes: Vec<u8> = input.iter().rev().take(8).map(|byte| byte % 16).collect();
    parser_invariants::check(input, &sizes);
    parser_invariants::check(input, &[0]);
});
