//! Fuzz target for the parser of HTTP requests. The input is the bytes that a client sends. The result must be
//! the same whether they arrive at once, byte by byte, or in pieces whose sizes the input's last bytes give.

#![no_main]

#[path = "../../tests/it/support/parser_invariants.rs"]
mod parser_invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let sizes: Vec<u8> = input.iter().rev().take(8).map(|byte| byte % 16).collect();
    parser_invariants::check(input, &sizes);
    parser_invariants::check(input, &[0]);
});
