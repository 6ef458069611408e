//! The first admin, made at the start where the settings name one: for containers, in which nobody is
//! there to type `task-api user create`.

use log::info;

use crate::app::App;
use crate::config::secrets::{AdminArgs, Secret};
use crate::error::Error;
use crate::model::{Action, Actor, Email, Password, Role, Username};
use crate::store::{audit, users};

/// Who is to be admin if nobody is.
#[derive(Debug)]
pub struct FirstAdmin {
    username: Username,
    email: Email,
    password: Password,
}

impl FirstAdmin {
    /// The account that the settings describe; `None` where none of the three is set.
    ///
    /// # Errors
    /// One line for the operator: one of the three is missing, or the password is not acceptable. There is
    /// no default password.
    pub fn from_settings(
        settings: &AdminArgs,
        password: Option<&Secret>,
    ) -> Result<Option<FirstAdmin>, String> {
        match (&settings.admin_username, &settings.admin_email, password) {
            (None, None, None) => Ok(None),
            (Some(username), Some(email), Some(Secret { text, source })) => {
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

    /// Makes the account, unless there is an approved admin already.
    ///
    /// # Errors
    /// One line for the operator: the name or the e-mail is somebody else's.
    pub fn make(&self, app: &App) -> Result<(), String> {
        match self.try_to_make(app) {
            Ok(true) => {
                info!("made the first admin, {}", self.email.as_str());
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(Error::AccountExists) => Err(
                "ADMIN_USERNAME, ADMIN_EMAIL: they are an account's that is no approved admin; \
                 `task-api user set-role` and `approve` make it one"
                    .to_owned(),
            ),
            Err(why) => Err(format!("cannot make the first admin: {why}")),
        }
    }

    fn try_to_make(&self, app: &App) -> Result<bool, Error> {
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
        app.store.write(|db| {
            // Another program that starts on the same file may have been faster.
            match users::has_approved_admin(db)? {
                true => Ok(false),
                false => {
                    let user = users::insert(db, &row)?;
                    let by = Actor::operator(app.now());
                    audit::record(db, &by, Action::AccountMade, Some(&user), None)?;
                    Ok(true)
                }
            }
        })
    }
}
