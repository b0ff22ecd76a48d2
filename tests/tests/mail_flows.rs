//! Forgotten passwords, invitations and the page of queues, with the shipped binary and a mail server.

use std::time::{Duration, Instant};

use mppeep_testbed::{Mail, SmtpReaction, SmtpServer};
use mppeep_tests::{ADMIN_EMAIL, ADMIN_PASSWORD, Backend, Client, Launch, Response, Server, html};

const CHOOSE: &str = "/mppeep/mot-de-passe/choisir";
const NEW: &str = "Sept-baobabs-veillent-la-lagune";
const SENT: &str = "Si un compte existe pour cette adresse, un courriel vient d’être envoyé.";
const PATIENCE: Duration = Duration::from_secs(60);

fn launch(smtp: &SmtpServer) -> Launch {
    Launch::on(Backend::Sqlite)
        .smtp(&smtp.url())
        .env("MPPEEP_MAIL_FROM", "MPPEEP <ne-pas-repondre@mppeep.example>")
        .env("MPPEEP_PUBLIC_URL", "https://drh.mppeep.example")
}

/// A mail's words, as somebody reads them who does not know of quoted-printable.
fn words(mail: &Mail) -> String {
    let joined = mail.raw.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let coded = (first == b'=')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match coded {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// The secret of the link in a mail.
fn token(mail: &Mail) -> String {
    let text = words(mail);
    let link = format!("https://drh.mppeep.example{CHOOSE}?jeton=");
    let at = text
        .find(&link)
        .unwrap_or_else(|| panic!("a link to the public address in: {text}"));
    let token: String = text[at + link.len()..]
        .chars()
        .take_while(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_'))
        .collect();
    assert_eq!(token.len(), 43, "{token}");
    token
}

async fn ask(client: &Client, email: &str) -> Response {
    client
        .post_form("/mppeep/mot-de-passe/oublie", &[("email", email)])
        .await
}

async fn choose(client: &Client, token: &str, password: &str) -> Response {
    let fields = [
        ("jeton", token),
        ("new_password", password),
        ("confirmation", password),
    ];
    client.post_form(CHOOSE, &fields).await
}

fn is_over(answer: &Response) -> bool {
    answer.status == 410 && answer.text().contains("Ce lien n’est plus valable.")
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_mail() {
    let smtp = SmtpServer::start();
    let server = launch(&smtp).start();
    let before = server.admin().await;
    let visitor = server.visitor();
    let login = visitor.get("/mppeep/login").await.expect(200).text();
    assert!(login.contains("href=\"/mppeep/mot-de-passe/oublie\""), "{login}");

    let asked = ask(&visitor, ADMIN_EMAIL).await.expect(200);
    assert!(html::text(&asked.text()).contains(SENT), "{}", asked.text());
    let mails = smtp.wait_for(1, PATIENCE);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, [ADMIN_EMAIL]);
    let token = token(&mails[0]);

    let page = visitor.get(&format!("{CHOOSE}?jeton={token}")).await.expect(200);
    assert_eq!(page.header_or_empty("cache-control"), "no-store");
    assert_eq!(page.header_or_empty("referrer-policy"), "strict-origin");
    assert!(page.text().contains(ADMIN_EMAIL));
    let form = html::form_to(&page.text(), "/mot-de-passe/choisir");
    assert_eq!(form.value("jeton"), Some(token.as_str()));

    // A weak one and a mistyped one are told at the field, and the link still works.
    let weak = choose(&visitor, &token, "azerty").await;
    assert_eq!(weak.status, 422, "{}", weak.text());
    let mistyped = [
        ("jeton", token.as_str()),
        ("new_password", NEW),
        ("confirmation", "autre chose de long"),
    ];
    let _different = visitor.post_form(CHOOSE, &mistyped).await.expect(422);

    let done = choose(&visitor, &token, NEW).await.expect(303);
    assert_eq!(
        done.header("location"),
        Some("/mppeep/login?note=password-chosen")
    );
    assert!(!before.is_logged_in().await, "the other sessions end");
    assert_eq!(visitor.login(ADMIN_EMAIL, ADMIN_PASSWORD).await.status, 401);
    assert!(server.logged_in(ADMIN_EMAIL, NEW).await.is_logged_in().await);

    // The same link a second time.
    assert!(is_over(&visitor.get(&format!("{CHOOSE}?jeton={token}")).await));
    assert!(is_over(
        &choose(&visitor, &token, "Huit-baobabs-veillent-la-lagune").await
    ));
    assert!(server.logged_in(ADMIN_EMAIL, NEW).await.is_logged_in().await);

    // Its owner is told, and no secret is in the log.
    let mails = smtp.wait_for(2, PATIENCE);
    assert_eq!(mails.len(), 2);
    assert!(
        words(&mails[1]).contains("Le mot de passe de votre compte a été changé"),
        "{}",
        words(&mails[1])
    );
    assert!(!server.log().text().contains(&token));
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let smtp = SmtpServer::start();
    let server = launch(&smtp).start();
    let known = ask(&server.visitor_from("203.0.113.7"), ADMIN_EMAIL)
        .await
        .expect(200);
    let unknown = ask(&server.visitor_from("203.0.113.8"), "personne@mppeep.example")
        .await
        .expect(200);
    assert_eq!(known.text(), unknown.text());
    assert_eq!(smtp.wait_for(1, PATIENCE).len(), 1);

    // One address may not ask for ever.
    let insistent = server.visitor_from("203.0.113.9");
    let mut refused = None;
    for number in 0..8 {
        let answer = ask(&insistent, &format!("personne{number}@mppeep.example")).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 200);
    }
    let refused = refused.expect("an address is refused after a while");
    let wait: u64 = refused.header_or_empty("retry-after").parse().expect("seconds");
    assert!(wait > 0);
    assert_eq!(smtp.mails().len(), 1, "nobody else got a mail");
}

#[tokio::test]
async fn a_link_ends_by_time_and_by_a_later_one() {
    let smtp = SmtpServer::start();
    let server = launch(&smtp).start();
    let visitor = server.visitor();
    let _first = ask(&visitor, ADMIN_EMAIL).await.expect(200);
    let first = token(&smtp.wait_for(1, PATIENCE)[0]);
    let _second = ask(&visitor, ADMIN_EMAIL).await.expect(200);
    let second = token(&smtp.wait_for(2, PATIENCE)[1]);
    assert!(
        is_over(&choose(&visitor, &first, NEW).await),
        "replaced by the later one"
    );

    let _open = visitor.get(&format!("{CHOOSE}?jeton={second}")).await.expect(200);
    let _aged = server
        .launch()
        .ask("UPDATE account_token SET expires_at = expires_at - 3601 * 1000000");
    assert!(is_over(&visitor.get(&format!("{CHOOSE}?jeton={second}")).await));
    assert!(is_over(&choose(&visitor, &second, NEW).await), "expired");
    for nonsense in ["", "x", "é", &"a".repeat(5000)] {
        assert!(is_over(&choose(&visitor, nonsense, NEW).await), "{nonsense:?}");
    }
    assert!(server.admin().await.is_logged_in().await, "nothing was changed");
}

#[tokio::test]
async fn an_invited_person_chooses_the_first_password() {
    let smtp = SmtpServer::start();
    let server = launch(&smtp).start();
    let admin = server.admin().await;
    let form = admin
        .get("/mppeep/admin/utilisateurs/nouveau")
        .await
        .expect(200)
        .text();
    assert!(form.contains("inviter par courriel"), "{form}");
    let fields = [
        ("email", "awa.kone@mppeep.example"),
        ("display_name", "Awa Koné"),
        ("status", "active"),
        ("roles", "sdrh"),
        ("how", "invite"),
    ];
    let made = admin
        .post_form("/mppeep/admin/utilisateurs", &fields)
        .await
        .expect(303);
    let page = made.header_or_empty("location").to_owned();
    assert!(page.ends_with("?note=user-invited"), "{page}");
    let mails = smtp.wait_for(1, PATIENCE);
    assert_eq!(mails[0].to, ["awa.kone@mppeep.example"]);

    // It may be sent again until it is used; the first link is then over.
    let user = page.split('?').next().expect("a path").to_owned();
    let _again = admin
        .request("POST", &format!("{user}/inviter"))
        .send()
        .await
        .expect(303);
    let mails = smtp.wait_for(2, PATIENCE);
    let visitor = server.visitor();
    assert!(is_over(&choose(&visitor, &token(&mails[0]), NEW).await));
    let _opened = choose(&visitor, &token(&mails[1]), NEW).await.expect(303);
    let awa = server.logged_in("awa.kone@mppeep.example", NEW).await;
    assert_eq!(awa.get("/mppeep/personnel").await.status, 200);

    let late = admin.request("POST", &format!("{user}/inviter")).send().await;
    assert_eq!(late.status, 409, "{}", late.text());
}

#[tokio::test]
async fn a_mail_that_fails_for_good_is_read_revived_and_discarded() {
    let smtp = SmtpServer::start();
    smtp.next([SmtpReaction::RefuseMessage(550), SmtpReaction::RefuseMessage(550)]);
    let server = launch(&smtp).start();
    let admin = server.admin().await;
    let dead = async |count: usize| {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let page = admin
                .get("/mppeep/admin/files?state=dead")
                .await
                .expect(200)
                .text();
            if page.matches("name=\"job\"").count() == count {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no {count} dead mails: {}", server.log().text());
    };
    for count in 1..=2 {
        let _queued = admin
            .request("POST", "/mppeep/admin/files/essai")
            .send()
            .await
            .expect(303);
        let _page = dead(count).await;
    }
    let page = dead(2).await;
    let text = html::text(&page);
    for word in [
        ADMIN_EMAIL,
        "Courriel d’essai",
        "Le serveur de courriel refuse le message (remise du message : réponse 550).",
        "sait envoyer des courriels",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let form = html::form_to(&page, "/admin/files/relancer");
    let jobs: Vec<&str> = form
        .controls
        .iter()
        .filter(|tag| tag.get("name") == Some("job"))
        .filter_map(|tag| tag.get("value"))
        .collect();
    let revived = admin
        .post_form(
            "/mppeep/admin/files/relancer",
            &[("only", jobs[0]), ("job", jobs[1])],
        )
        .await
        .expect(303);
    assert!(revived.header_or_empty("location").ends_with("note=jobs-revived"));
    assert_eq!(smtp.wait_for(1, PATIENCE).len(), 1, "the one of the button goes");
    let _page = dead(1).await;
    let discarded = admin
        .post_form("/mppeep/admin/files/supprimer", &[("job", jobs[1])])
        .await
        .expect(303);
    assert!(
        discarded
            .header_or_empty("location")
            .ends_with("note=jobs-discarded")
    );
    let _page = dead(0).await;
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn without_a_mail_server_mails_wait_and_can_be_read() {
    let server = Launch::on(Backend::Sqlite)
        .env("MPPEEP_PUBLIC_URL", "https://drh.mppeep.example")
        .start();
    let visitor = server.visitor();
    let _asked = ask(&visitor, ADMIN_EMAIL).await.expect(200);
    let admin = server.admin().await;
    let page = admin.get("/mppeep/admin/files").await.expect(200).text();
    let text = html::text(&page);
    assert!(
        text.contains("Aucun serveur de courriel n’est configuré"),
        "{text}"
    );
    let link = format!("https://drh.mppeep.example{CHOOSE}?jeton=");
    let at = page.find(&link).expect("the link can be read") + link.len();
    let _opened = visitor
        .get(&format!("{CHOOSE}?jeton={}", &page[at..at + 43]))
        .await
        .expect(200);
    // Without mail, nobody is offered to invite.
    let form = admin
        .get("/mppeep/admin/utilisateurs/nouveau")
        .await
        .expect(200)
        .text();
    assert!(!form.contains("inviter par courriel"));
}

#[tokio::test]
async fn where_mails_are_sent_their_secrets_are_not_shown() {
    let smtp = SmtpServer::start();
    smtp.usually(SmtpReaction::RefuseMessage(451));
    let server: Server = launch(&smtp).start();
    let _asked = ask(&server.visitor(), ADMIN_EMAIL).await.expect(200);
    let page = server
        .admin()
        .await
        .get("/mppeep/admin/files")
        .await
        .expect(200)
        .text();
    assert!(page.contains("choisir?jeton=…"), "{page}");
    let secret = format!("{CHOOSE}?jeton=…");
    assert_eq!(page.matches("?jeton=").count(), page.matches(&secret).count());
}
