//! The user of the operating system who runs a command, for the audit log.

use std::fs;

/// The name of the user of this process; `uid 10001` if the system has none. Root through `sudo` is
/// `root (sudo: ada)`.
///
/// The name is read from `/etc/passwd`. The C library's `getpwuid` loads further libraries at run time, which a
/// static binary in an image without files cannot.
pub fn os_user() -> String {
    #[cfg(unix)]
    {
        let user = rustix::process::getuid();
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = name_of(user.as_raw(), &passwd);
        let sudo = std::env::var("SUDO_USER").ok().filter(|_| user.is_root());
        match sudo {
            Some(sudo) => format!("{name} (sudo: {sudo})"),
            None => name,
        }
    }
    #[cfg(not(unix))]
    "unknown".to_owned()
}

/// The name in a line such as `ada:x:1000:1000:Ada:/home/ada:/bin/sh`.
fn name_of(uid: u32, passwd: &str) -> String {
    let uid = uid.to_string();
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&uid)).then(|| name.to_owned())
    };
    let name = passwd.lines().find_map(name);
    name.unwrap_or_else(|| format!("uid {uid}"))
}
