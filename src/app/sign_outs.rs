//! A revocation list in memory with write-behind: sign-outs work while the database cannot be written. A sign-out takes
//! effect in memory first, and stays there until it is in the database.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::Value;

use crate::error::Error;
use crate::http::request::RequestContext;
use crate::model::{Action, Actor, ApiToken, Id, SessionId, SignInToken, Timestamp, User};
use crate::store::{Connection, Store, api_tokens, audit, one_time_links, sessions};

/// The most sign-outs that wait in memory. Each needs a valid session, so only many accounts together can reach it.
const MAX_WAITING: usize = 10_000;

/// The sign-outs that are not known to be in the database.
#[derive(Debug, Default)]
pub struct SignOuts {
    waiting: Mutex<Waiting>,
    /// Spares each request the mutex.
    has_any: AtomicBool,
    /// Held by the one thread that writes what waits. A second one would take what it has written out of `waiting` once
    /// more, and with it what came later.
    flushing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    sign_outs: Vec<SignOut>,
    sessions: HashSet<SessionId>,
    api_tokens: HashSet<Id>,
    flask_tokens: HashSet<String>,
    /// By account: tokens of the Flask app are invalid that were issued at or before this time, in seconds since
    /// 1970.
    flask_cutoffs: HashMap<Id, i64>,
}

/// What a sign-out ends.
#[derive(Debug, Clone)]
pub enum Ended {
    /// The session or the token with which the request is signed in.
    This(SignInToken),
    /// One of the account's sessions.
    Session(SessionId),
    /// All sessions of the account, which are these, and all tokens of the Flask app.
    Sessions(Vec<SessionId>),
    /// The same, and all tokens for scripts, which are these.
    Everything(Vec<SessionId>, Vec<Id>),
    /// One of the account's tokens for scripts.
    ApiToken(ApiToken),
}

impl Ended {
    /// All sessions and tokens of an account, as the database has them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn everything(db: &Connection, account: &User, now: Timestamp) -> Result<Ended, Error> {
        let sessions = sessions::list(db, account.id, now)?;
        let api_tokens = api_tokens::list(db, account.id, now)?;
        Ok(Ended::Everything(
            sessions.into_iter().map(|session| session.id).collect(),
            api_tokens.into_iter().map(|token| token.id).collect(),
        ))
    }

    /// What the audit log calls it.
    fn action(&self) -> Action {
        match self {
            Ended::This(_) => Action::SignOut,
            Ended::Session(_) => Action::SessionEnded,
            Ended::Sessions(_) | Ended::Everything(..) => Action::SessionsEnded,
            Ended::ApiToken(_) => Action::TokenRevoked,
        }
    }

    /// The detail of its entry in the audit log.
    fn audit_detail(&self) -> Option<Value> {
        match self {
            Ended::ApiToken(token) => Some(audit::token_detail(token)),
            _ => None,
        }
    }
}

/// A sign-out, and what the audit log says about it.
#[derive(Debug, Clone)]
pub struct SignOut {
    /// What ends.
    pub ended: Ended,
    /// The account that is signed out.
    pub account: User,
    /// The account that signs it out: itself, or an admin.
    pub actor: User,
    /// The address of the client.
    pub address: IpAddr,
    /// The time.
    pub at: Timestamp,
    /// The id of the request.
    pub request_id: String,
}

impl SignOuts {
    /// Carries out a sign-out. It is effective when this returns, in memory at least.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`] if too many wait for the database already; [`Error::Internal`].
    pub fn run(&self, store: &Store, sign_out: SignOut) -> Result<(), Error> {
        let is_waiting = self.waiting.lock().add(&sign_out);
        self.has_any.store(true, Ordering::SeqCst);
        match store.write(|db| sign_out.write(db)) {
            Err(Error::StorageUnavailable(_) | Error::Busy(_)) if is_waiting => Ok(()),
            result => result,
        }
    }

    /// Checks that a session has not been ended.
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub fn check_session(&self, session: SessionId) -> Result<(), Error> {
        self.check(|waiting| waiting.sessions.contains(&session))
    }

    /// Checks that a token for scripts has not been revoked.
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub fn check_api_token(&self, id: Id) -> Result<(), Error> {
        self.check(|waiting| waiting.api_tokens.contains(&id))
    }

    /// Checks that a token of the Flask app has not been ended, by its digest, its account and the time at which it
    /// was issued.
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub fn check_flask_token(&self, digest: &str, user: Id, issued_at: f64) -> Result<(), Error> {
        self.check(|waiting| {
            let cutoff = waiting.flask_cutoffs.get(&user);
            waiting.flask_tokens.contains(digest)
                || cutoff.is_some_and(|cutoff| issued_at <= *cutoff as f64)
        })
    }

    fn check(&self, is_ended: impl FnOnce(&Waiting) -> bool) -> Result<(), Error> {
        if self.has_any.load(Ordering::SeqCst) && is_ended(&self.waiting.lock()) {
            return Err(Error::revoked());
        }
        Ok(())
    }

    /// Writes what waits to the database. Most of it is there already.
    ///
    /// # Errors
    /// The database cannot be written; everything waits on then.
    pub fn flush(&self, store: &Store) -> Result<(), Error> {
        let _only = self.flushing.lock();
        let sign_outs = self.waiting.lock().sign_outs.clone();
        if sign_outs.is_empty() {
            return Ok(());
        }
        store.write(|db| sign_outs.iter().try_for_each(|sign_out| sign_out.write(db)))?;
        let mut waiting = self.waiting.lock();
        let rest = waiting.sign_outs.split_off(sign_outs.len());
        *waiting = Waiting::default();
        for sign_out in &rest {
            waiting.add(sign_out);
        }
        self.has_any.store(!rest.is_empty(), Ordering::SeqCst);
        Ok(())
    }
}

impl Waiting {
    /// Returns whether there is room.
    fn add(&mut self, sign_out: &SignOut) -> bool {
        if self.sign_outs.len() >= MAX_WAITING {
            return false;
        }
        match &sign_out.ended {
            Ended::This(SignInToken::Flask { digest, .. }) => {
                self.flask_tokens.insert(digest.clone());
            }
            Ended::This(SignInToken::Session(id)) | Ended::Session(id) => {
                self.sessions.insert(*id);
            }
            Ended::ApiToken(token) => {
                self.api_tokens.insert(token.id);
            }
            Ended::Sessions(sessions) => self.add_sessions(sign_out, sessions),
            Ended::Everything(sessions, api_tokens) => {
                self.add_sessions(sign_out, sessions);
                self.api_tokens.extend(api_tokens);
            }
        }
        self.sign_outs.push(sign_out.clone());
        true
    }

    fn add_sessions(&mut self, sign_out: &SignOut, sessions: &[SessionId]) {
        self.sessions.extend(sessions);
        let cutoff = sign_out.at.unix_seconds();
        let latest = self
            .flask_cutoffs
            .entry(sign_out.account.id)
            .or_insert(cutoff);
        *latest = cutoff.max(*latest);
    }
}

impl SignOut {
    /// The sign-out of an account by itself or by an admin.
    pub fn new(
        ended: Ended,
        account: &User,
        actor: &User,
        context: &RequestContext,
        at: Timestamp,
    ) -> SignOut {
        SignOut {
            ended,
            account: account.clone(),
            actor: actor.clone(),
            address: context.client.address,
            at,
            request_id: context.request_id.clone(),
        }
    }

    /// Ends the sessions and tokens in the database, with a row in the audit log if they were not ended before.
    fn write(&self, db: &Connection) -> Result<(), Error> {
        if !self.end(db)? {
            return Ok(());
        }
        let actor = Actor {
            account: Some(&self.actor),
            address: Some(self.address),
            request_id: Some(&self.request_id),
            ..Actor::server(self.at)
        };
        let (action, detail) = (self.ended.action(), self.ended.audit_detail());
        audit::record(db, &actor, action, Some(&self.account), detail)
    }

    /// Ends the sessions and tokens in the database. Returns whether that is new.
    fn end(&self, db: &Connection) -> Result<bool, Error> {
        match &self.ended {
            Ended::This(SignInToken::Session(id)) | Ended::Session(id) => sessions::end(db, *id),
            Ended::This(SignInToken::Flask { digest, expires_at }) => {
                sessions::end_token(db, digest, *expires_at)
            }
            Ended::Sessions(sessions) => self.end_sessions(db, sessions),
            Ended::Everything(sessions, api_tokens) => {
                let mut is_new = self.end_api_tokens(db, api_tokens)?;
                is_new |= one_time_links::end_all(db, self.account.id)?;
                Ok(self.end_sessions(db, sessions)? || is_new)
            }
            Ended::ApiToken(token) => api_tokens::end(db, token.id),
        }
    }

    /// Ends these sessions, and all that began until the time of the sign-out, and withdraws the reset link. The account
    /// may have signed in again since then.
    fn end_sessions(&self, db: &Connection, ids: &[SessionId]) -> Result<bool, Error> {
        let mut is_new = sessions::end_flask_tokens(db, self.account.id, self.at)?;
        is_new |= sessions::end_until(db, self.account.id, self.at)?;
        is_new |= one_time_links::end_reset_link(db, self.account.id)?;
        for id in ids {
            is_new |= sessions::end(db, *id)?;
        }
        Ok(is_new)
    }

    /// Ends these tokens for scripts, and all that were created until the time of the sign-out.
    fn end_api_tokens(&self, db: &Connection, ids: &[Id]) -> Result<bool, Error> {
        let mut is_new = api_tokens::end_until(db, self.account.id, self.at)?;
        for id in ids {
            is_new |= api_tokens::end(db, *id)?;
        }
        Ok(is_new)
    }
}
