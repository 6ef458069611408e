//! The tutorial's protected resource: a greeting for every signed-in caller.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::SignedIn;

/// Greets the caller.
pub fn greet(_: &App, _: &RequestContext, caller: &SignedIn) -> HandlerResult {
    Ok(response::json(&Greeting::new(&caller.username)))
}

/// The tutorial's greeting.
#[derive(Serialize, ToSchema)]
pub struct Greeting<'a> {
    msg: &'static str,
    user_name: &'a str,
}

impl Greeting<'_> {
    /// The greeting of an account.
    pub fn new(user_name: &str) -> Greeting<'_> {
        Greeting {
            msg: "hello world! from rouille",
            user_name,
        }
    }
}
