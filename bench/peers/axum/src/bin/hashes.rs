//! `hashes THREADS SECONDS`: how many password hashes a second this machine makes with nothing around
//! them, which is what `bench/run` measures sign-ins against.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers = words.iter().map(|word| word.parse::<u64>().ok());
    let numbers: Option<Vec<u64>> = numbers.collect();
    let Some([threads, seconds]) = numbers.as_deref() else {
        eprintln!("usage: hashes THREADS SECONDS");
        std::process::exit(2);
    };
    let time = Duration::from_secs(*seconds);
    let rate = thread::scope(|scope| {
        let hashing: Vec<_> = (0..*threads).map(|_| scope.spawn(|| rate(time))).collect();
        let rates = hashing.into_iter().map(|thread| thread.join());
        rates.map(|rate| rate.expect("a rate")).sum::<f64>()
    });
    println!("{rate}");
}

/// Hashes a second of one thread.
fn rate(time: Duration) -> f64 {
    let begin = Instant::now();
    let mut count = 0.0;
    while begin.elapsed() < time {
        black_box(pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(
            black_box(b"correct horse battery"),
            b"0123456789abcdef0123456789abcdef",
            600_000,
        ));
        count += 1.0;
    }
    count / begin.elapsed().as_secs_f64()
}
