//! Checks of what is in the database.

use std::collections::BTreeSet;

use super::finding::{Outcome, not_checked, right};
use super::subject::Subject;
use crate::config::proxies::{TrustedProxies, may_be_proxy};
use crate::error::Error;
use crate::store::audit::AuditClient;
use crate::store::inspection::Inspection;

/// The database can be opened: it is this program's or the Flask app's, and no log or key of another one lies beside
/// it.
pub fn opens(subject: &Subject) -> Outcome {
    match &subject.database {
        Err(why) => Err(why.clone()),
        Ok(None) => right("missing or empty; the first start fills it"),
        Ok(Some(database)) => right(database.version().map_err(explain)?),
    }
}

/// Runs a check on the database, if there is one and it can be opened.
fn on_database(subject: &Subject, check: impl FnOnce(&Inspection) -> Outcome) -> Outcome {
    match &subject.database {
        Ok(Some(database)) => check(database),
        Ok(None) => not_checked("there is no database yet"),
        Err(_) => not_checked("the database cannot be opened, see database"),
    }
}

/// Runs a check on a database that has the tables of this version.
fn on_current(subject: &Subject, check: impl FnOnce(&Inspection) -> Outcome) -> Outcome {
    on_database(subject, |database| {
        match database.is_current().map_err(explain)? {
            true => check(database),
            false => not_checked("the next start migrates the database; run the check again then"),
        }
    })
}

/// No page is damaged.
pub fn damage(subject: &Subject) -> Outcome {
    on_database(subject, |database| match database.find_damage() {
        Ok(None) => right("none"),
        Ok(Some(damage)) => Err(damage),
        Err(why) => Err(explain(why)),
    })
}

/// The hash chain of the audit log is intact and sealed.
pub fn audit_log(subject: &Subject) -> Outcome {
    on_current(subject, |database| {
        match database.audit_fault(&subject.files) {
            Ok(None) => right("intact"),
            Ok(Some(fault)) => Err(format!(
                "it {fault}; find out who wrote to the database or its key, then restore a backup or run \
             `task-api audit reseal`"
            )),
            Err(why) => Err(explain(why)),
        }
    })
}

/// Two admins can sign in: if one is gone, the other approves accounts and resets passwords.
pub fn admins(subject: &Subject) -> Outcome {
    on_database(subject, |database| {
        let remedy = "`task-api invite --role admin` prints a link with which one signs up";
        match database.count_approved_admins().map_err(explain)? {
            0 => Err(format!(
                "no admin is approved, so no account can be approved; {remedy}"
            )),
            1 => Err(format!(
                "only one admin is approved: without this person, accounts are approved on the command line only; \
                 {remedy}"
            )),
            count => right(format!("{count} are approved")),
        }
    })
}

/// Clients have their own addresses, not that of a proxy.
pub fn trusted_proxies(subject: &Subject) -> Outcome {
    if subject.config.trusted_proxies != TrustedProxies::default() {
        return right("set");
    }
    on_current(subject, |database| {
        look_for_proxy(&database.recent_clients().map_err(explain)?)
    })
}

/// If all sign-ins come from one private address, it is that of a proxy that is not listed.
fn look_for_proxy(seen: &[AuditClient]) -> Outcome {
    /// Fewer accounts may be one person on this machine.
    const ACCOUNTS: usize = 3;
    let accounts: BTreeSet<_> = seen.iter().map(|client| client.account).collect();
    let addresses: BTreeSet<_> = seen.iter().map(|client| &client.address).collect();
    match addresses.first() {
        Some(_) if addresses.len() > 1 => right("not set; clients come from several addresses"),
        Some(address) if !address.parse().is_ok_and(may_be_proxy) => {
            right("not set; clients come from a public address")
        }
        Some(address) if accounts.len() >= ACCOUNTS => Err(format!(
            "not set, and the last {} sign-ins all came from {address}: if it is a proxy, list it in TRUSTED_PROXIES; \
             otherwise all clients share one rate limit",
            seen.len()
        )),
        _ => {
            not_checked("not set; too few accounts have signed in to tell whether there is a proxy")
        }
    }
}

/// The text of a failure to read the database.
fn explain(why: Error) -> String {
    format!("the database cannot be read: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Finding;

    #[test]
    fn only_sign_ins_of_three_accounts_from_one_private_address_point_to_a_proxy() {
        let label = |addresses: &[&str]| {
            let client = |(account, address): (i64, &&str)| AuditClient {
                account: Some(account),
                address: (*address).to_owned(),
            };
            let seen: Vec<_> = (1..).zip(addresses).map(client).collect();
            match look_for_proxy(&seen) {
                Ok(Finding::Right(_)) => "ok",
                Ok(Finding::NotChecked(_)) => "skipped",
                Err(_) => "FAILED",
            }
        };
        for private in ["127.0.0.1", "172.30.0.1", "::1", "fd00::1"] {
            assert_eq!(label(&[private; 3]), "FAILED", "{private}");
            assert_eq!(label(&[private; 2]), "skipped", "{private}");
            assert_eq!(label(&[private, private, "192.0.2.1"]), "ok", "{private}");
        }
        for public in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(label(&[public; 3]), "ok", "{public}");
        }
        assert_eq!(label(&[]), "skipped");
    }
}
