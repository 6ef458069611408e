//! TLS to a PostgreSQL server: when it is used, and which certificates are trusted.

use task_api::config::postgres::PostgresUrl;
use task_api::store::postgres::connect;

use super::cluster::{Cluster, PASSWORD};

/// Whether the connection is encrypted, or why there is none.
fn uses_tls(url: &PostgresUrl) -> Result<bool, String> {
    let mut client = connect(url)?;
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(client.query_one(sql, &[]).unwrap().get(0))
}

/// The error, which contains no password.
fn refusal(url: &PostgresUrl) -> String {
    let why = uses_tls(url).expect_err("it must not connect");
    assert!(!why.contains(PASSWORD) && !why.contains('\n'), "{why}");
    why
}

#[test]
fn sslmode_decides_whether_a_connection_is_encrypted() {
    let cluster = Cluster::with_tls();
    let ca = cluster.file("ca.crt");
    for (role, parameters, encrypted) in [
        ("postgres", "", true),
        ("postgres", "sslmode=disable", false),
        ("postgres", "sslmode=allow", false),
        ("postgres", "sslmode=prefer", true),
        ("postgres", "sslmode=require", true),
        (
            "postgres",
            &format!("sslmode=require&sslrootcert={ca}"),
            true,
        ),
        (
            "postgres",
            &format!("sslmode=verify-ca&sslrootcert={ca}"),
            true,
        ),
        (
            "postgres",
            &format!("sslmode=verify-full&sslrootcert={ca}"),
            true,
        ),
        ("postgres", "sslmode=require&channel_binding=require", true),
        // The server refuses the first attempt, and the second one succeeds.
        ("tls", "sslmode=allow", true),
        ("plain", "sslmode=prefer", false),
    ] {
        let url = cluster.url(role, parameters);
        assert_eq!(uses_tls(&url), Ok(encrypted), "{role} {parameters}");
    }
}

#[test]
fn what_the_server_demands_and_sslmode_forbids_is_one_line() {
    let cluster = Cluster::with_tls();
    let at = format!(
        "connection to server at localhost:{} failed: ",
        cluster.port
    );
    for (role, parameters, why) in [
        (
            "tls",
            "sslmode=disable",
            "FATAL: pg_hba.conf rejects connection for host \"127.0.0.1\", user \"tls\", database \"postgres\", no \
             encryption",
        ),
        (
            "plain",
            "sslmode=require",
            "FATAL: pg_hba.conf rejects connection for host \"127.0.0.1\", user \"plain\", database \"postgres\", SSL \
             encryption",
        ),
        (
            "postgres",
            "sslmode=disable&channel_binding=require",
            "authentication error: server did not use channel binding",
        ),
    ] {
        assert_eq!(
            refusal(&cluster.url(role, parameters)),
            format!("{at}{why}")
        );
    }
}

#[test]
fn a_server_without_tls_is_used_only_if_sslmode_allows_that() {
    let cluster = Cluster::read_only();
    for mode in ["disable", "allow", "prefer"] {
        let url = cluster.url(
            "postgres",
            &format!("target_session_attrs=any&sslmode={mode}"),
        );
        assert_eq!(uses_tls(&url), Ok(false), "{mode}");
    }
    assert_eq!(
        refusal(&cluster.url("postgres", "sslmode=require")),
        format!(
            "connection to server at localhost:{} failed: server does not support TLS, but sslmode requires it",
            cluster.port
        )
    );
}

#[test]
fn a_certificate_is_verified_as_sslmode_demands() {
    let cluster = Cluster::with_tls();
    let (ca, other) = (cluster.file("ca.crt"), cluster.file("other.crt"));
    let url = |host: &str, parameters: &str| -> PostgresUrl {
        let port = cluster.port;
        let text = format!(
            "postgres://postgres:{PASSWORD}@{host}:{port}/postgres?hostaddr=127.0.0.1&{parameters}"
        );
        text.parse().unwrap()
    };
    // Another name, which only verify-full compares.
    for mode in ["require", "verify-ca"] {
        let url = url("db.example", &format!("sslmode={mode}&sslrootcert={ca}"));
        assert_eq!(uses_tls(&url), Ok(true), "{mode}");
    }
    let why = refusal(&url(
        "db.example",
        &format!("sslmode=verify-full&sslrootcert={ca}"),
    ));
    let expected =
        "failed: certificate verify failed: certificate not valid for name \"db.example\"";
    assert!(why.contains(expected), "{why}");
    // Another authority.
    for mode in ["require", "verify-ca", "verify-full"] {
        let why = refusal(&url(
            "localhost",
            &format!("sslmode={mode}&sslrootcert={other}"),
        ));
        let expected = "failed: certificate verify failed: the certificate of the server is not signed by an \
                        authority in sslrootcert";
        assert!(why.contains(expected), "{mode}: {why}");
    }
    // As in libpq, prefer connects without TLS then.
    let url = url("localhost", &format!("sslmode=prefer&sslrootcert={other}"));
    assert_eq!(uses_tls(&url), Ok(false));
}

#[test]
fn the_authorities_of_the_system_do_not_trust_a_private_one() {
    let cluster = Cluster::with_tls();
    let why = refusal(&cluster.url("postgres", "sslrootcert=system"));
    assert!(
        why.contains("certificate verify failed") || why.contains("no trusted certificates"),
        "{why}"
    );
}

#[test]
fn a_self_signed_certificate_is_trusted_if_it_is_in_the_file_itself() {
    let cluster = Cluster::self_signed("1");
    let itself = cluster.file("server.crt");
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = cluster.url("postgres", &format!("sslmode={mode}&sslrootcert={itself}"));
        assert_eq!(uses_tls(&url), Ok(true), "{mode}");
    }
    let text = format!(
        "postgres://postgres:{PASSWORD}@db.example:{}/postgres?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={itself}",
        cluster.port
    );
    let why = refusal(&text.parse().unwrap());
    assert!(why.contains("not valid for name \"db.example\""), "{why}");
    let ca = Cluster::with_tls().file("ca.crt");
    let why = refusal(&cluster.url("postgres", &format!("sslmode=require&sslrootcert={ca}")));
    assert!(why.contains("certificate verify failed"), "{why}");
}

#[test]
fn an_expired_certificate_is_refused_even_if_it_is_in_the_file_itself() {
    let cluster = Cluster::self_signed("-1");
    let itself = cluster.file("server.crt");
    let why = refusal(&cluster.url(
        "postgres",
        &format!("sslmode=verify-ca&sslrootcert={itself}"),
    ));
    assert!(why.ends_with("certificate verify failed: Expired"), "{why}");
    assert_eq!(
        uses_tls(&cluster.url("postgres", "sslmode=require")),
        Ok(true)
    );
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let cluster = Cluster::with_tls();
    let key = cluster.file("ca.key");
    for (path, why) in [
        ("/no/such/ca.pem", "No such file or directory (os error 2)"),
        ("/dev/null", "it contains no certificate"),
        (&key, "it contains no certificate"),
    ] {
        let url = cluster.url("postgres", &format!("sslmode=verify-ca&sslrootcert={path}"));
        assert_eq!(refusal(&url), format!("sslrootcert {path}: {why}"));
    }
}
