//! Simulation of attacks on accounts: each is played for a day of the application's own clock, without a network, and
//! the test asserts what the attacker and the owner get. `-- --nocapture` prints the table in `docs/security.md`.
//!
//! A refused request changes nothing (`auth::brute_force::a_refused_attempt_leaves_nothing_behind` in `tests/it`), so
//! an attacker who has got a 429 with `Retry-After` is played on shortly before that time: the refusals in between are
//! left out.

#[allow(dead_code, unused_imports)] // this test uses a part of it
#[path = "../it/support/mod.rs"]
mod support;

use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::thread;

use serde_json::json;
use task_api::config::rate_limits::Switch;
use task_api::model::Role;

use support::{Account, PASSWORD, TestApp, TestResponse, request_from};
use task_api::middleware::handle;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

const ATTACKER: &str = "198.51.100.9";
const OWNER: &str = "203.0.113.7";
const PROXY: &str = "172.18.0.2";

/// The guesses at one account from one network in a day: 10 at once, and one more every 30 seconds.
const ONE_PAIR: RangeInclusive<usize> = 2_880..=2_900;
/// The attempts from one network in a day: 120 at once, and one more every 5 seconds.
const ONE_NETWORK: RangeInclusive<usize> = 17_390..=17_410;
/// The attempts from one site in a day: 480 at once, and one more every second.
const ONE_SITE: RangeInclusive<usize> = 86_870..=86_890;

/// A client that sends requests all day.
struct Client<'a> {
    /// The seconds between two requests; for several requests a second, see `at_once`.
    every: i64,
    at_once: usize,
    next: i64,
    act: Box<dyn FnMut(usize) -> TestResponse + 'a>,
    sent: usize,
    /// The requests that no limit has refused.
    passed: usize,
    succeeded: usize,
}

impl<'a> Client<'a> {
    /// A client that sends ten requests a second.
    fn attacker(act: impl FnMut(usize) -> TestResponse + 'a) -> Client<'a> {
        Client::new(1, 10, 0, act)
    }

    /// A client that sends a request each hour, at an odd time.
    fn owner(act: impl FnMut(usize) -> TestResponse + 'a) -> Client<'a> {
        Client::new(HOUR, 1, 1_717, act)
    }

    fn new(
        every: i64,
        at_once: usize,
        next: i64,
        act: impl FnMut(usize) -> TestResponse + 'a,
    ) -> Client<'a> {
        Client {
            every,
            at_once,
            next,
            act: Box::new(act),
            sent: 0,
            passed: 0,
            succeeded: 0,
        }
    }

    /// Sends the requests of this second. After a 429 the rest of them would be refused too.
    fn step(&mut self) {
        let mut wait = self.every;
        for _ in 0..self.at_once {
            let response = (self.act)(self.sent);
            self.sent += 1;
            if response.status == 429 {
                let retry_after: i64 = response.header("Retry-After").unwrap().parse().unwrap();
                wait = wait.max(retry_after - 1);
                break;
            }
            self.passed += 1;
            self.succeeded += usize::from(response.status < 300);
        }
        self.next += wait;
    }
}

/// Plays a day with these clients.
fn play(app: &TestApp, clients: &mut [&mut Client]) {
    let mut now = 0;
    while let Some(client) = clients.iter_mut().min_by_key(|client| client.next) {
        if client.next >= DAY {
            break;
        }
        app.advance(client.next - now);
        now = client.next;
        client.step();
    }
}

/// Sends a request with a JSON body. Unlike the other tests, this one does not compare each response with the OpenAPI
/// document: there are half a million.
fn send(app: &TestApp, from: &str, line: &str, headers: &[&str], body: &str) -> TestResponse {
    let headers = [&["Content-Type: application/json"], headers].concat();
    handle(&app.app, &request_from(from, line, &headers, body)).into()
}

fn new_app() -> TestApp {
    TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
        config.passwords.password_iterations = 1;
        // Sessions outlast the day.
        config.jwt_access_token_expires = "48h".parse().unwrap();
    })
}

fn log_in(
    app: &TestApp,
    from: &str,
    headers: &[&str],
    email: &str,
    password: &str,
) -> TestResponse {
    let body = json!({ "email": email, "password": password }).to_string();
    send(app, from, "POST /login", headers, &body)
}

/// The owner signs in without a device token.
fn owner<'a>(app: &'a TestApp, from: &'a str, account: &'a Account) -> Client<'a> {
    Client::owner(move |_| log_in(app, from, &[], &account.email, PASSWORD))
}

/// The owner signs in with the device token of a sign-in before the attack.
fn owner_with_device<'a>(app: &'a TestApp, from: &'a str, account: &'a Account) -> Client<'a> {
    let mut device =
        log_in(app, OWNER, &[], &account.email, PASSWORD).json()["device_token"].take();
    Client::owner(move |_| {
        let body = json!({ "email": account.email, "password": PASSWORD, "device_token": device });
        let response = send(app, from, "POST /login", &[], &body.to_string());
        if response.status == 200 {
            device = response.json()["device_token"].take();
        }
        response
    })
}

/// An e-mail address that no account has.
fn invented(n: usize) -> String {
    format!("invented-{n}@example.com")
}

/// A line of the table: the attack, what the attacker got, what the owner got.
type Row = [String; 3];

fn row(attack: &str, attacker: String, owner: String) -> Row {
    [attack.to_owned(), attacker, owner]
}

/// An attack, with the function that plays it.
const ATTACKS: &[fn() -> Vec<Row>] = &[
    from_a_24,
    from_a_48,
    invented_addresses_behind_an_unlisted_proxy,
    sign_up_floods,
    from_one_address,
    invented_emails,
    invented_addresses_from_a_public_address,
    beside_others_behind_an_unlisted_proxy,
    foreign_website,
    signing_in_all_the_time,
    a_class,
    a_hundred_sessions,
];

#[test]
fn what_attackers_and_owners_get_in_a_day() {
    let next = Mutex::new(0..ATTACKS.len());
    let rows = Mutex::new(vec![Vec::new(); ATTACKS.len()]);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(n) = next.lock().unwrap().next() else {
                        break;
                    };
                    let played = ATTACKS[n]();
                    rows.lock().unwrap()[n] = played;
                }
            });
        }
    });
    println!("| attack, for a day | the attacker gets | the owner gets |\n|---|---|---|");
    for [attack, attacker, owner] in rows.into_inner().unwrap().concat() {
        println!("| {attack} | {attacker} | {owner} |");
    }
}

// ---- guessing -----------------------------------------------------------------------------------

fn from_one_address() -> Vec<Row> {
    let app = new_app();
    let anna = app.employee();
    let mut attacker = Client::attacker(|_| log_in(&app, ATTACKER, &[], &anna.email, "wrong"));
    let mut elsewhere = owner(&app, OWNER, &anna);
    let mut beside = owner(&app, ATTACKER, &anna);
    let mut device = owner_with_device(&app, ATTACKER, &anna);
    play(
        &app,
        &mut [&mut attacker, &mut elsewhere, &mut beside, &mut device],
    );
    assert!(ONE_PAIR.contains(&attacker.passed), "{}", attacker.passed);
    assert_eq!((elsewhere.succeeded, device.succeeded), (24, 24));
    assert_eq!(beside.succeeded, 0);
    vec![row(
        "10 guesses a second at one account, from one address",
        format!("{} guesses", attacker.passed),
        "24 of 24 sign-ins from another address, and 24 of 24 from the attacker's with a device token; 0 of 24 without"
            .to_owned(),
    )]
}

fn invented_emails() -> Vec<Row> {
    let app = new_app();
    let anna = app.employee();
    let mut guesses = Client::attacker(|_| log_in(&app, ATTACKER, &[], &anna.email, "wrong"));
    let mut flood = Client::attacker(|n| log_in(&app, ATTACKER, &[], &invented(n), "wrong"));
    let mut owner = owner(&app, OWNER, &anna);
    // 120,000 of them at once, in the second after the first guesses.
    guesses.step();
    for n in 0..120_000 {
        log_in(&app, ATTACKER, &[], &invented(n), "wrong");
    }
    play(&app, &mut [&mut guesses, &mut flood, &mut owner]);
    let hashes = guesses.passed + flood.passed + 110;
    assert!(guesses.passed <= *ONE_PAIR.end(), "{}", guesses.passed);
    assert!(ONE_NETWORK.contains(&hashes), "{hashes}");
    assert_eq!(owner.succeeded, 24);
    vec![row(
        "the same, after 120,000 invented e-mail addresses at once and among 10 more a second",
        format!("{} guesses, {hashes} hashes in all", guesses.passed),
        "24 of 24 sign-ins from another address".to_owned(),
    )]
}

/// The attacker has a whole site, and the owner a device in it.
fn from_a_site(address: impl Fn(usize) -> String, neighbour: &str) -> (usize, usize) {
    let app = new_app();
    let anna = app.employee();
    let mut attacker = Client::attacker(|n| log_in(&app, &address(n), &[], &anna.email, "wrong"));
    let mut elsewhere = owner(&app, OWNER, &anna);
    let mut device = owner_with_device(&app, neighbour, &anna);
    play(&app, &mut [&mut attacker, &mut elsewhere, &mut device]);
    assert!(attacker.passed <= *ONE_SITE.end(), "{}", attacker.passed);
    assert_eq!(elsewhere.succeeded, 24);
    (attacker.passed, device.succeeded)
}

fn from_a_24() -> Vec<Row> {
    let address = |n: usize| format!("198.51.100.{}", n % 256);
    let (guesses, device) = from_a_site(address, "198.51.100.77");
    assert_eq!(device, 24);
    vec![row(
        "from all addresses of an IPv4 /24",
        format!("{guesses} guesses"),
        "24 of 24 sign-ins from another site, and 24 of 24 from the same with a device token"
            .to_owned(),
    )]
}

fn from_a_48() -> Vec<Row> {
    let address = |n: usize| format!("2001:db8:1:{:x}::1", n % 65_536);
    let (guesses, device) = from_a_site(address, "2001:db8:1:77::1");
    assert_eq!(device, 24);
    vec![row(
        "from all networks of an IPv6 /48",
        format!("{guesses} guesses"),
        "the same".to_owned(),
    )]
}

fn invented_addresses_from_a_public_address() -> Vec<Row> {
    let app = new_app();
    let anna = app.employee();
    let attack = |n: usize| {
        let header = format!("X-Forwarded-For: 192.0.{}.{}", n / 256 % 256, n % 256);
        log_in(&app, ATTACKER, &[&header], &anna.email, "wrong")
    };
    let mut attacker = Client::attacker(attack);
    let mut owner = owner(&app, OWNER, &anna);
    play(&app, &mut [&mut attacker, &mut owner]);
    assert!(ONE_PAIR.contains(&attacker.passed), "{}", attacker.passed);
    assert_eq!(owner.succeeded, 24);
    vec![row(
        "from one public address with another `X-Forwarded-For` in each request",
        format!("{} guesses", attacker.passed),
        "24 of 24 sign-ins from another address".to_owned(),
    )]
}

fn invented_addresses_behind_an_unlisted_proxy() -> Vec<Row> {
    let app = new_app();
    let anna = app.employee();
    let header = |n: usize| format!("X-Forwarded-For: 192.0.{}.{}", n / 256 % 256, n % 256);
    let guess = |n| log_in(&app, PROXY, &[&header(n)], &anna.email, "wrong");
    let mut guesses = Client::attacker(guess);
    let flood = |n| log_in(&app, PROXY, &[&header(n)], &invented(n), "wrong");
    let mut flood = Client::attacker(flood);
    let mut owner = owner_with_device(&app, PROXY, &anna);
    play(&app, &mut [&mut guesses, &mut flood, &mut owner]);
    let hashes = guesses.passed + flood.passed;
    assert!(guesses.passed <= *ONE_PAIR.end(), "{}", guesses.passed);
    assert!(hashes <= *ONE_SITE.end(), "{hashes}");
    assert_eq!(owner.succeeded, 24);
    vec![row(
        "the same from a private address, which may be a proxy that `TRUSTED_PROXIES` does not name",
        format!("{} guesses, {hashes} hashes in all", guesses.passed),
        "24 of 24 sign-ins through the same proxy with a device token".to_owned(),
    )]
}

fn beside_others_behind_an_unlisted_proxy() -> Vec<Row> {
    let app = new_app();
    let account = |n| app.account(&format!("person-{n}"), Role::Employee, true);
    let others: Vec<Account> = (0..30).map(account).collect();
    let header = [&*format!("X-Forwarded-For: {ATTACKER}")];
    let mut attacker = Client::attacker(|n| log_in(&app, PROXY, &header, &invented(n), "wrong"));
    let mut owners: Vec<Client> = Vec::new();
    for (n, other) in others.iter().enumerate() {
        let header = format!("X-Forwarded-For: 203.0.113.{n}");
        let app = &app;
        owners.push(Client::owner(move |_| {
            log_in(app, PROXY, &[&header], &other.email, PASSWORD)
        }));
    }
    let mut clients: Vec<&mut Client> = owners.iter_mut().collect();
    clients.push(&mut attacker);
    play(&app, &mut clients);
    assert!(
        ONE_NETWORK.contains(&attacker.passed),
        "{}",
        attacker.passed
    );
    let succeeded: usize = owners.iter().map(|owner| owner.succeeded).sum();
    assert_eq!(succeeded, 30 * 24);
    vec![row(
        "10 invented e-mail addresses a second from one client behind such a proxy",
        format!("{} hashes", attacker.passed),
        "30 others behind it sign in each hour: 720 of 720".to_owned(),
    )]
}

fn foreign_website() -> Vec<Row> {
    let app = new_app();
    let anna = app.employee();
    let evil = ["Host: tasks.example", "Origin: https://evil.example"];
    let own = ["Host: tasks.example", "Origin: https://tasks.example"];
    let mut guesses = Client::attacker(|_| log_in(&app, OWNER, &evil, &anna.email, "wrong"));
    let mut flood = Client::attacker(|n| log_in(&app, OWNER, &evil, &invented(n), "wrong"));
    let mut owner = Client::owner(|_| log_in(&app, OWNER, &own, &anna.email, PASSWORD));
    play(&app, &mut [&mut guesses, &mut flood, &mut owner]);
    let hashes = guesses.passed + flood.passed;
    assert!(guesses.passed <= *ONE_PAIR.end(), "{}", guesses.passed);
    assert!(ONE_NETWORK.contains(&hashes), "{hashes}");
    assert_eq!(owner.succeeded, 24);
    vec![row(
        "a foreign website in the owner's browser: 10 guesses and 10 invented e-mail addresses a second",
        format!("{} guesses, {hashes} hashes in all", guesses.passed),
        "24 of 24 sign-ins with the same browser, without a device token".to_owned(),
    )]
}

// ---- floods -------------------------------------------------------------------------------------

fn signing_in_all_the_time() -> Vec<Row> {
    let app = new_app();
    let (anna, ben) = (app.employee(), app.manager());
    let mut device = log_in(&app, OWNER, &[], &ben.email, PASSWORD).json()["device_token"].take();
    let mut plain = Client::attacker(|_| log_in(&app, ATTACKER, &[], &anna.email, PASSWORD));
    let mut known = Client::attacker(|_| {
        let body = json!({ "email": ben.email, "password": PASSWORD, "device_token": device });
        let response = send(&app, ATTACKER, "POST /login", &[], &body.to_string());
        if response.status == 200 {
            device = response.json()["device_token"].take();
        }
        response
    });
    play(&app, &mut [&mut plain, &mut known]);
    assert!(ONE_PAIR.contains(&plain.passed), "{}", plain.passed);
    // The quota of the device, and then that of the network and the account.
    assert!(ONE_PAIR.contains(&(known.passed / 2)), "{}", known.passed);
    vec![row(
        "one account signs in 10 times a second, without and with a device token",
        format!("{} and {} sign-ins", plain.succeeded, known.succeeded),
        "-".to_owned(),
    )]
}

fn a_class() -> Vec<Row> {
    let app = new_app();
    let account = |n| app.account(&format!("pupil-{n}"), Role::Employee, true);
    let pupils: Vec<Account> = (0..64).map(account).collect();
    let sign_in = |n: usize| log_in(&app, OWNER, &[], &pupils[n % 64].email, PASSWORD);
    let mut class = Client::new(HOUR, 64, 8 * HOUR, sign_in);
    play(&app, &mut [&mut class]);
    assert_eq!((class.sent, class.succeeded), (16 * 64, 16 * 64));
    vec![row(
        "no attack: a class of 64 behind one address signs in at once, each hour from eight o'clock",
        "-".to_owned(),
        format!("{} of {} sign-ins", class.succeeded, class.sent),
    )]
}

fn a_hundred_sessions() -> Vec<Row> {
    const PER_MINUTE: usize = 60;
    let app = TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
        config.rate_limiting.requests_per_minute = PER_MINUTE as u32;
        config.jwt_access_token_expires = "48h".parse().unwrap();
    });
    let anna = app.employee();
    let stolen: Vec<String> = (0..97).map(|_| app.token_of_new_session(&anna)).collect();
    let own = app.token_of_new_session(&anna);
    let send = |line: &str, token: &str| {
        let authorization = format!("Authorization: Bearer {token}");
        send(&app, ATTACKER, line, &[&authorization], "")
    };
    let mut flood = Client::attacker(|n| send("GET /tasks", &stolen[n % stolen.len()]));
    // Each hour the owner lists the sessions; at last all are ended.
    let mut list = Client::owner(|_| send("GET /me/sessions", &own));
    let mut end = Client::new(DAY, 1, DAY - 1, |_| {
        send("POST /me/sessions/revoke-all", &own)
    });
    play(&app, &mut [&mut flood, &mut list, &mut end]);
    let bound = PER_MINUTE * (24 * 60 + 1);
    assert!(
        flood.passed <= bound && flood.passed > bound - 100,
        "{}",
        flood.passed
    );
    assert_eq!((list.succeeded, end.succeeded), (24, 1));
    vec![row(
        "97 stolen sessions of one account flood, `REQUESTS_PER_MINUTE` 60",
        format!("{} requests", flood.passed),
        "24 of 24 lists of the sessions, and ends them all".to_owned(),
    )]
}

fn sign_up_floods() -> Vec<Row> {
    let flood = |address: &dyn Fn(usize) -> String| {
        let app = new_app();
        app.employee();
        // The name is taken, so the attacker gets no accounts, and costs a hash each time.
        let body = json!({ "username": "employee", "email": "e@x.example", "password": PASSWORD });
        let body = body.to_string();
        let sign_up = |from: &str| send(&app, from, "POST /signup", &[], &body);
        let mut attacker = Client::attacker(|n| sign_up(&address(n)));
        let own = |n: usize| {
            let email = format!("p{n}@x.example");
            let own = json!({ "username": format!("p{n}"), "email": email, "password": PASSWORD });
            send(&app, OWNER, "POST /signup", &[], &own.to_string())
        };
        let mut owner = Client::owner(own);
        play(&app, &mut [&mut attacker, &mut owner]);
        assert_eq!(owner.succeeded, 24);
        attacker.passed
    };
    let one = flood(&|_| ATTACKER.to_owned());
    let site = flood(&|n| format!("198.51.100.{}", n % 256));
    assert!((8_690..=8_710).contains(&one), "{one}");
    assert!((43_430..=43_450).contains(&site), "{site}");
    vec![row(
        "10 sign-ups a second, from one address and from an IPv4 /24",
        format!("{one} and {site} hashes"),
        "24 of 24 sign-ups from another site".to_owned(),
    )]
}
