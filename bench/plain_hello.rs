//! What rouille alone can do: the peer of `bench/run`.

use rouille::{Response, Server};

fn main() {
    let port = std::env::var("PORT").unwrap_or("5001".to_owned());
    let workers = 8 * std::thread::available_parallelism().map_or(1, usize::from);
    let hello = |_: &rouille::Request| Response::text("hello world!");
    match Server::new(format!("127.0.0.1:{port}"), hello) {
        Ok(server) => server.pool_size(workers.max(16)).run(),
        Err(why) => eprintln!("plain_hello: {why}"),
    }
}
