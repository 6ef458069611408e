//! The URL of a PostgreSQL database: what it means, and what is said about one that is wrong.

use std::time::Duration;

use postgres::config::{ChannelBinding, TargetSessionAttrs};
use task_api::config::postgres::{PostgresUrl, SslMode, TrustedRoots, Verification};

fn parse(text: &str) -> PostgresUrl {
    text.parse()
        .unwrap_or_else(|why: String| panic!("{text}: {why}"))
}

fn servers(url: &PostgresUrl) -> Vec<String> {
    url.servers().iter().map(ToString::to_string).collect()
}

#[test]
fn each_part_of_a_url_is_read() {
    let url = parse("postgresql://ad%40a:p%3A%2F%25@one.example:6000,[::1],two.example/pro%20ject");
    assert_eq!((url.user(), url.database()), ("ad@a", "pro ject"));
    assert_eq!(
        servers(&url),
        ["one.example:6000", "[::1]:5432", "two.example:5432"]
    );
    let config = url.config(&url.servers()[0]);
    assert_eq!(config.get_password(), Some(&b"p:/%"[..]));
    assert_eq!(config.get_ports(), [6000]);
    assert_eq!(config.get_hosts().len(), 1);
}

#[test]
fn the_parts_can_be_parameters() {
    let url = parse(
        "postgres:///?host=/run/pg,db.example&port=1,2&hostaddr=,10.0.0.7&user=u&password=it's%26&dbname=d",
    );
    assert_eq!(servers(&url), ["%2Frun%2Fpg:1", "db.example:2"]);
    assert_eq!((url.user(), url.database()), ("u", "d"));
    let config = url.config(&url.servers()[1]);
    assert_eq!(config.get_password(), Some(&b"it's&"[..]));
    assert_eq!(
        config.get_hostaddrs(),
        ["10.0.0.7".parse::<std::net::IpAddr>().unwrap()]
    );
    let socket = parse("postgres://u@%2Frun%2Fpg/d");
    assert!(socket.servers()[0].is_unix_socket());
}

#[test]
fn unset_parameters_have_defaults() {
    let url = parse("postgres://u:p@h/d");
    let config = url.config(&url.servers()[0]);
    assert_eq!(config.get_application_name(), Some("task-api"));
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(5)));
    assert_eq!(
        config.get_tcp_user_timeout(),
        Some(&Duration::from_secs(10))
    );
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(10));
    assert_eq!(
        config.get_keepalives_interval(),
        Some(Duration::from_secs(5))
    );
    assert_eq!(config.get_keepalives_retries(), Some(3));
    assert_eq!(
        config.get_target_session_attrs(),
        TargetSessionAttrs::ReadWrite
    );
    assert!(!url.is_random_order());
    let for_reads = PostgresUrl::for_reads("postgres://u:p@h/d").unwrap();
    let config = for_reads.config(&for_reads.servers()[0]);
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::Any);
}

#[test]
fn parameters_are_read_with_the_units_of_libpq() {
    let url = parse(
        "postgres://u@h/d?connect_timeout=7&tcp_user_timeout=1500&keepalives_idle=20&keepalives_interval=8\
         &keepalives_count=9&target_session_attrs=any&application_name=two&options=-c%20a%3Db&channel_binding=require\
         &load_balance_hosts=random&keepalives=0",
    );
    let config = url.config(&url.servers()[0]);
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(7)));
    assert_eq!(
        config.get_tcp_user_timeout(),
        Some(&Duration::from_millis(1500))
    );
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(20));
    assert_eq!(
        config.get_keepalives_interval(),
        Some(Duration::from_secs(8))
    );
    assert_eq!(config.get_keepalives_retries(), Some(9));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::Any);
    assert_eq!(config.get_application_name(), Some("two"));
    assert_eq!(config.get_options(), Some("-c a=b"));
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    assert!(url.is_random_order() && !config.get_keepalives());
    let unlimited =
        parse("postgres://u@h/d?connect_timeout=0&keepalives_count=0&tcp_user_timeout=0");
    let config = unlimited.config(&unlimited.servers()[0]);
    assert_eq!(config.get_connect_timeout(), None);
    assert_eq!(config.get_keepalives_retries(), None);
    assert_eq!(config.get_tcp_user_timeout(), None);
}

#[test]
fn sslmode_and_sslrootcert_mean_what_they_mean_in_libpq() {
    let file = || TrustedRoots::File("/ca.pem".into());
    for (query, mode, verification) in [
        ("", SslMode::Prefer, Verification::Nothing),
        ("sslmode=disable", SslMode::Disable, Verification::Nothing),
        ("sslmode=allow", SslMode::Allow, Verification::Nothing),
        ("sslmode=prefer", SslMode::Prefer, Verification::Nothing),
        ("sslmode=require", SslMode::Require, Verification::Nothing),
        (
            "sslmode=require&sslrootcert=/ca.pem",
            SslMode::Require,
            Verification::Chain(file()),
        ),
        (
            "sslrootcert=%2Fca.pem&sslmode=verify-ca",
            SslMode::VerifyCa,
            Verification::Chain(file()),
        ),
        (
            "sslmode=verify-full&sslrootcert=/ca.pem",
            SslMode::VerifyFull,
            Verification::ChainAndName(file()),
        ),
        (
            "sslmode=verify-full&sslrootcert=system",
            SslMode::VerifyFull,
            Verification::ChainAndName(TrustedRoots::System),
        ),
        (
            "sslrootcert=system",
            SslMode::VerifyFull,
            Verification::ChainAndName(TrustedRoots::System),
        ),
    ] {
        let url = parse(&format!("postgres://u@h/d?{query}"));
        assert_eq!(url.ssl().mode, mode, "{query}");
        assert_eq!(url.ssl().verification, verification, "{query}");
    }
}

const KNOWN: &str = "user, password, passfile, host, hostaddr, port, dbname, options, application_name, sslmode, sslrootcert, \
                     target_session_attrs, channel_binding, load_balance_hosts, connect_timeout, tcp_user_timeout, \
                     keepalives, keepalives_idle, keepalives_interval, keepalives_count";

const RESERVED: &str =
    "in a user name or a password the characters % / ? @ : & are written %25 %2F %3F %40 %3A %26";

const FORM: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";

/// `S3cret` stands in each URL where its password is.
#[test]
fn a_wrong_part_is_named_and_the_password_is_not() {
    let unknown = format!("the parameter `sslkey` is unknown; these are known: {KNOWN}");
    let unknown_unnamed = format!("one of the parameters is unknown; these are known: {KNOWN}");
    let no_user = format!("the user is missing: {FORM}");
    let no_database = format!("the name of the database is missing: {FORM}");
    let no_host = format!("the host is missing: {FORM}");
    for (url, line) in [
        (
            "mysql://u:S3cret@h/d",
            "must begin with postgres:// or postgresql://",
        ),
        (
            "postgres:u:S3cret@h/d",
            "must begin with postgres:// or postgresql://",
        ),
        ("postgres://h/d?password=S3cret", &no_user),
        ("postgres://:S3cret@h/d", &no_user),
        ("postgres://u:p/x?S3cret=1@h/d", &unknown_unnamed),
        ("postgres://u:S3cret@h", &no_database),
        ("postgres://u:S3cret@h/", &no_database),
        ("postgres://u:S3cret@h/?sslmode=disable", &no_database),
        ("postgres://u:S3cret@/d", &no_host),
        ("postgres://", &no_user),
        ("postgres://u:S3cret@a,,b/d", "a host is empty"),
        ("postgres://u:S3cret@:5432/d", "a host is empty"),
        (
            "postgres://u:S3cret@h:0/d",
            "the port must be a number from 1 to 65535",
        ),
        (
            "postgres://u:S3cret@h:65536/d",
            "the port must be a number from 1 to 65535",
        ),
        (
            "postgres://u:S3cret@h:x/d",
            "the port must be a number from 1 to 65535",
        ),
        ("postgres://u:S3cret@::1/d", "a host is empty"),
        (
            "postgres://u:S3cret@a:1,b:-2/d",
            "the port must be a number from 1 to 65535",
        ),
        (
            "postgres://u:S3cret@2001:db8::1/d",
            "the port must be a number from 1 to 65535",
        ),
        (
            "postgres://u:S3cret@[::1/d",
            "the host has a [ without a ]: an IPv6 address is written [::1]",
        ),
        (
            "postgres://u:S3cret@[::1]x/d",
            "the host is followed by something other than a port",
        ),
        (
            "postgres://u:S3cret@a%20b/d",
            "a host is not valid: it must be a name, an IP address or the path of a folder",
        ),
        (
            "postgres://u:S3cret@a,b/d?hostaddr=1.2.3.4,1.2.3.4,1.2.3.4",
            "`hostaddr` must have one value, or one for each host",
        ),
        (
            "postgres://u:S3cret@h/d?hostaddr=h",
            "`hostaddr` must be an IP address",
        ),
        ("postgres://u:S3cret@h/d?host=i", "`host` is set twice"),
        ("postgres://u:S3cret@h/d?user=v", "`user` is set twice"),
        (
            "postgres://u:S3cret@h/d?password=S3cret",
            "`password` is set twice",
        ),
        (
            "postgres://u:S3cret%@h/d",
            "the password has a % without two hexadecimal digits: write a % as %25",
        ),
        (
            "postgres://u%4:S3cret@h/d",
            "the user has a % without two hexadecimal digits: write a % as %25",
        ),
        (
            "postgres://u:S3cret@h%g0/d",
            "the host has a % without two hexadecimal digits: write a % as %25",
        ),
        (
            "postgres://u:S3cret@h/d%",
            "the name of the database has a % without two hexadecimal digits: write a % as %25",
        ),
        (
            "postgres://u:S3cret@h/d?options=%zz",
            "the parameter `options` has a % without two hexadecimal digits: write a % as %25",
        ),
        ("postgres://u:S3cret%FF@h/d", "the password is not UTF-8"),
        (
            "postgres://u:S3cret%00@h/d",
            "the password contains a zero byte",
        ),
        ("postgres://u:x@S3cret@h/d", RESERVED),
        ("postgres://u:x/S3cret@h/d", RESERVED),
        ("postgres://u:x?S3cret@h/d", RESERVED),
        ("postgres://u:x:S3cret@h/d?port=5", "`port` is set twice"),
        ("postgres://u@h/d?sslkey=a", &unknown),
        ("postgres://u:S3cret@h/d?sslkey=a", &unknown_unnamed),
        ("postgres://u@h/d?password=x&S3cret=", &unknown_unnamed),
        (
            "postgres://u@h/d?password=x&S3cret",
            "a parameter has no value: write name=value, and a & in a value as %26",
        ),
        (
            "postgres://u:S3cret@h/d?application_name=",
            "`application_name` is empty",
        ),
        (
            "postgres://u:S3cret@h/d?sslmode=on",
            "`sslmode` must be one of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        (
            "postgres://u:S3cret@h/d?sslmode=verify-full",
            "`sslmode=verify-ca` and `verify-full` require `sslrootcert`: the path of a PEM file with the certificate \
             of the authority, or with `verify-full` also system",
        ),
        (
            "postgres://u:S3cret@h/d?sslmode=require&sslrootcert=system",
            "`sslrootcert=system` requires `sslmode=verify-full`",
        ),
        (
            "postgres://u:S3cret@h/d?target_session_attrs=primary",
            "`target_session_attrs` must be one of any, read-write, read-only",
        ),
        (
            "postgres://u:S3cret@h/d?channel_binding=1",
            "`channel_binding` must be one of disable, prefer, require",
        ),
        (
            "postgres://u:S3cret@h/d?load_balance_hosts=yes",
            "`load_balance_hosts` must be one of disable, random",
        ),
        (
            "postgres://u:S3cret@h/d?connect_timeout=5s",
            "`connect_timeout` must be a number from 0 to 3600",
        ),
        (
            "postgres://u:S3cret@h/d?connect_timeout=-1",
            "`connect_timeout` must be a number from 0 to 3600",
        ),
        (
            "postgres://u:S3cret@h/d?tcp_user_timeout=x",
            "`tcp_user_timeout` must be a number from 0 to 3600000",
        ),
        (
            "postgres://u:S3cret@h/d?keepalives=yes",
            "`keepalives` must be a number from 0 to 1",
        ),
        (
            "postgres://u:S3cret@h/d?keepalives_idle=40000",
            "`keepalives_idle` must be a number from 0 to 32767",
        ),
    ] {
        let why = url.parse::<PostgresUrl>().expect_err(url);
        assert_eq!(why, line, "{url}");
        assert!(!why.contains("S3cret"), "{url}: {why}");
    }
}

#[test]
fn a_url_is_shown_without_its_password_and_its_parameters() {
    for (url, shown) in [
        (
            "postgres://u:S3cret@h/d?sslmode=disable",
            "postgres://u@h:5432/d",
        ),
        ("postgres://u@h/d?password=S3cret", "postgres://u@h:5432/d"),
        (
            "postgres://a%2Fb:S3cret@h:1,[::2]:3/d%3F",
            "postgres://a%2Fb@h:1,[::2]:3/d%3F",
        ),
    ] {
        let url = parse(url);
        assert_eq!(url.to_string(), shown);
        assert_eq!(format!("{url:?}"), format!("PostgresUrl({shown})"));
        let config = url.config(&url.servers()[0]);
        assert!(!format!("{config:?}").contains("S3cret"));
    }
}

#[test]
fn urls_are_equal_if_their_texts_are() {
    assert_eq!(parse("postgres://u:p@h/d"), parse("postgres://u:p@h/d"));
    assert_ne!(parse("postgres://u:p@h/d"), parse("postgres://u:q@h/d"));
}
