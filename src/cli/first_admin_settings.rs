//! Creates the first admin at startup, from settings. This is for containers, in which no operator runs
//! `task-api user create`.

use log::info;

use super::os_user::os_user;
use crate::app::App;
use crate::config::secrets::{AdminArgs, Secret};
use crate::error::Error;
use crate::model::{Action, Actor, Email, Password, Role, Username};
use crate::store::{audit, users};

/// The account to create if there is no approved admin.
#[derive(Debug)]
pub struct FirstAdmin {
    username: Username,
    email: Email,
    password: Password,
}

impl FirstAdmin {
    /// Reads the account from the settings; `None` if none of the three is set.
    ///
    /// # Errors
    /// One line for the operator: only some of the three are set, or the password does not comply with the
    /// policy. There is no default password.
    pub fn from_settings(
        settings: &AdminArgs,
        password: Option<&Secret>,
    ) -> Result<Option<FirstAdmin>, String> {
        match (&settings.admin_username, &settings.admin_email, password) {
            (None, None, None) => Ok(None),
            (Some(username), Some(email), Some(Secret { text, source })) => {
                // A variable that comes from a file often ends with that file's line end.
                let text = text.trim_end_matches(['\r', '\n']);
                let password = Password::for_account(text, [username.as_str(), email.as_str()]);
                Ok(Some(FirstAdmin {
                    username: username.clone(),
                    email: email.clone(),
                    password: password.map_err(|why| format!("{source}: the password {why}"))?,
                }))
            }
            _ => Err(
                "the first admin needs all of ADMIN_USERNAME, ADMIN_EMAIL and ADMIN_PASSWORD_FILE \
                 (or ADMIN_PASSWORD)"
                    .to_owned(),
            ),
        }
    }

    /// Creates the account, unless there is an approved admin already.
    ///
    /// # Errors
    /// One line for the operator: the username or the e-mail address belongs to another account, or the database
    /// cannot be read or written.
    pub fn create(&self, app: &App) -> Result<(), String> {
        match self.try_create(app) {
            Ok(true) => {
                info!("created the first admin, {}", self.email.as_str());
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(Error::AccountExists) => Err(
                "ADMIN_USERNAME, ADMIN_EMAIL: an account has this username or e-mail address already and \
                 is not an approved admin; `task-api user set-role` and `task-api user approve` make it one"
                    .to_owned(),
            ),
            Err(why) => Err(format!("cannot create the first admin: {why}")),
        }
    }

    /// Returns whether the account was created.
    fn try_create(&self, app: &App) -> Result<bool, Error> {
        if app.store.read(users::has_approved_admin)? {
            return Ok(false);
        }
        let row = users::NewRow {
            username: &self.username,
            email: &self.email,
            password_hash: &app.passwords.hash(&self.password)?,
            role: Role::Admin,
            is_approved: true,
            created_at: app.now(),
        };
        let os_user = os_user();
        app.store.write(|db| {
            // Checked again while holding the write lock: another process that starts on the same file may have
            // created one meanwhile.
            if users::has_approved_admin(db)? {
                return Ok(false);
            }
            let user = users::insert(db, &row)?;
            let actor = Actor::operator(&os_user, app.now());
            audit::record(db, &actor, Action::AccountMade, Some(&user), None)?;
            Ok(true)
        })
    }
}
