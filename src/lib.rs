//! LANDING

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod app;
pub mod auth;
pub mod cli;
mod concurrency;
pub mod config;
mod crypto;
pub mod error;
mod handlers;
pub mod http;
pub mod metrics;
pub mod middleware;
pub mod model;
pub mod openapi;
pub mod router;
pub mod server;
pub mod store;
