//! Reads a password for a command, from a prompt or from standard input. A password is never an argument, since
//! other users of the machine can read the arguments of a process.

use std::io::{IsTerminal, Read, stdin};

use clap::Args;

use crate::model::Password;

#[derive(Debug, Args)]
#[allow(missing_docs)] // clap would show the comment in `--help`
pub struct PasswordInput {
    /// Read the password from standard input instead of a prompt
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordInput {
    /// Reads a password and checks it by the password policy. `names` are the account's username and e-mail
    /// address, which must not be the password.
    ///
    /// # Errors
    /// One line for the operator: the password cannot be read, or violates the policy.
    pub fn read(&self, names: [&str; 2]) -> Result<Password, String> {
        let text = if self.password_stdin {
            from_standard_input()?
        } else if stdin().is_terminal() {
            from_prompt()?
        } else {
            return Err(
                "cannot ask for the password: standard input is not a terminal; use --password-stdin"
                    .to_owned(),
            );
        };
        Password::for_account(&text, names).map_err(|why| format!("the password {why}"))
    }
}

fn from_standard_input() -> Result<String, String> {
    let mut text = String::new();
    stdin()
        .read_to_string(&mut text)
        .map_err(|why| format!("cannot read the password: {why}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal does not show what is typed, so it is asked for twice.
fn from_prompt() -> Result<String, String> {
    let ask = |prompt| {
        rpassword::prompt_password(prompt)
            .map_err(|why| format!("cannot ask for the password: {why}"))
    };
    let password = ask("Password: ")?;
    if ask("Repeat the password: ")? != password {
        return Err("the passwords do not match".to_owned());
    }
    Ok(password)
}
