//! Checks of what is in the database.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::command::Outcome;
use super::subject::Subject;
use crate::config::proxies::TrustedProxies;
use crate::store::inspection::Inspection;

/// Runs a check on the database, if there is one and it can be opened.
fn on_database(subject: &Subject, check: impl FnOnce(&Inspection) -> Outcome) -> Outcome {
    match &subject.database {
        Ok(Some(database)) => check(database),
        Ok(None) => Ok("there is no database yet".to_owned()),
        Err(_) => Err("the database cannot be opened".to_owned()),
    }
}

/// The database can be opened: it is this program's or the Flask app's, and no log or key of another one lies beside
/// it.
pub fn opens(subject: &Subject) -> Outcome {
    match &subject.database {
        Err(why) => Err(why.clone()),
        Ok(None) => Ok("there is no database yet".to_owned()),
        Ok(Some(database)) => Ok(database.version()),
    }
}

/// No page is damaged.
pub fn damage(subject: &Subject) -> Outcome {
    on_database(subject, |database| match database.find_damage() {
        Ok(None) => Ok("none".to_owned()),
        Ok(Some(damage)) => Err(damage),
        Err(why) => Err(why.to_string()),
    })
}

/// The hash chain of the audit log is intact.
pub fn audit_log(subject: &Subject) -> Outcome {
    on_database(subject, |database| match database.audit_fault() {
        Ok(None) => Ok("the chain is intact; `audit verify` checks its seals".to_owned()),
        Ok(Some(fault)) => Err(fault),
        Err(why) => Err(why.to_string()),
    })
}

/// Two admins can sign in: if one is gone, the other approves accounts and resets passwords.
pub fn admins(subject: &Subject) -> Outcome {
    on_database(subject, |database| {
        match database.count_approved_admins() {
        Ok(0) => Err("no admin is approved, so no account can be approved".to_owned()),
        Ok(1) => Err(
            "only one admin is approved; if this person is gone, only the command line can approve accounts".to_owned(),
        ),
        Ok(count) => Ok(format!("{count} approved admins")),
        Err(why) => Err(why.to_string()),
    }
    })
}

/// If all sign-ins come from one address, it is that of a proxy that is not listed.
pub fn trusted_proxies(subject: &Subject) -> Outcome {
    /// Fewer accounts may be one person on this machine.
    const ACCOUNTS: usize = 3;
    if subject.config.trusted_proxies != TrustedProxies::default() {
        return Ok("set".to_owned());
    }
    on_database(subject, |database| {
        let seen = database.recent_clients().map_err(|why| why.to_string())?;
        let accounts: BTreeSet<_> = seen.iter().map(|client| client.account).collect();
        let addresses: BTreeSet<_> = seen.iter().map(|client| client.address.clone()).collect();
        let proxy = addresses
            .first()
            .filter(|address| addresses.len() == 1 && is_private(address));
        match proxy.filter(|_| accounts.len() >= ACCOUNTS) {
            None => Ok("not set; the audit log does not look as if there were a proxy".to_owned()),
            Some(address) => Err(format!(
                "not set, but all of the last {} sign-ins came from {address}: if this is a proxy, list it in \
                 TRUSTED_PROXIES, otherwise all clients share one rate limit",
                seen.len()
            )),
        }
    })
}

/// Whether a proxy in front of the server may have this address.
fn is_private(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => false,
    }
}
